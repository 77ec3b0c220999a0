package rollup

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/energy"
	"ampra/core/fault"
	"ampra/core/rollup"
	"ampra/core/sunsource"
)

// Ask is a question for energies.
type Ask struct {
	Resolution energy.Resolution
	// From is inclusive, To exclusive: dates such as 2024-06-01, times of the site's
	// clock such as 2024-06-01T12:00, or times with an offset. "" stands for the
	// start of what is under way, and for now.
	From, To string
	// TimeZone is the IANA name of the zone of several sources, "" for the one that
	// all share, or else UTC.
	TimeZone string
	// Unreadable names parameters that could not be read as what they should be.
	Unreadable fault.Fields
}

// Energies is the answer.
type Energies struct {
	Zone       *time.Location
	Resolution energy.Resolution
	Buckets    []energy.Bucket
	// CapacityWatts is what is installed; nil where it is not known of all.
	CapacityWatts *float64
}

// Which are the sources that are asked for: one, a group's, or all of one's own.
type Which struct {
	Source, Group *uuid.UUID
}

// sources returns those that are asked for and who may be asked by the actor.
func (s *Service) sources(ctx context.Context, who actor.Actor, which Which) ([]sunsource.SunSource, error) {
	if which.Source != nil {
		source, err := s.d.Sources.Get(ctx, who.UserID, *which.Source)
		return []sunsource.SunSource{source}, err
	}
	if which.Group != nil {
		if _, err := s.d.Groups.Get(ctx, who.UserID, *which.Group); err != nil {
			return nil, err
		}
	}
	return s.d.Sources.List(ctx, who.UserID, sunsource.Filter{PowerGroupID: which.Group}, sunsource.Page{})
}

// zone is where sources are: the zone that is asked for, the one that they share,
// or UTC. A single source is where its site is.
func (s *Service) zone(ctx context.Context, sources []sunsource.SunSource, which Which, name string, wrong *fault.Fields) (*time.Location, error) {
	if which.Source == nil && name != "" {
		zone, err := s.d.Zones.Named(name)
		if wrong.Check(err == nil, "timeZone", "must be an IANA time zone such as Europe/Berlin") {
			return zone, nil
		}
		return time.UTC, nil
	}
	shared := time.UTC
	for i, source := range sources {
		zone, _, err := s.d.Zones.Zone(ctx, source)
		if err != nil {
			return nil, err
		}
		if i > 0 && zone.String() != shared.String() {
			return time.UTC, nil
		}
		shared = zone
	}
	return shared, nil
}

// EnergyOf answers the actor for one source or several.
func (s *Service) EnergyOf(ctx context.Context, who actor.Actor, which Which, ask Ask) (Energies, error) {
	sources, err := s.sources(ctx, who, which)
	if err != nil {
		return Energies{}, err
	}
	var wrong fault.Fields
	zone, err := s.zone(ctx, sources, which, ask.TimeZone, &wrong)
	if err != nil {
		return Energies{}, err
	}
	from, to, err := s.span(ctx, ask, zone, sources, &wrong)
	if err != nil {
		return Energies{}, err
	}
	if err := ask.Unreadable.With(wrong.Err()); err != nil {
		return Energies{}, err
	}
	answer := Energies{Zone: zone, Resolution: ask.Resolution, CapacityWatts: capacity(sources)}
	answer.Buckets, err = s.sum(ctx, sources, zone, ask.Resolution, from, to)
	return answer, err
}

// span reads from and to, whole periods in the zone, and bounds them.
func (s *Service) span(
	ctx context.Context, ask Ask, zone *time.Location, sources []sunsource.SunSource, wrong *fault.Fields,
) (from, to time.Time, err error) {
	now := s.d.Clock.Now().In(zone)
	to = readMoment("to", ask.To, zone, now, wrong)
	otherwise := time.Time{}
	if ask.From == "" {
		if otherwise, err = s.usual(ctx, ask.Resolution, to, zone, sources); err != nil {
			return from, to, err
		}
	}
	from = readMoment("from", ask.From, zone, otherwise, wrong)
	wrong.Check(!to.Before(from), "to", "must not be before from")
	if from.After(to) {
		return from, to, nil
	}
	from, to = energy.Align(zone, ask.Resolution, from, to)
	tooMany := to.Sub(from)/shortest(ask.Resolution) > MaxBuckets
	wrong.Check(!tooMany, "from", "must be so near to to that there are at most 10000 buckets; ask for a coarser resolution, or less at once")
	return from, to, nil
}

// shortest is how long a bucket is at least, nearly.
func shortest(res energy.Resolution) time.Duration {
	switch res {
	case energy.Hour:
		return time.Hour
	case energy.DayOf:
		return 24 * time.Hour
	case energy.Month:
		return 28 * 24 * time.Hour
	case energy.Year, energy.Lifetime:
		return 365 * 24 * time.Hour
	default:
		return time.Hour
	}
}

// usual is from where one asks who does not say: the hours of the day, the days of
// the month, the months of the year, all years.
func (s *Service) usual(
	ctx context.Context, res energy.Resolution, to time.Time, zone *time.Location, sources []sunsource.SunSource,
) (time.Time, error) {
	last := to.Add(-1).In(zone)
	wider := map[energy.Resolution]energy.Resolution{energy.Hour: energy.DayOf, energy.DayOf: energy.Month, energy.Month: energy.Year}
	if period, ok := wider[res]; ok {
		from, _ := energy.Align(zone, period, last, last.Add(1))
		return from, nil
	}
	first, err := s.first(ctx, sources)
	if err != nil || first.IsZero() || first.After(last) {
		return last, err
	}
	return first, nil
}

// first is the start of the first day of which there is anything; zero for none.
func (s *Service) first(ctx context.Context, sources []sunsource.SunSource) (time.Time, error) {
	ids := idsOf(sources)
	marks, err := s.d.Store.Waiting(ctx, ids, minDay, maxDay)
	if err != nil {
		return time.Time{}, err
	}
	day, known, err := s.d.Store.First(ctx, ids)
	if err != nil {
		return time.Time{}, err
	}
	for _, m := range marks {
		if !known || m.Day < day {
			day, known = m.Day, true
		}
	}
	if !known {
		return time.Time{}, nil
	}
	return time.UnixMilli(rollup.Start(day)), nil
}

// minDay and maxDay are beyond all days that readings may have.
const (
	minDay = -1 << 31
	maxDay = 1<<31 - 1
)

// capacity is what is installed in all, nil where it is not known of each.
func capacity(sources []sunsource.SunSource) *float64 {
	total := 0.0
	for _, source := range sources {
		if source.InstalledCapacityWatts == nil {
			return nil
		}
		total += *source.InstalledCapacityWatts
	}
	if total <= 0 {
		return nil
	}
	return &total
}

// readMoment reads a date or a time of the zone's clock.
func readMoment(name, text string, zone *time.Location, otherwise time.Time, wrong *fault.Fields) time.Time {
	if text == "" {
		return otherwise
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05.999999999", time.RFC3339Nano} {
		at, err := time.ParseInLocation(layout, text, zone)
		if err != nil {
			continue
		}
		if year := at.UTC().Year(); year < 1970 || year > 2200 {
			break
		}
		return at
	}
	wrong.Add(name, "must be a date such as 2024-06-01, or a time such as 2024-06-01T12:00 or 2024-06-01T12:00:00Z, from 1970 to 2200")
	return otherwise
}
