package rollup

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/rollup"
	"ampra/core/telemetry"
)

// RollerConfig bounds the roller's work.
type RollerConfig struct {
	// Every is the length of a slot of marks: that of the writers' Marker.
	Every time.Duration
	// Poll is how long the roller waits when there is nothing to do.
	Poll time.Duration
	// Batch is how many marks are taken at once, Lease for how long.
	Batch int
	Lease time.Duration
	// Workers is how many sources are rolled up at a time. A few leave the store to
	// those who ask.
	Workers int
}

// Sources tells whether sources still exist.
type Sources interface {
	// Alive answers for each; it is an error only when that can't be told now.
	Alive(ctx context.Context, sources []uuid.UUID) ([]bool, error)
}

// Rolled is what became of one day, for metrics.
type Rolled struct {
	// Readings is how many were read, Refolded that the day was folded from its
	// start, Took how long it took.
	Readings int
	Refolded bool
	Took     time.Duration
}

// RollerDeps are what the roller stands on.
type RollerDeps struct {
	Store   rollup.Store
	Archive telemetry.Archive
	Sources Sources
	Clock   clock.Clock
	// Failed is told of what went wrong and will be tried again.
	Failed func(error)
	// Rolled is told of each day that was rolled up.
	Rolled func(Rolled)
}

// Roller works off marks. Any number of them may run: where two have the same day
// in hand, one of them comes again.
type Roller struct {
	cfg RollerConfig
	d   RollerDeps
}

// NewRoller returns a roller.
func NewRoller(cfg RollerConfig, d RollerDeps) *Roller { return &Roller{cfg: cfg, d: d} }

// Run rolls up until ctx ends. What is under way then is given up: its marks come
// again.
func (r *Roller) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := r.Round(ctx)
		if err != nil && ctx.Err() == nil {
			r.d.Failed(err)
		}
		if n == 0 || err != nil {
			pause(ctx, r.cfg.Poll)
		}
	}
	return nil
}

func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Round takes marks once and rolls up their days. It returns how many it took; an
// error is that of one of the days, of which the others know nothing.
func (r *Roller) Round(ctx context.Context) (int, error) {
	taken, err := r.d.Store.Take(ctx, r.cfg.Batch, r.cfg.Lease)
	if err != nil || len(taken) == 0 {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Lease) // later they are somebody else's
	defer cancel()
	of := map[uuid.UUID][]rollup.Taken{}
	var sources []uuid.UUID
	for _, m := range taken {
		if of[m.SourceID] == nil {
			sources = append(sources, m.SourceID)
		}
		of[m.SourceID] = append(of[m.SourceID], m)
	}
	alive, err := r.d.Sources.Alive(ctx, sources)
	if err != nil {
		return len(taken), fmt.Errorf("asking for the sources of marks: %w", err)
	}
	var mu sync.Mutex
	var workers sync.WaitGroup
	turns := make(chan struct{}, r.cfg.Workers)
	for i, source := range sources {
		turns <- struct{}{}
		workers.Go(func() {
			defer func() { <-turns }()
			failed := r.source(ctx, of[source], alive[i])
			mu.Lock()
			defer mu.Unlock()
			err = cmp.Or(err, failed)
		})
	}
	workers.Wait()
	return len(taken), err
}

