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

// parsedDays are a source's days as energies are made from them.
type parsedDays struct {
	days       []energy.Day
	incomplete []int32
	// unfinished says that there may be readings of any day that are not counted.
	unfinished bool
}

func parse(rows []rollup.Day, incomplete []int32) (parsedDays, error) {
	parsed := parsedDays{days: make([]energy.Day, len(rows)), incomplete: incomplete}
	for i, row := range rows {
		var err error
		if parsed.days[i], err = energy.ParseDay(row.Energy); err != nil {
			return parsedDays{}, fault.Wrap(fault.Internal, err, "A day's energies can't be read.")
		}
	}
	return parsed, nil
}

// buckets makes buckets, and flags those to which readings belong that are not
// counted yet.
func (p parsedDays) buckets(zone *time.Location, res energy.Resolution, from, to time.Time) []energy.Bucket {
	buckets := energy.Buckets(p.days, zone, res, from, to)
	for i := range buckets {
		if p.unfinished {
			buckets[i].Flags |= energy.Pending
		}
		for _, day := range p.incomplete {
			if buckets[i].Start.UnixMilli() < rollup.End(day) && buckets[i].End.UnixMilli() > rollup.Start(day) {
				buckets[i].Flags |= energy.Pending
			}
		}
	}
	return buckets
}
