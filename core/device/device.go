// Package device is the domain of a source's device as one sees it from here:
// when it was last heard, the state that this means for one with its rhythm, and
// how it knocked in vain. What it measures is in package telemetry.
package device

import (
	"time"

	"github.com/google/uuid"
)

// State is what is thought of a device that may speak or be silent.
type State string

// The states.
const (
	// Unknown is a device that was never heard.
	Unknown State = "unknown"
	// Online is heard in its own rhythm.
	Online State = "online"
	// Late has missed its rhythm, but not for long.
	Late State = "late"
	// Offline has been silent for longer than its rhythm explains.
	Offline State = "offline"
	// Asleep is silent because the sun is down there, or because it always is
	// silent at this time of the day.
	Asleep State = "asleep"
)

// Change is a change of a device's state.
type Change struct {
	SourceID uuid.UUID
	State    State
	// Since is when the device came to be in the state.
	Since time.Time
	// Was is the state before, where that is known.
	Was State
}

// Attempt is a time that a device knocked and was refused, or sent what could not
// be read.
type Attempt struct {
	SourceID uuid.UUID
	At       time.Time
	// Transport is "mqtt" or "webhook", Remote the address that it came from.
	Transport, Remote string
	// Reason is a few words for machines, Detail a sentence for people. Neither
	// holds a secret or what was sent in place of one.
	Reason, Detail string
}
