package tariffs

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/energy"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/tariff"
)

// Ask says which part of a return is asked for.
type Ask struct {
	// From and To are dates, or times, in the site's zone; "" for the installation
	// and for now. The days in which they lie count whole, but for To at the
	// beginning of one.
	From, To string
	// Unreadable names parameters that could not be read; they are refused together
	// with those that break a rule.
	Unreadable fault.Fields
}

// Earnings are what a source's energy has been worth.
type Earnings struct {
	Source sunsource.SunSource
	Zone   *time.Location
	// Return is of the time that was asked for.
	Return tariff.Return
	// Payback is of all the time until now.
	Payback tariff.Payback
}

// Return computes what the energy of one of the actor's sources has been worth.
func (s *Service) Return(ctx context.Context, who actor.Actor, source uuid.UUID, ask Ask) (Earnings, error) {
	owned, err := s.d.Sources.Get(ctx, who.UserID, source)
	if err != nil {
		return Earnings{}, err
	}
	zone, _, err := s.d.Zones.Zone(ctx, owned)
	if err != nil {
		return Earnings{}, err
	}
	now := s.d.Clock.Now()
	from, to, err := ask.span(zone, now)
	if err != nil {
		return Earnings{}, err
	}
	prices, err := s.d.Prices.History(ctx, source)
	if err != nil {
		return Earnings{}, err
	}
	site := tariff.Site{
		Zone: zone, Until: now, Installed: owned.InstallationDate, SystemCost: owned.SystemCost,
		MaintenancePerYear: owned.MaintenanceCostPerYear, Prices: prices,
	}
	if site.Spans, err = s.spans(ctx, owned, site); err != nil {
		return Earnings{}, err
	}
	life := tariff.Earned(site)
	e := Earnings{Source: owned, Zone: zone, Return: life, Payback: life.Payback(owned.SystemCost)}
	if from.IsZero() && to.Equal(now) {
		return e, nil
	}
	window := site
	window.From, window.Until = from, to
	if !from.IsZero() && from.Before(site.First()) { // days before the installation, which the whole leaves out
		if window.Spans, err = s.spans(ctx, owned, window); err != nil {
			return Earnings{}, err
		}
	}
	e.Return = tariff.Earned(window)
	return e, nil
}

// firstYear is the year from which on readings are taken.
const firstYear = 2000

// spans are the days of a site, and the hours of the days in which a price
// changed.
func (s *Service) spans(ctx context.Context, owned sunsource.SunSource, site tariff.Site) ([]tariff.Span, error) {
	from := tariff.DayAt(firstYear, time.January, 1, site.Zone) // of readings
	if begin := site.First(); begin.After(from) {
		from = tariff.DayOf(begin, site.Zone)
	}
	if !from.Before(site.Until) {
		return nil, nil
	}
	days, err := s.d.Energies.Energy(ctx, owned, site.Zone, energy.DayOf, from, site.Until)
	if err != nil {
		return nil, fmt.Errorf("reading the energies of days: %w", err)
	}
	spans := make([]tariff.Span, 0, len(days))
	next := 0
	for _, day := range days {
		for next < len(site.Prices) && !site.Prices[next].EffectiveFrom.After(day.Start) {
			next++
		}
		span := spanOf(day)
		if next == len(site.Prices) || !site.Prices[next].EffectiveFrom.Before(day.End) || !span.Production.Known && !span.Export.Known {
			spans = append(spans, span)
			continue
		}
		hours, err := s.d.Energies.Energy(ctx, owned, site.Zone, energy.Hour, day.Start, day.End)
		if err != nil {
			return nil, fmt.Errorf("reading the energies of hours: %w", err)
		}
		for _, hour := range hours {
			spans = append(spans, spanOf(hour))
		}
	}
	return spans, nil
}

func spanOf(b energy.Bucket) tariff.Span {
	of := func(c energy.Channel) tariff.Quantity {
		return tariff.Quantity{MilliWattHours: b.Energy[c].MilliwattHours, Known: b.Energy[c].Known}
	}
	return tariff.Span{
		Start: b.Start, End: b.End, Production: of(energy.Production), Export: of(energy.GridExport),
		Consumption: of(energy.Consumption), Import: of(energy.GridImport), Discharge: of(energy.BatteryDischarge),
		Pending: b.Flags&energy.Pending != 0,
	}
}

// span reads what is asked for; from is zero for the installation.
func (a Ask) span(zone *time.Location, now time.Time) (from, to time.Time, err error) {
	var wrong fault.Fields
	read := func(name, text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		t, ok := moment(text, zone)
		wrong.Check(ok, name, "must be a date such as 2026-06-14 or an RFC 3339 time, of the years 1900 to 9999")
		return t
	}
	from, to = read("from", a.From), now
	if end := read("to", a.To); !end.IsZero() && end.Before(now) {
		to = end
		if begin := tariff.DayOf(end, zone); begin.Before(end) {
			year, month, day := end.In(zone).Date()
			to = tariff.DayAt(year, month, day+1, zone)
		}
		if to.After(now) {
			to = now
		}
	}
	if !from.IsZero() {
		from = tariff.DayOf(from, zone)
		wrong.Check(a.To == "" || !to.Before(from), "to", "must not be before from")
	}
	return from, to, a.Unreadable.With(wrong.Err())
}

// moment reads a date, a local time or a time with its offset.
func moment(text string, zone *time.Location) (time.Time, bool) {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			if layout == time.DateOnly {
				t = tariff.DayAt(t.Year(), t.Month(), t.Day(), zone)
			}
			return t, sunsource.ValidDate(t)
		}
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(text)); err != nil {
		return time.Time{}, false
	}
	return t, sunsource.ValidDate(t)
}
