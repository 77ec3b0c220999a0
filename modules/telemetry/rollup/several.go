package rollup

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/energy"
	"ampra/core/fault"
	"ampra/core/rollup"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

// Bounds of a question for several sources.
const (
	// exactSources is up to how many sources what is not rolled up yet is folded in
	// reading by reading; of more it is only the latest reading of each.
	exactSources = 20
	// loadedAtOnce is how many sources' rows are in memory at a time, readAtOnce how
	// many latest readings are asked for at a time.
	loadedAtOnce = 50
	readAtOnce   = 8
)

// sum adds the buckets of sources.
func (s *Service) sum(
	ctx context.Context, sources []sunsource.SunSource, zone *time.Location, res energy.Resolution, from, to time.Time,
) ([]energy.Bucket, error) {
	total := parsedDays{}.buckets(zone, res, from, to)
	var list [][]energy.Bucket
	err := s.each(ctx, sources, from, to, func(days parsedDays) {
		list = append(list, days.buckets(zone, res, from, to))
	})
	if err != nil || len(list) == 0 {
		return total, err
	}
	return energy.Sum(list...), nil
}

// each calls give with the days of each source that a span is made from.
func (s *Service) each(ctx context.Context, sources []sunsource.SunSource, from, to time.Time, give func(parsedDays)) error {
	first, last := rollup.DayOf(from.UnixMilli())-1, rollup.DayOf(to.UnixMilli()-1)+1
	unfinished, err := s.unfinished(ctx)
	if err != nil {
		return err
	}
	if len(sources) <= exactSources {
		budget := s.cfg.Budget
		for _, source := range sources {
			rows, incomplete, err := s.days(ctx, source.ID, first, last, rollup.Energy, &budget)
			if err == nil {
				err = hand(rows, incomplete, unfinished, give)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	for len(sources) > 0 {
		some := sources[:min(loadedAtOnce, len(sources))]
		sources = sources[len(some):]
		if err := s.many(ctx, some, first, last, unfinished, give); err != nil {
			return err
		}
	}
	return nil
}

func hand(rows []rollup.Day, incomplete []int32, unfinished bool, give func(parsedDays)) error {
	days, err := parse(rows, incomplete)
	if err != nil {
		return err
	}
	days.unfinished = unfinished
	give(days)
	return nil
}

// many is each for sources of which there are many.
func (s *Service) many(ctx context.Context, sources []sunsource.SunSource, first, last int32, unfinished bool, give func(parsedDays)) error {
	ids := idsOf(sources)
	marks, err := s.d.Store.Waiting(ctx, ids, minDay, last)
	if err != nil {
		return err
	}
	rows, err := s.d.Store.Load(ctx, ids, first, last, rollup.Energy|rollup.State)
	if err != nil {
		return err
	}
	rowsOf := map[uuid.UUID][]rollup.Day{}
	for _, row := range rows {
		rowsOf[row.SourceID] = append(rowsOf[row.SourceID], row)
	}
	marksOf := map[uuid.UUID][]rollup.Mark{}
	for _, m := range marks {
		marksOf[m.SourceID] = append(marksOf[m.SourceID], m)
	}
	latest, err := s.latest(ctx, ids, func(id uuid.UUID) bool { return len(marksOf[id]) > 0 })
	if err != nil {
		return err
	}
	for i, id := range ids {
		own, incomplete, err := s.extended(ctx, rowsOf[id], marksOf[id], latest[i], last)
		if err == nil {
			err = hand(own, incomplete, unfinished, give)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// latest are the latest readings of those sources that are wanted; nil for none.
func (s *Service) latest(ctx context.Context, ids []uuid.UUID, wanted func(uuid.UUID) bool) ([]*telemetry.Reading, error) {
	found, errs := make([]*telemetry.Reading, len(ids)), make([]error, len(ids))
	turns := make(chan struct{}, readAtOnce)
	var asked sync.WaitGroup
	for i, id := range ids {
		if !wanted(id) {
			continue
		}
		turns <- struct{}{}
		asked.Go(func() {
			defer func() { <-turns }()
			reading, err := s.d.Archive.Latest(ctx, id)
			if err == nil {
				found[i] = &reading
			} else if !fault.Is(err, fault.NotFound) {
				errs[i] = err
			}
		})
	}
	asked.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// extended are a source's rows with its latest reading on top. All days with marks
// are incomplete, since readings in between are not counted one by one.
func (s *Service) extended(
	ctx context.Context, rows []rollup.Day, marks []rollup.Mark, latest *telemetry.Reading, last int32,
) (days []rollup.Day, incomplete []int32, err error) {
	for _, m := range marks {
		if len(incomplete) == 0 || incomplete[len(incomplete)-1] != m.Day {
			incomplete = append(incomplete, m.Day)
		}
	}
	if latest == nil {
		return rows, incomplete, nil
	}
	at := latest.Timestamp.UnixMilli()
	day := rollup.DayOf(at)
	if day > last {
		return rows, incomplete, nil
	}
	t := task{source: latest.SourceID, day: day}
	if n := len(rows); n > 0 {
		t.prior = rows[n-1].State
		if rows[n-1].Day >= day {
			t.row = rows[n-1]
		}
	} else {
		before, _, err := s.d.Store.Before(ctx, latest.SourceID, day, rollup.State)
		if err != nil {
			return nil, nil, err
		}
		t.prior = before.State
	}
	if t.row.Revision > 0 && (t.row.Day > day || at < t.row.Through) {
		return rows, incomplete, nil // it is counted
	}
	fold, err := folding{parts: rollup.Energy}.over(t)
	if err != nil {
		return nil, nil, err
	}
	fold.add(latest)
	tip := rollup.Day{SourceID: t.source, Day: day}
	if err := fold.into(&tip); err != nil {
		return nil, nil, err
	}
	if t.row.Revision > 0 {
		rows = rows[:len(rows)-1]
	}
	return append(rows, tip), incomplete, nil
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
	done, err := s.d.Store.Noted(ctx, backfilled)
	return !done, err
}

func idsOf(sources []sunsource.SunSource) []uuid.UUID {
	ids := make([]uuid.UUID, len(sources))
	for i, source := range sources {
		ids[i] = source.ID
	}
	return ids
}
