package rollup

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"ampra/core/rollup"
	"ampra/core/telemetry"
)

// AllSources lists the sources of all owners.
type AllSources interface {
	// IDs returns up to limit ids behind one, in their order.
	IDs(ctx context.Context, after uuid.UUID, limit int) ([]uuid.UUID, error)
}

// RebuildDeps are what marking days anew stands on.
type RebuildDeps struct {
	Store   rollup.Store
	Archive telemetry.Archive
	All     AllSources
	// Blank reports whether the archive has no reading at all; nil: nobody knows.
	Blank func(ctx context.Context) (bool, error)
	// Progress is told of each source whose days are marked, and how many they are.
	Progress func(source uuid.UUID, days int)
}

// Rebuild marks days for the roller, which makes them anew from raw readings.
type Rebuild struct{ d RebuildDeps }

// NewRebuild returns a rebuild.
func NewRebuild(d RebuildDeps) *Rebuild { return &Rebuild{d: d} }

// idsAtOnce is how many sources are listed at once, marksAtOnce how many marks are
// raised at once.
const (
	idsAtOnce   = 500
	marksAtOnce = 1000
)

// All marks the days of all sources that have readings between two times; zero is
// open. It returns how many days they are.
func (b *Rebuild) All(ctx context.Context, from, to time.Time) (days int, err error) {
	after := uuid.Nil
	for {
		ids, err := b.d.All.IDs(ctx, after, idsAtOnce)
		if err != nil || len(ids) == 0 {
			return days, err
		}
		for _, id := range ids {
			n, err := b.Source(ctx, id, from, to)
			if days += n; err != nil {
				return days, err
			}
		}
		after = ids[len(ids)-1]
	}
}

// Source marks the days of one source. It looks for the first reading of each day,
// and for nothing in between.
func (b *Rebuild) Source(ctx context.Context, source uuid.UUID, from, to time.Time) (days int, err error) {
	var marks []rollup.Mark
	flush := func() error {
		err := b.d.Store.Raise(ctx, 0, marks...)
		days += len(marks)
		marks = marks[:0]
		return err
	}
	if from.IsZero() {
		from = telemetry.Earliest()
	} else {
		from = time.UnixMilli(rollup.Start(rollup.DayOf(from.UnixMilli())))
	}
	for {
		next, err := b.d.Archive.History(ctx, telemetry.Span{SourceID: source, From: from, To: to, Order: telemetry.OldestFirst, Limit: 1})
		if err != nil {
			return days, fmt.Errorf("looking for readings of source %s: %w", source, err)
		}
		if len(next) == 0 {
			err := flush()
			if err == nil {
				b.d.Progress(source, days)
			}
			return days, err
		}
		day := rollup.DayOf(next[0].Timestamp.UnixMilli())
		marks = append(marks, rollup.Mark{SourceID: source, Day: day, Slot: rollup.AtOnce, Earliest: rollup.Start(day)})
		from = time.UnixMilli(rollup.End(day))
		if len(marks) == marksAtOnce {
			if err := flush(); err != nil {
				return days, err
			}
		}
	}
}

// Backfill marks, once for a store, the days of readings that were there before
// there were roll-ups. It tries until it has or ctx ends.
func (b *Rebuild) Backfill(ctx context.Context, retry time.Duration, failed func(error)) error {
	for ctx.Err() == nil {
		err := b.backfill(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			failed(fmt.Errorf("marking the days of readings that are there: %w", err))
		}
		pause(ctx, retry)
	}
	return nil
}

func (b *Rebuild) backfill(ctx context.Context) error {
	done, err := b.d.Store.Noted(ctx, backfilled)
	if err != nil || done {
		return err
	}
	blank, err := b.blank(ctx)
	if err != nil {
		return err
	}
	if !blank {
		if _, err := b.All(ctx, time.Time{}, time.Time{}); err != nil {
			return err
		}
	}
	return b.d.Store.Note(ctx, backfilled)
}

// blank reports whether it is known that there is nothing to mark: whoever writes
// from now on marks for itself. A new installation with many sources would ask for
// each of them else, while their devices begin to send.
func (b *Rebuild) blank(ctx context.Context) (bool, error) {
	if b.d.Blank == nil {
		return false, nil
	}
	return b.d.Blank(ctx)
}
