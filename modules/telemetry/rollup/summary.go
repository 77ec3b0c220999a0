package rollup

import (
	"cmp"
	"context"
	"sync"
	"time"

	"ampra/core/actor"
	"ampra/core/energy"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

// Measured is the newest value of a field.
type Measured struct {
	Value float64
	At    time.Time
}

// Summary is how a site does, or several.
type Summary struct {
	Zone *time.Location
	// Now has the newest value of each field, nil where there is none.
	Now [telemetry.NumFields]*Measured
	// Today, ThisMonth and ThisYear are of the zone's calendar.
	Today, ThisMonth, ThisYear, Lifetime energy.Bucket
	// CapacityWatts is what is installed; nil where it is not known of all.
	CapacityWatts *float64
}

// The newest values of a source are looked for among its newest readings, as some
// devices tell different things at different times: among so many, and no older
// than that before the newest of them.
const (
	nowReadings = 100
	nowReach    = 24 * time.Hour
)

// sumReach is how old a reading may be whose powers are added to others': a source
// that is silent produces nothing that anybody knows of.
const sumReach = 15 * time.Minute

// SummaryOf answers the actor for one source or several.
func (s *Service) SummaryOf(ctx context.Context, who actor.Actor, which Which, timeZone string, unreadable fault.Fields) (Summary, error) {
	sources, err := s.sources(ctx, who, which)
	if err != nil {
		return Summary{}, err
	}
	var wrong fault.Fields
	zone, err := s.zone(ctx, sources, which, timeZone, &wrong)
	if err != nil {
		return Summary{}, err
	}
	if err := unreadable.With(wrong.Err()); err != nil {
		return Summary{}, err
	}
	return s.Summary(ctx, sources, zone)
}

// Summary is of one source or several. It does not look at who asks.
func (s *Service) Summary(ctx context.Context, sources []sunsource.SunSource, zone *time.Location) (Summary, error) {
	summary := Summary{Zone: zone, CapacityWatts: capacity(sources)}
	var found error
	var newest sync.WaitGroup // asked for beside the energies
	newest.Go(func() {
		if len(sources) == 1 {
			summary.Now, found = s.now(ctx, sources[0])
		} else {
			summary.Now, found = s.together(ctx, sources)
		}
	})
	failed := s.periods(ctx, sources, &summary)
	newest.Wait()
	if err := cmp.Or(found, failed); err != nil {
		return Summary{}, err
	}
	return summary, nil
}

// periods fills in the energies.
func (s *Service) periods(ctx context.Context, sources []sunsource.SunSource, summary *Summary) error {
	zone := summary.Zone
	now := s.d.Clock.Now()
	first, err := s.first(ctx, sources)
	if err != nil {
		return err
	}
	if first.IsZero() || first.After(now) {
		first = now
	}
	type period struct {
		res      energy.Resolution
		from, to time.Time
		bucket   *energy.Bucket
		list     [][]energy.Bucket
	}
	periods := []period{
		{res: energy.DayOf, from: now, bucket: &summary.Today},
		{res: energy.Month, from: now, bucket: &summary.ThisMonth},
		{res: energy.Year, from: now, bucket: &summary.ThisYear},
		{res: energy.Lifetime, from: first, bucket: &summary.Lifetime},
	}
	all := span{from: first, to: now}
	for i := range periods {
		p := &periods[i]
		p.from, p.to = energy.Align(zone, p.res, p.from, now.Add(1))
		if p.from.Before(all.from) {
			all.from = p.from
		}
		if p.to.After(all.to) {
			all.to = p.to
		}
		p.list = append(p.list, energy.Buckets(nil, zone, p.res, p.from, p.to))
	}
	given := false
	err = s.each(ctx, sources, zone, all, func(v view) {
		for i := range periods {
			p := &periods[i]
			if !given {
				p.list = p.list[:0]
			}
			p.list = append(p.list, v.buckets(p.res, p.from, p.to))
		}
		given = true
	})
	if err != nil {
		return err
	}
	for _, p := range periods {
		if sum := energy.Sum(p.list...); len(sum) > 0 {
			*p.bucket = sum[len(sum)-1]
		}
	}
	return nil
}

// now are the newest values of one source.
func (s *Service) now(ctx context.Context, source sunsource.SunSource) (now [telemetry.NumFields]*Measured, err error) {
	readings, err := s.d.Archive.History(ctx, telemetry.Span{SourceID: source.ID, Order: telemetry.NewestFirst, Limit: nowReadings})
	if err != nil {
		return now, err
	}
	for i := range readings {
		at := readings[i].Timestamp
		if readings[0].Timestamp.Sub(at) > nowReach {
			break
		}
		for f := range now {
			if value, ok := readings[i].Values.Get(telemetry.Field(f)); ok && now[f] == nil {
				now[f] = &Measured{value, at}
			}
		}
	}
	return now, nil
}

// together are the powers of several sources in sum, as far as they were told of
// late, with the time of the oldest that is in it. Nothing else adds.
func (s *Service) together(ctx context.Context, sources []sunsource.SunSource) (now [telemetry.NumFields]*Measured, err error) {
	latest, err := s.d.Archive.Newest(ctx, idsOf(sources), s.d.Clock.Now().Add(-sumReach))
	if err != nil {
		return now, err
	}
	for i := range latest {
		reading := &latest[i]
		for f := telemetry.SolarPowerWatts; f <= telemetry.BatteryPowerWatts; f++ {
			value, ok := reading.Values.Get(f)
			switch {
			case !ok:
			case now[f] == nil:
				now[f] = &Measured{value, reading.Timestamp}
			default:
				now[f].Value += value
				if reading.Timestamp.Before(now[f].At) {
					now[f].At = reading.Timestamp
				}
			}
		}
	}
	return now, nil
}
