package rollup

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/google/uuid"

	"ampra/core/rollup"
)

// working are the rows of one source while what they do not count is folded in.
type working struct {
	s      *Service
	fold   folding
	source uuid.UUID
	rows   map[int32]rollup.Day
	todo   map[int32]int64 // the earliest moment that may be missing, by day
	budget *int
	behind *sealedBehind
}

// days is Days with a budget that several share.
func (s *Service) days(ctx context.Context, source uuid.UUID, from, to int32, parts rollup.Parts, budget *int) ([]rollup.Day, []int32, error) {
	marks, err := s.waiting(ctx, source, to)
	if err != nil {
		return nil, nil, err
	}
	settled := to
	if len(marks) > 0 {
		settled = marks[0].Day - 1
	}
	rows, err := s.load(ctx, source, from, settled, parts)
	if err != nil || len(marks) == 0 {
		return rows, nil, err
	}
	tail, incomplete, err := s.settle(ctx, source, marks, max(from, settled+1), to, parts, budget)
	return append(rows, tail...), incomplete, err
}

// waiting are a source's marks up to a day. They are asked for before the rows are:
// see rollup.Marks.
func (s *Service) waiting(ctx context.Context, source uuid.UUID, to int32) ([]rollup.Mark, error) {
	return s.d.Store.Waiting(ctx, []uuid.UUID{source}, math.MinInt32, to)
}

func (s *Service) load(ctx context.Context, source uuid.UUID, from, to int32, parts rollup.Parts) ([]rollup.Day, error) {
	if from > to {
		return nil, nil
	}
	return s.d.Store.Load(ctx, []uuid.UUID{source}, from, to, parts)
}

// settle returns the rows of the days from from to to, of which none is before the
// first that is marked, with what they do not count folded in; see Days.
func (s *Service) settle(
	ctx context.Context, source uuid.UUID, marks []rollup.Mark, from, to int32, parts rollup.Parts, budget *int,
) (days []rollup.Day, incomplete []int32, err error) {
	if len(marks) == 0 {
		return nil, nil, nil
	}
	load := parts | rollup.State | rollup.Energy
	if parts.Has(rollup.Hours) {
		load |= rollup.Minutes // the hours are made from them
	}
	if parts.Has(rollup.Minutes) {
		load |= rollup.Hours // a late value may be known by its hour alone
	}
	rows, err := s.load(ctx, source, marks[0].Day, to, load)
	if err != nil {
		return nil, nil, err
	}
	w := working{
		s: s, source: source, budget: budget, rows: make(map[int32]rollup.Day, len(rows)), todo: earliestOf(marks),
		fold: folding{archive: s.d.Archive, parts: load}, behind: newSealedBehind(s.d.Store, source, s.d.Clock.Now()),
	}
	for _, row := range rows {
		w.rows[row.Day] = row
	}
	if incomplete, err = w.settle(ctx); err != nil {
		return nil, nil, err
	}
	for _, day := range slices.Sorted(maps.Keys(w.rows)) {
		if day >= from {
			days = append(days, w.rows[day])
		}
	}
	return days, incomplete, nil
}

func earliestOf(marks []rollup.Mark) map[int32]int64 {
	todo := map[int32]int64{}
	for _, m := range marks {
		if at, ok := todo[m.Day]; !ok || m.Earliest < at {
			todo[m.Day] = m.Earliest
		}
	}
	return todo
}

// settle folds what is to do, day by day, and what follows from it. It returns the
// days for which the budget was not enough.
func (w *working) settle(ctx context.Context) ([]int32, error) {
	for len(w.todo) > 0 {
		day := slices.Min(slices.Collect(maps.Keys(w.todo)))
		prior, err := w.before(ctx, day)
		if err != nil {
			return nil, err
		}
		next, err := w.behind.of(ctx, day)
		if err != nil {
			return nil, err
		}
		t := task{source: w.source, day: day, prior: prior, row: w.rows[day], next: next, earliest: w.todo[day], until: rollup.End(day)}
		o, err := w.fold.run(ctx, t, *w.budget)
		if err != nil {
			return nil, err
		}
		if *w.budget -= min(o.readings, *w.budget); o.over {
			return slices.Sorted(maps.Keys(w.todo)), nil
		}
		delete(w.todo, day)
		if o.none {
			continue
		}
		w.rows[day] = o.day
		if next, ok := w.after(day); ok && next.Before != rollup.DigestOf(o.day.State) {
			w.todo[next.Day] = rollup.Start(next.Day)
		}
	}
	return nil, nil
}

// before is the state of the last row before a day.
func (w *working) before(ctx context.Context, day int32) ([]byte, error) {
	last, found := int32(0), false
	for number := range w.rows {
		if number < day && (!found || number > last) {
			last, found = number, true
		}
	}
	if found {
		return w.rows[last].State, nil
	}
	row, _, err := w.s.d.Store.Before(ctx, w.source, day, rollup.State)
	if err != nil {
		return nil, fmt.Errorf("looking for the day before: %w", err)
	}
	return row.State, nil
}

func (w *working) after(day int32) (rollup.Day, bool) {
	var next rollup.Day
	found := false
	for number, row := range w.rows {
		if number > day && (!found || number < next.Day) {
			next, found = row, true
		}
	}
	return next, found
}