// source rolls up the marked days of one source, in order, and drops each's marks.
func (r *Roller) source(ctx context.Context, marks []rollup.Taken, alive bool) error {
	if !alive {
		return r.d.Store.Drop(ctx, marks...)
	}
	slices.SortStableFunc(marks, func(a, b rollup.Taken) int { return cmp.Compare(a.Day, b.Day) })
	behind := newSealedBehind(r.d.Store, marks[0].SourceID, r.d.Clock.Now())
	for len(marks) > 0 {
		n := 1
		for n < len(marks) && marks[n].Day == marks[0].Day {
			n++
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.day(ctx, marks[:n], behind); err != nil {
			return fmt.Errorf("rolling up day %d of source %s: %w", marks[0].Day, marks[0].SourceID, err)
		}
		marks = marks[n:]
	}
	return nil
}

// attempts is how often a day is tried when another process saves it at the same
// time.
const attempts = 3

// day rolls up one day of one source, all of whose marks are given.
func (r *Roller) day(ctx context.Context, marks []rollup.Taken, behind *sealedBehind) error {
	for attempt := 1; ; attempt++ {
		done, err := r.try(ctx, marks, behind)
		switch {
		case fault.Is(err, fault.Conflict) && attempt < attempts:
			behind.asked = false // it may have been sealed
			continue
		case fault.Is(err, fault.Conflict):
			return nil // the marks come again
		case fault.Is(err, fault.NotFound): // erased
			return r.d.Store.Drop(ctx, marks...)
		case err != nil || !done:
			return err
		}
		return r.d.Store.Drop(ctx, marks...)
	}
}

// patience is for how many slots a day is left alone that is being written to out
// of order: it would have to be folded from its start in each of them.
const patience = 4

// try does it once. Its order is what makes it exact: the row first, since who saves
// it meanwhile makes the save fail; then the marks that others raised, since what
// they cover need not be counted now; then the readings.
func (r *Roller) try(ctx context.Context, marks []rollup.Taken, behind *sealedBehind) (done bool, err error) {
	began := r.d.Clock.Now()
	source, day := marks[0].SourceID, marks[0].Day
	t := task{source: source, day: day, earliest: math.MaxInt64, until: rollup.End(day)}
	var age time.Duration
	for _, m := range marks {
		t.earliest, age = min(t.earliest, m.Earliest), max(age, m.Age)
	}
	rows, err := r.d.Store.Load(ctx, []uuid.UUID{source}, day, day, rollup.All)
	if err != nil {
		return false, err
	}
	if len(rows) > 0 {
		t.row = rows[0]
	}
	others, err := r.others(ctx, marks)
	if err != nil {
		return false, err
	}
	switch {
	case t.row.IsSealed():
		// What comes late is filled in at once, as far as it can be: a slot with one
		// value takes no second one later.
		if others != math.MaxInt64 && age < patience*r.cfg.Every {
			return false, nil
		}
	case others > t.earliest:
		// What is counted stays counted, whatever the marks say.
		t.until = min(t.until, max(others, t.row.Through))
	case age < patience*r.cfg.Every:
		return false, nil
	}
	before, _, err := r.d.Store.Before(ctx, source, day, rollup.State)
	if err != nil {
		return false, err
	}
	t.prior = before.State
	if t.next, err = behind.of(ctx, day); err != nil {
		return false, err
	}
	fold := folding{archive: r.d.Archive, parts: rollup.All}
	o, err := fold.run(ctx, t, math.MaxInt32)
	if err != nil || o.none {
		return o.none, err
	}
	if err := r.d.Store.Save(ctx, o.day); err != nil {
		return false, err
	}
	r.d.Rolled(Rolled{Readings: o.readings, Refolded: o.refolded, Took: r.d.Clock.Now().Sub(began)})
	return true, r.follow(ctx, t, o)
}

// others is the earliest moment of the day's marks that are not ours.
func (r *Roller) others(ctx context.Context, marks []rollup.Taken) (int64, error) {
	all, err := r.d.Store.Waiting(ctx, []uuid.UUID{marks[0].SourceID}, marks[0].Day, marks[0].Day)
	if err != nil {
		return 0, err
	}
	earliest := int64(math.MaxInt64)
	for _, m := range all {
		if !slices.ContainsFunc(marks, func(t rollup.Taken) bool { return t.Slot == m.Slot }) {
			earliest = min(earliest, m.Earliest)
		}
	}
	return earliest, nil
}

// follow marks days that began with another state than the one that is now stored
// before them: the day behind, and the day itself when what is before it was saved
// meanwhile. It comes after the save and before the marks are dropped, so that it is
// made up for after a crash.
func (r *Roller) follow(ctx context.Context, t task, o outcome) error {
	source, day := o.day.SourceID, o.day.Day
	var again []rollup.Mark
	next, ok, err := r.d.Store.After(ctx, source, day, rollup.None)
	if err != nil {
		return err
	}
	if ok && next.Before != rollup.DigestOf(o.day.State) {
		again = append(again, rollup.Mark{SourceID: source, Day: next.Day, Slot: rollup.AtOnce, Earliest: rollup.Start(next.Day)})
	}
	before, _, err := r.d.Store.Before(ctx, source, day, rollup.State)
	if err != nil {
		return err
	}
	// Also when the day behind was sealed meanwhile, and tells what this one told.
	if rollup.DigestOf(before.State) != o.day.Before || next.IsSealed() && t.next.Revision == 0 && !o.day.IsSealed() {
		again = append(again, rollup.Mark{SourceID: source, Day: day, Slot: rollup.AtOnce, Earliest: rollup.Start(day)})
	}
	if len(again) == 0 {
		return nil
	}
	return r.d.Store.Raise(ctx, 0, again...)
}
