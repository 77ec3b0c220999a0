// Package telemetry is the domain of readings: what a device measured at one
// moment, in canonical names, units and signs; how readings of one moment merge;
// and the ports by which they become durable and are found again. How vendors'
// own payloads become readings is not here.
package telemetry

import (
	"maps"
	"time"

	"github.com/google/uuid"
)

// Reading is what a source's device measured at one moment. Its identity is
// (SourceID, Timestamp in milliseconds).
type Reading struct {
	SourceID uuid.UUID
	// Timestamp is the reading's own time, in UTC with milliseconds.
	Timestamp time.Time
	// ReceivedAt is when it was taken in, in UTC with milliseconds.
	ReceivedAt time.Time
	Values     Values
	// Strings has an entry a tracker, Phases an entry a phase.
	Strings []Line
	Phases  []Line
	Status  *Status
	// Extra holds numbers that no rule knew, under their own names.
	Extra map[string]float64
}

// Line is one string (tracker) on the DC side or one phase on the AC side. Nil
// is unknown.
type Line struct {
	VoltageVolts   *float64
	CurrentAmperes *float64
	PowerWatts     *float64
}

// Status is what the device says of itself. Nil is unknown; one of both is set.
type Status struct {
	Code *int64
	Text *string
}

// Limits of a reading.
const (
	MaxExtra     = 64 // names in extra
	MaxExtraName = 64 // characters of a name in extra
	MaxLines     = 32 // strings or phases
	MaxStatus    = 200
)

// Earliest and MaxAhead bound a timestamp: from 2000-01-01 until 15 minutes
// after now.
const MaxAhead = 15 * time.Minute

// Earliest is the first time that a reading may have.
func Earliest() time.Time { return time.UnixMilli(earliestMilli).UTC() }

// earliestMilli is Earliest in unix milliseconds.
const earliestMilli = 946_684_800_000

// Truncate brings a time to the precision that readings have: UTC milliseconds.
func Truncate(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

// IsEmpty reports whether nothing was measured.
func (r Reading) IsEmpty() bool {
	return r.Values.IsEmpty() && len(r.Strings) == 0 && len(r.Phases) == 0 && r.Status == nil && len(r.Extra) == 0
}

// Merge lays a later reading of the same identity over r: where both have a
// field, the later stands; extra merges name by name; strings and phases stand
// as a whole. It shares nothing with later afterwards but strings, phases and
// status, which nobody changes.
func (r *Reading) Merge(later Reading) {
	r.Values.Merge(later.Values)
	if len(later.Strings) > 0 {
		r.Strings = later.Strings
	}
	if len(later.Phases) > 0 {
		r.Phases = later.Phases
	}
	if later.Status != nil {
		r.Status = later.Status
	}
	if len(later.Extra) > 0 {
		merged := make(map[string]float64, len(r.Extra)+len(later.Extra))
		maps.Copy(merged, r.Extra)
		maps.Copy(merged, later.Extra)
		r.Extra = merged
	}
	r.ReceivedAt = later.ReceivedAt
}
