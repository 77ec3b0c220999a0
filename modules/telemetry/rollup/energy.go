package rollup

import (
	"context"
	"time"

	"ampra/core/energy"
	"ampra/core/fault"
	"ampra/core/rollup"
	"ampra/core/sunsource"
)

// MaxBuckets is how many buckets one answer has at the most.
const MaxBuckets = 10_000

// Energy returns the energies of a source between two times, in buckets of the
// zone's clock that from and to lie in or between. It does not look at who asks.
func (s *Service) Energy(
	ctx context.Context, source sunsource.SunSource, zone *time.Location, res energy.Resolution, from, to time.Time,
) ([]energy.Bucket, error) {
	from, to = energy.Align(zone, res, from, to)
	return s.sum(ctx, []sunsource.SunSource{source}, zone, res, from, to)
}

// span is what is asked for, whole local days of a zone or whole hours.
type span struct {
	from, to time.Time
	// hours says that buckets of hours are wanted.
	hours bool
}

// days are the UTC days, both included, that the span is made from.
func (s span) days() (first, last int32) {
	return rollup.DayOf(s.from.UnixMilli()) - 1, rollup.DayOf(s.to.UnixMilli()-1) + 1
}

// view is what buckets of one source are made from.
type view struct {
	make       func(res energy.Resolution, from, to time.Time) []energy.Bucket
	incomplete []int32
	// unfinished says that there may be readings of any day that are not counted.
	unfinished bool
}

// of calls give with the view of rows.
func (v view) of(rows []rollup.Day, zone *time.Location, give func(view)) error {
	days, err := parse(rows)
	if err != nil {
		return err
	}
	v.make = func(res energy.Resolution, from, to time.Time) []energy.Bucket {
		return energy.Buckets(days, zone, res, from, to)
	}
	give(v)
	return nil
}

func parse(rows []rollup.Day) ([]energy.Day, error) {
	days := make([]energy.Day, len(rows))
	for i, row := range rows {
		var err error
		if days[i], err = energy.ParseDay(row.Energy); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "A day's energies can't be read.")
		}
	}
	return days, nil
}

// buckets makes buckets, and flags those to which readings belong that are not
// counted yet.
func (v view) buckets(res energy.Resolution, from, to time.Time) []energy.Bucket {
	buckets := v.make(res, from, to)
	for i := range buckets {
		if v.unfinished {
			buckets[i].Flags |= energy.Pending
		}
		for _, day := range v.incomplete {
			if buckets[i].Start.UnixMilli() < rollup.End(day) && buckets[i].End.UnixMilli() > rollup.Start(day) {
				buckets[i].Flags |= energy.Pending
			}
		}
	}
	return buckets
}
