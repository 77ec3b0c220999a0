package rollup

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Marks keeps marks. Time in it is the store's own, so that processes whose clocks
// differ agree.
type Marks interface {
	// Raise makes marks durable before it returns. None of them can be taken before
	// settle has passed, those AtOnce at any time. Where there is one of the same
	// source, day and slot it counts as raised now, with the earlier Earliest.
	Raise(ctx context.Context, settle time.Duration, marks ...Mark) error
	// Take gives the caller, for as long as lease, up to limit marks that can be
	// taken and are nobody's, the oldest first. One that was not dropped comes again
	// after it.
	Take(ctx context.Context, limit int, lease time.Duration) ([]Taken, error)
	// Drop removes marks that were taken, unless they were raised again meanwhile or
	// somebody else took them.
	Drop(ctx context.Context, taken ...Taken) error
	// Waiting returns all marks of sources, also those that are taken, of the days
	// from to to, both included, by source as asked and by day. Whoever asks for
	// marks first and for days afterwards misses nothing that was written before.
	Waiting(ctx context.Context, sources []uuid.UUID, from, to int32) ([]Mark, error)
	// Backlog counts the marks.
	Backlog(ctx context.Context) (Backlog, error)
}

// Days keeps the rows of days.
type Days interface {
	// Load returns the rows of sources of the days from to to, both included, by
	// source as asked and by day.
	Load(ctx context.Context, sources []uuid.UUID, from, to int32, parts Parts) ([]Day, error)
	// Before returns the last row of a source that is before a day, and After the
	// first that is behind it; false when there is none.
	Before(ctx context.Context, source uuid.UUID, day int32, parts Parts) (Day, bool, error)
	After(ctx context.Context, source uuid.UUID, day int32, parts Parts) (Day, bool, error)
	// Last returns of each source its last row that is before a day, by source as
	// asked; nothing of those that have none.
	Last(ctx context.Context, sources []uuid.UUID, day int32, parts Parts) ([]Day, error)
	// First is the day of the first row that any of the sources has; false when none
	// has one.
	First(ctx context.Context, sources []uuid.UUID) (day int32, ok bool, err error)
	// SealedAfter returns the first row behind a day that is not Whole.
	SealedAfter(ctx context.Context, source uuid.UUID, day int32, parts Parts) (Day, bool, error)
	// Save stores a row under the next revision. It is a Conflict when the stored
	// row's revision is not the given one's, and NotFound when the source was
	// erased.
	Save(ctx context.Context, day Day) error
	// Noted reports whether Note was called with the name before, in any process.
	Noted(ctx context.Context, name string) (bool, error)
	// Note remembers a name for ever.
	Note(ctx context.Context, name string) error
}

// Place is a row in the order of Due.
type Place struct {
	SourceID uuid.UUID
	Day      int32
}

// Due asks for rows that may go on to their next stage.
type Due struct {
	Stage Stage
	// Before is the day that they are before.
	Before int32
	// Idle is for how long they were not saved.
	Idle time.Duration
	// After is where the last answer ended, nil for the first.
	After *Place
	Limit int
}

// Keeping lets days go, stage by stage.
type Keeping interface {
	// Due returns rows without their digests, by day and those of one day in an order
	// of the store's own.
	Due(ctx context.Context, ask Due) ([]Day, error)
	// Advance brings a row to a stage, under the next revision, and leaves RolledAt as
	// it is. With Coarse its Minutes go. It is a Conflict when the stored row's revision
	// is not the given one's.
	Advance(ctx context.Context, day Day, to Stage) error
	// Remove erases a row; a Conflict as above.
	Remove(ctx context.Context, day Day) error
	// Empty deletes the readings of a source's days from from to to, both included, and
	// returns how many. No reading goes whose mark was raised before it was written and
	// was not dropped: it does nothing, and done is false, when the source has a mark of
	// to or a day before, or when the store is not ready for it.
	Empty(ctx context.Context, source uuid.UUID, from, to int32) (deleted int64, done bool, err error)
}

// Store keeps all of it. What erases the readings of a source (telemetry.Archive)
// erases its marks and rows too, and no Save brings them back.
type Store interface {
	Marks
	Days
	Keeping
}
