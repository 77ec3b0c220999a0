package imports

import (
	"context"
	"time"

	"ampra/core/csvimport"
	"ampra/core/telemetry"
)

// Looking for a counter's last value stops after so many readings.
const (
	lookPage  = 1000
	lookPages = 10
)

// intervals stores the means and energies of intervals, which are all read by
// now.
func (t *task) intervals(ctx context.Context, all *csvimport.Intervals) error {
	if all.Len() == 0 {
		return nil
	}
	base, err := t.base(ctx, all)
	if err != nil {
		return err
	}
	done := 0
	for r := range all.Readings(base) {
		t.pending, t.lines = append(t.pending, r), append(t.lines, 0)
		if len(t.pending) < batch {
			continue
		}
		done += batch
		if t.due() {
			if err := t.progress(ctx, float64(done)/float64(all.Len()+1)); err != nil {
				return err
			}
		}
		if err := t.hand(ctx); err != nil {
			return err
		}
	}
	if err := t.hand(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	t.job.Counts.Accepted += int64(all.Len())
	t.mu.Unlock()
	return nil
}

// base is where each counter begins: where the source's own stood when the file's
// first row begins, or last before; else so that it ends where that begins after the last; else
// at 0. A repeated import finds the same.
func (t *task) base(ctx context.Context, all *csvimport.Intervals) (map[telemetry.Field]float64, error) {
	from, to := all.Span()
	totals := all.Totals()
	wanted := map[telemetry.Field]bool{}
	for f := range totals {
		wanted[f] = true
	}
	base, err := t.look(ctx, wanted, telemetry.Span{SourceID: t.upload.source.ID, To: from.Add(time.Millisecond), Order: telemetry.NewestFirst, Limit: lookPage})
	if err != nil {
		return nil, err
	}
	for f := range base {
		delete(wanted, f)
	}
	after, err := t.look(ctx, wanted, telemetry.Span{SourceID: t.upload.source.ID, From: to, Order: telemetry.OldestFirst, Limit: lookPage})
	if err != nil {
		return nil, err
	}
	for f, value := range after {
		base[f] = max(0, value-totals[f])
	}
	return base, nil
}

// look finds the first value of each field in a span.
func (t *task) look(ctx context.Context, wanted map[telemetry.Field]bool, span telemetry.Span) (map[telemetry.Field]float64, error) {
	found := map[telemetry.Field]float64{}
	for range lookPages {
		if len(found) == len(wanted) {
			break
		}
		readings, err := t.s.d.Archive.History(ctx, span)
		if err != nil {
			return nil, err
		}
		for i := range readings {
			for f := range wanted {
				if value, ok := readings[i].Values.Get(f); ok {
					if _, known := found[f]; !known {
						found[f] = value
					}
				}
			}
		}
		if len(readings) < span.Limit {
			break
		}
		last := readings[len(readings)-1].Timestamp
		if span.Order == telemetry.NewestFirst {
			span.To = last
		} else {
			span.From = last.Add(time.Millisecond)
		}
	}
	return found, nil
}
