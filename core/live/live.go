// Package live is the domain of what is told while it happens: readings, changes
// of devices' states, refused attempts and the progress of jobs, as events that
// any process may raise and every process may hear. What is kept is elsewhere:
// an event that nobody heard is gone after a few minutes.
package live

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ampra/core/device"
	"ampra/core/telemetry"
)

// Kind says what an event tells.
type Kind string

// The kinds of events.
const (
	ReadingTaken Kind = "reading" // a reading is durable
	StateChanged Kind = "state"   // a device's state changed
	Attempted    Kind = "attempt" // a device was refused
	JobMoved     Kind = "job"     // a job made progress or ended
	// Resync tells one listener that it missed what can't be told any more, and
	// has to read anew. Nobody publishes it.
	Resync Kind = "resync"
	// AccessChanged tells the processes that what somebody may hear may have
	// changed, as Subject says. It is told to no listener.
	AccessChanged Kind = "access"
)

// Event is one thing that happened to one source. The member that Kind names is
// set.
type Event struct {
	Kind     Kind
	SourceID uuid.UUID
	At       time.Time

	Reading *telemetry.Reading
	State   *device.Change
	Attempt *device.Attempt
	Job     *JobProgress
	// Subject is the user, or the key by which somebody signed in, of AccessChanged.
	Subject uuid.UUID
}

// JobProgress is how far a job is.
type JobProgress struct {
	JobID uuid.UUID
	State string
	// Progress is from 0 to 1.
	Progress float64
}

// Publisher takes events that are not readings, which are heard where they become
// durable. It neither blocks nor fails: an event that can't be told is dropped and
// counted.
type Publisher interface {
	Publish(ctx context.Context, e Event)
}
