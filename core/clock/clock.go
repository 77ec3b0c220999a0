// Package clock is the port through which use cases read the time.
package clock

import "time"

// Clock tells the time.
type Clock interface {
	// Now is the present in UTC.
	Now() time.Time
}

// Func makes a Clock of a function.
type Func func() time.Time

// Now calls f and gives the result in UTC.
func (f Func) Now() time.Time { return f().UTC() }
