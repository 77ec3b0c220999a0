package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/fault"
	"ampra/core/rollup"
	"ampra/core/series"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

// Limits of a chart's points.
const (
	DefaultPoints = 500
	MaxPoints     = 10_000
)

// usualRange is how much a chart shows that names no beginning.
const usualRange = 24 * time.Hour

// Zones knows the time zones of sites.
type Zones interface {
	// Zone returns the zone of a source's site, and where it comes from.
	Zone(ctx context.Context, s sunsource.SunSource) (*time.Location, sunsource.ZoneFrom, error)
}

// Days gives what days come to.
type Days interface {
	// Days returns the days from from to to, both included, of which there is
	// something, by day, with the readings that are not rolled up yet folded in.
	// incomplete are the days of which those were too many.
	Days(ctx context.Context, source uuid.UUID, from, to int32, parts rollup.Parts) (days []rollup.Day, incomplete []int32, err error)
}

// Kept is how long the tiers are kept, counted from their readings' own time; 0 is
// for ever.
type Kept struct{ Raw, Minutes time.Duration }

// SeriesAsk asks for a chart.
type SeriesAsk struct {
	// Fields are names of canonical fields; none stands for all that occur.
	Fields []string
	// From is inclusive, To exclusive. A zero To is now, a zero From a day before To.
	From, To time.Time
	// Points is how many buckets at the most, 1 to MaxPoints; 0 stands for
	// DefaultPoints.
	Points int
	// Unreadable names parameters that could not be read.
	Unreadable fault.Fields
}

// Chart is a series of buckets that leaves no time out.
type Chart struct {
	series.Grid
	Zone *time.Location
	// Tier is what it was made of: the readings, or slots of five minutes or an hour.
	Tier series.Tier
	// Pending says that many readings came lately which are not counted yet.
	Pending bool
	// Lines has a line for each field.
	Lines []Line
}

// Line is a field of a chart.
type Line struct {
	Field telemetry.Field
	// Stats has one for each bucket. Where Count is 0 there is a gap.
	Stats []series.Stat
}

// Series returns a chart of one of the actor's sources. It is made of the coarsest
// tier that still gives the points, or of a coarser one with fewer points where
// the finer ones are not kept for so long or would take too many readings.
//
// A slot of a tier counts as a whole where it begins, also at the edges of what
// was asked for.
func (s *Service) Series(ctx context.Context, who actor.Actor, source uuid.UUID, ask SeriesAsk) (Chart, error) {
	owned, err := s.d.Sources.Get(ctx, who.UserID, source)
	if err != nil {
		return Chart{}, err
	}
	now := s.d.Clock.Now()
	mask, err := ask.complete(now)
	if err != nil {
		return Chart{}, err
	}
	zone, _, err := s.d.Zones.Zone(ctx, owned)
	if err != nil {
		return Chart{}, fmt.Errorf("finding the site's time zone: %w", err)
	}
	return s.chart(ctx, source, zone, ask, mask, now)
}

// complete fills in defaults, checks the rest, and returns a bit for each field.
func (a *SeriesAsk) complete(now time.Time) (uint32, error) {
	var wrong fault.Fields
	if a.To.IsZero() {
		a.To = now
	}
	if a.From.IsZero() {
		a.From = a.To.Add(-usualRange)
	}
	if a.Points == 0 {
		a.Points = DefaultPoints
	}
	wrong.Check(a.Points >= 1 && a.Points <= MaxPoints, "points", fmt.Sprintf("must be between 1 and %d", MaxPoints))
	wrong.Check(a.To.Year() < 2100, "to", "must be before 2100")
	// What is before the first reading that there may be is no part of a chart.
	if a.From.Before(telemetry.Earliest()) {
		a.From = telemetry.Earliest()
	}
	wrong.Check(a.To.After(a.From), "to", "must be after from")
	var mask uint32
	var unknown []string
	for _, name := range a.Fields {
		if f, ok := telemetry.FieldNamed(name); ok {
			mask |= 1 << f
		} else {
			unknown = append(unknown, name)
		}
	}
	wrong.Check(len(unknown) == 0, "fields", "must be names of a reading's numbers, separated by commas, such as solarPowerWatts; unknown: "+excerpt(unknown))
	if len(a.Fields) == 0 {
		mask = series.AllFields
	}
	return mask, a.Unreadable.With(wrong.Err())
}

// excerpt shows a few names that somebody sent, none of them whole if long.
func excerpt(names []string) string {
	const most, longest = 5, 64
	var shown []string
	for _, name := range names[:min(len(names), most)] {
		if runes := []rune(name); len(runes) > longest {
			name = string(runes[:longest]) + "..."
		}
		shown = append(shown, fmt.Sprintf("%q", name))
	}
	return strings.Join(shown, ", ")
}

// chart tries the tiers from the finest that is still there.
func (s *Service) chart(ctx context.Context, source uuid.UUID, zone *time.Location, ask SeriesAsk, mask uint32, now time.Time) (Chart, error) {
	for finest := s.finest(ask.From, now); ; finest = series.Minutes {
		grid, ok := series.Fit(ask.From, ask.To, zone, ask.Points, finest)
		if !ok {
			return Chart{}, fault.New(fault.Invalid, "There are no buckets wide enough for so few points.")
		}
		d := newDrawing(grid, ask.From, ask.To, mask)
		tier := s.tier(grid, ask.From, now, finest)
		pending, err := false, error(nil)
		if tier == series.Raw {
			err = s.drawReadings(ctx, source, d)
		} else {
			pending, err = s.drawDays(ctx, source, d, tier)
		}
		switch {
		case errors.Is(err, errTooMany):
			continue
		case err != nil:
			return Chart{}, fmt.Errorf("drawing a series: %w", err)
		}
		lines := d.lines(len(ask.Fields) > 0)
		return Chart{Grid: grid, Zone: zone, Tier: tier, Pending: pending, Lines: lines}, nil
	}
}
