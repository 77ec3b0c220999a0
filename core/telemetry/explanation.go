package telemetry

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Explained says which rule gave a field of a reading.
type Explained struct {
	// Field is the field's name as payload.Given has it.
	Field string
	// Rule is a profile's name, a general rule's or "override"; From are the members
	// of the payload, in its flattened names.
	Rule string
	From []string
	// Assumed is set when the unit, the sign or the meter's place is the usual one
	// and was not told.
	Assumed bool
	// At is when a delivery was last known to give the field by the rule, in
	// milliseconds.
	At time.Time
}

// Explanation says by which rules a source's deliveries are understood. What came
// under its canonical name has no entry.
type Explanation struct {
	SourceID uuid.UUID
	// Fields has an entry a field, in the order of names.
	Fields []Explained
}

// Explanations keeps how sources' deliveries are understood.
type Explanations interface {
	// Note lays fields over what was noted of the same sources: the later stands.
	// Each source stands once in the list. Sources that are gone are left out.
	Note(ctx context.Context, list []Explanation) error
	// Explanation returns what was noted of a source, empty where nothing was.
	Explanation(ctx context.Context, source uuid.UUID) (Explanation, error)
}
