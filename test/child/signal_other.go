//go:build !unix

package child

import "errors"

var errNoSignals = errors.New("this system has no such signal")

// Halt is not known here.
func (c *Child) Halt() error { return errNoSignals }

// Continue is not known here.
func (c *Child) Continue() error { return errNoSignals }

// Terminate is not known here.
func (c *Child) Terminate() error { return errNoSignals }
