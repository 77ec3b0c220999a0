package rollup

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"ampra/core/energy"
	"ampra/core/rollup"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

// Bounds of a question for several sources.
const (
	// exactSources is up to how many sources what is not rolled up yet is folded in
	// reading by reading; of more it is only the latest reading of each.
	exactSources = 20
	// rowsAtOnce is how many rows are in memory at a time, about, and sourcesAtOnce of
	// how many sources at the most.
	rowsAtOnce    = 20_000
	sourcesAtOnce = 1_000
)

// sum adds the buckets of sources.
func (s *Service) sum(
	ctx context.Context, sources []sunsource.SunSource, zone *time.Location, res energy.Resolution, from, to time.Time,
) ([]energy.Bucket, error) {
	total := energy.Buckets(nil, zone, res, from, to)
	var list [][]energy.Bucket
	err := s.each(ctx, sources, zone, span{from, to, res == energy.Hour}, func(v view) {
		list = append(list, v.buckets(res, from, to))
	})
	if err != nil || len(list) == 0 {
		return total, err
	}
	return energy.Sum(list...), nil
}

// each calls give with what buckets of each source are made from.
func (s *Service) each(ctx context.Context, sources []sunsource.SunSource, zone *time.Location, sp span, give func(view)) error {
	unfinished, err := s.unfinished(ctx)
	if err != nil {
		return err
	}
	if len(sources) <= exactSources {
		budget := s.cfg.Budget
		for _, source := range sources {
			if sp.hours || s.cfg.Memory == 0 {
				err = s.read(ctx, source, zone, sp, unfinished, &budget, give)
			} else {
				err = s.recall(ctx, source, zone, sp, unfinished, &budget, give)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	first, last := sp.days()
	atOnce := max(1, min(rowsAtOnce/int(last-first+1), sourcesAtOnce))
	for some := range slices.Chunk(sources, atOnce) {
		if err := s.many(ctx, some, zone, sp, unfinished, give); err != nil {
			return err
		}
	}
	return nil
}

// read calls give with a source's days as they are read.
func (s *Service) read(
	ctx context.Context, source sunsource.SunSource, zone *time.Location, sp span, unfinished bool, budget *int, give func(view),
) error {
	first, last := sp.days()
	rows, incomplete, err := s.days(ctx, source.ID, first, last, rollup.Energy, budget)
	if err != nil {
		return err
	}
	return view{incomplete: incomplete, unfinished: unfinished}.of(rows, zone, give)
}

// many is each for sources of which there are many.
func (s *Service) many(
	ctx context.Context, sources []sunsource.SunSource, zone *time.Location, sp span, unfinished bool, give func(view),
) error {
	first, last := sp.days()
	ids := idsOf(sources)
	marks, err := s.d.Store.Waiting(ctx, ids, minDay, last)
	if err != nil {
		return err
	}
	rows, err := s.d.Store.Load(ctx, ids, first, last, rollup.Energy)
	if err != nil {
		return err
	}
	tips, err := s.tips(ctx, ids, marks, first, last)
	if err != nil {
		return err
	}
	for _, id := range ids {
		own := leading(&rows, func(row *rollup.Day) bool { return row.SourceID == id })
		waiting := leading(&marks, func(m *rollup.Mark) bool { return m.SourceID == id })
		if tip, ok := tips[id]; ok {
			if own, err = tip.on(own); err != nil {
				return err
			}
		}
		v := view{unfinished: unfinished}
		for _, m := range waiting {
			v.incomplete = append(v.incomplete, m.Day)
		}
		v.incomplete = slices.Compact(v.incomplete)
		if err := v.of(own, zone, give); err != nil {
			return err
		}
	}
	return nil
}

// leading takes off a list what it begins with.
func leading[T any](list *[]T, of func(*T) bool) []T {
	n := 0
	for n < len(*list) && of(&(*list)[n]) {
		n++
	}
	some := (*list)[:n:n]
	*list = (*list)[n:]
	return some
}

// tip is the latest reading of a source, and the last row that there is of it.
type tip struct {
	reading telemetry.Reading
	row     rollup.Day
}

// tips are those of the sources that have marks, and a reading in these days.
func (s *Service) tips(ctx context.Context, ids []uuid.UUID, marks []rollup.Mark, first, last int32) (map[uuid.UUID]tip, error) {
	marked := map[uuid.UUID]bool{}
	for _, m := range marks {
		marked[m.SourceID] = true
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id uuid.UUID) bool { return !marked[id] })
	tips := make(map[uuid.UUID]tip, len(ids))
	if len(ids) == 0 {
		return tips, nil
	}
	newest, err := s.d.Archive.Newest(ctx, ids, time.UnixMilli(rollup.Start(first)))
	if err != nil {
		return nil, err
	}
	rows, err := s.d.Store.Last(ctx, ids, last+1, rollup.State)
	if err != nil {
		return nil, err
	}
	lastOf := make(map[uuid.UUID]rollup.Day, len(rows))
	for _, row := range rows {
		lastOf[row.SourceID] = row
	}
	for _, reading := range newest {
		if reading.Timestamp.UnixMilli() < rollup.End(last) {
			tips[reading.SourceID] = tip{reading, lastOf[reading.SourceID]}
		}
	}
	return tips, nil
}

// on puts the latest reading on top of a source's rows. Readings in between are not
// counted one by one.
func (t tip) on(rows []rollup.Day) ([]rollup.Day, error) {
	at := t.reading.Timestamp.UnixMilli()
	job := task{source: t.reading.SourceID, day: rollup.DayOf(at), prior: t.row.State}
	if n := len(rows); t.row.Revision > 0 && t.row.Day >= job.day {
		if t.row.Day > job.day || at < t.row.Through || n == 0 || rows[n-1].Day != job.day {
			return rows, nil // it is counted
		}
		job.row = rows[n-1]
		job.row.State = t.row.State
		if rows[n-1].Revision != t.row.Revision {
			return rows, nil // it was rolled up this moment
		}
		rows = rows[:n-1]
	}
	fold, err := folding{parts: rollup.Energy}.over(job)
	if err != nil {
		return nil, err
	}
	fold.add(&t.reading)
	day := rollup.Day{SourceID: job.source, Day: job.day}
	if err := fold.into(&day); err != nil {
		return nil, err
	}
	return append(rows, day), nil
}

// over goes on from a day's row, or begins the day where there is none.
func (f folding) over(t task) (folders, error) {
	if t.row.Revision > 0 {
		return f.resume(t.row)
	}
	return f.begin(t)
}

// unfinished reports whether days are still being marked whose readings were there
// before there were roll-ups.
func (s *Service) unfinished(ctx context.Context) (bool, error) {
	if s.marked.Load() {
		return false, nil // what is noted stays
	}
	done, err := s.d.Store.Noted(ctx, backfilled)
	s.marked.Store(err == nil && done)
	return !done, err
}

func idsOf(sources []sunsource.SunSource) []uuid.UUID {
	ids := make([]uuid.UUID, len(sources))
	for i, source := range sources {
		ids[i] = source.ID
	}
	return ids
}
