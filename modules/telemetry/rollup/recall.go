package rollup

import (
	"context"
	"slices"
	"time"

	"ampra/core/energy"
	"ampra/core/rollup"
	"ampra/core/sunsource"
)

// recall calls give with a source's local days of a span, and reads of the store
// what is new in them alone. What is not stored, since its readings have not been
// rolled up yet, is never taken from memory.
func (s *Service) recall(
	ctx context.Context, source sunsource.SunSource, zone *time.Location, sp span, unfinished bool, budget *int, give func(view),
) error {
	first, last := sp.days()
	marks, err := s.waiting(ctx, source.ID, last)
	if err != nil {
		return err
	}
	settled := last + 1 // the days from it on may have more than is stored
	if len(marks) > 0 {
		settled = marks[0].Day
	}
	stored, err := s.load(ctx, source.ID, first, settled-1, rollup.None)
	if err != nil {
		return err
	}
	tail, incomplete, err := s.settle(ctx, source.ID, marks, max(first, settled), last, rollup.Energy, budget)
	if err != nil {
		return err
	}
	v := view{incomplete: incomplete, unfinished: unfinished}
	digests, err := parse(tail)
	if err != nil {
		return err
	}
	revisions := revisionsOf(stored)
	for _, day := range tail {
		revisions = append(revisions, energy.Revision{Day: day.Day, Revision: s.memory.pass()})
	}
	r := s.memory.of(source.ID, zone)
	missing := r.missing(revisions, sp)
	missing = slices.DeleteFunc(missing, func(day int32) bool { return day >= settled })
	if len(missing) > 0 {
		rows, err := s.load(ctx, source.ID, missing[0], missing[len(missing)-1], rollup.Energy)
		if err != nil {
			return err
		}
		older, err := parse(rows)
		if err != nil {
			return err
		}
		digests = slices.Concat(older, digests)
		revisions = replaced(revisions, missing[0], missing[len(missing)-1], revisionsOf(rows))
	}
	r.mu.Lock()
	r.locals.Learn(revisions, digests, sp.from, sp.to)
	known := len(r.locals.Missing(revisions, sp.from, sp.to)) == 0
	if known {
		v.make = func(res energy.Resolution, from, to time.Time) []energy.Bucket {
			return r.locals.Buckets(revisions, res, from, to)
		}
		give(v)
	}
	size := r.locals.Len()
	r.mu.Unlock()
	s.memory.keep(r, size)
	if known {
		return nil
	}
	// Days were rolled up, or asked for by somebody else, while this looked at them.
	rows, err := s.load(ctx, source.ID, first, settled-1, rollup.Energy)
	if err != nil {
		return err
	}
	return v.of(slices.Concat(rows, tail), zone, give)
}

func (r *recollection) missing(revisions []energy.Revision, sp span) []int32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.locals.Missing(revisions, sp.from, sp.to)
}

// revisionsOf tells rows apart. A row that was removed begins anew with its first
// revision, so when it was saved counts too.
func revisionsOf(rows []rollup.Day) []energy.Revision {
	revisions := make([]energy.Revision, len(rows))
	for i, row := range rows {
		revisions[i] = energy.Revision{Day: row.Day, Revision: row.RolledAt.UnixMilli()*1_000 + row.Revision%1_000}
	}
	return revisions
}

// replaced puts others in the place of the days from first to last.
func replaced(revisions []energy.Revision, first, last int32, others []energy.Revision) []energy.Revision {
	behind := func(day int32) int {
		i := slices.IndexFunc(revisions, func(r energy.Revision) bool { return r.Day > day })
		if i < 0 {
			return len(revisions)
		}
		return i
	}
	return slices.Concat(revisions[:behind(first-1)], others, revisions[behind(last):])
}
