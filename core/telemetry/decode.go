package telemetry

import (
	"time"

	"github.com/google/uuid"
)

// MaxReadings is how many readings one delivery may bring.
const MaxReadings = 10_000

// Intake says how a payload came in.
type Intake struct {
	SourceID uuid.UUID
	// ReceivedAt is now. Timestamps are bounded by it.
	ReceivedAt time.Time
	// Default is the time of a reading that has none of its own: ReceivedAt, or the
	// signed time of a webhook.
	Default time.Time
	// Name is set for a scalar that was published on a topic of its own: the
	// payload is this field's value.
	Name string
}

// Report is what was understood of a payload.
type Report struct {
	Readings []Reading
	// Rejected are readings of which nothing could be taken, by their index in the
	// payload.
	Rejected []Rejection
	// Warnings name fields that were left out of readings that were taken.
	Warnings []Warning
	// DroppedExtra counts unknown numeric fields beyond MaxExtra or with a name
	// beyond MaxExtraName.
	DroppedExtra int
}

// Rejection is a reading that was refused.
type Rejection struct {
	Index  int
	Reason string
}

// Warning is a field that was left out.
type Warning struct {
	Index  int
	Field  string
	Reason string
}
