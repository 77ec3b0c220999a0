package series

import (
	"fmt"
	"time"
)

// Step is the width of a chart's buckets: a time of the clock, or of the calendar.
type Step struct {
	// One of them is above 0.
	clock        time.Duration
	days, months int
}

// steps are the widths that people read well, the narrowest first. All from five
// minutes on are whole numbers of five minutes, from an hour on of hours.
func steps() []Step {
	var all []Step
	for _, d := range []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	} {
		all = append(all, Step{clock: d})
	}
	for _, days := range []int{1, 2, 7, 14} {
		all = append(all, Step{days: days})
	}
	for _, months := range []int{1, 3, 6, 12, 24, 60, 120, 1200} {
		all = append(all, Step{months: months})
	}
	return all
}

// String is the width as ISO 8601 writes it: PT10S, PT5M, PT1H, P1D, P1M, P1Y.
func (s Step) String() string {
	switch {
	case s.months > 0 && s.months%12 == 0:
		return fmt.Sprintf("P%dY", s.months/12)
	case s.months > 0:
		return fmt.Sprintf("P%dM", s.months)
	case s.days > 0:
		return fmt.Sprintf("P%dD", s.days)
	case s.clock%time.Hour == 0:
		return fmt.Sprintf("PT%dH", s.clock/time.Hour)
	case s.clock%time.Minute == 0:
		return fmt.Sprintf("PT%dM", s.clock/time.Minute)
	default:
		return fmt.Sprintf("PT%dS", s.clock/time.Second)
	}
}

// least is less than what any bucket of the width takes, but those that a change
// of the clock cuts.
func (s Step) least() time.Duration {
	const day = 24 * time.Hour
	return s.clock + time.Duration(s.days)*day + time.Duration(s.months)*28*day
}

// Tier is the coarsest tier whose slots make such a bucket.
func (s Step) Tier() Tier {
	switch {
	case s.clock == 0 || s.clock >= time.Hour:
		return Hours
	case s.clock >= 5*time.Minute:
		return Minutes
	default:
		return Raw
	}
}

// IsHour reports whether the width is an hour.
func (s Step) IsHour() bool { return s.clock == time.Hour }

// Grid is a chart's buckets: each goes from an edge to the next.
type Grid struct {
	Step Step
	// Edges are one more than buckets, ascending, in the zone that was asked for.
	Edges []time.Time
}

// Fit returns the narrowest buckets that cover the time from from, included, to
// to, which is later, with no more than points of them and none narrower than
// slots of the tier finest. Their edges lie where the clock in the zone shows a
// multiple of their width, so the first may begin before from and the last end
// after to. ok is false when even buckets of a century are too many.
func Fit(from, to time.Time, zone *time.Location, points int, finest Tier) (g Grid, ok bool) {
	for _, step := range steps() {
		// A change of the clock may make a bucket more, never one in ten.
		if step.Tier() < finest || to.Sub(from)/step.least() > time.Duration(points)+time.Duration(points)/8+2 {
			continue
		}
		if edges := step.edges(from, to, zone, points); edges != nil {
			return Grid{Step: step, Edges: edges}, true
		}
	}
	return Grid{}, false
}

// edges covers a time, or is nil when it takes more buckets than most.
func (s Step) edges(from, to time.Time, zone *time.Location, most int) []time.Time {
	var edges []time.Time
	for next := range s.walk(from.In(zone)) {
		switch {
		case !next.After(from):
			edges = append(edges[:0], next)
		case next.After(edges[len(edges)-1]):
			edges = append(edges, next)
		}
		if len(edges) > 0 && !next.Before(to) {
			return edges
		}
		if len(edges) > most {
			return nil
		}
	}
	return nil
}

// walk gives the edges from the last that is not after from on, and some before
// it, without end.
func (s Step) walk(from time.Time) func(yield func(time.Time) bool) {
	year, month, day := from.Date()
	switch {
	case s.months > 0:
		months := year*12 + int(month) - 1
		return from0(s.months, months-months%s.months, func(n int) time.Time {
			return startOfDay(0, time.Month(n+1), 1, from.Location())
		})
	case s.days > 0:
		n := int(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86_400)
		// 1970 began with a Thursday: weeks begin with Mondays.
		return from0(s.days, n-(n+3)%s.days, func(n int) time.Time {
			return startOfDay(1970, time.January, 1+n, from.Location())
		})
	default:
		return s.walkClock(from)
	}
}

// from0 counts from first in steps without end.
func from0(step, first int, at func(n int) time.Time) func(yield func(time.Time) bool) {
	return func(yield func(time.Time) bool) {
		for n := first; yield(at(n)); n += step {
		}
	}
}

// walkClock begins anew each midnight. Up to an hour it counts time, beyond it
// goes by what the clock shows: then the bucket of a change is longer or shorter.
func (s Step) walkClock(from time.Time) func(yield func(time.Time) bool) {
	zone := from.Location()
	year, month, day := from.Date()
	return func(yield func(time.Time) bool) {
		for at := startOfDay(year, month, day, zone); ; day++ {
			tomorrow := startOfDay(year, month, day+1, zone)
			if s.clock <= time.Hour {
				for ; at.Before(tomorrow); at = at.Add(s.clock) {
					if !yield(at) {
						return
					}
				}
			} else {
				for hour := 0; hour < 24; hour += int(s.clock / time.Hour) {
					if hour > 0 {
						at = time.Date(year, month, day, hour, 0, 0, 0, zone)
					}
					if at.Before(tomorrow) && !yield(at) {
						return
					}
				}
			}
			at = tomorrow
		}
	}
}

// startOfDay is the first moment of a day on a zone's clock, also where the clock
// skips midnight or shows it twice.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	at := time.Date(year, month, day, 0, 0, 0, 0, zone)
	date := time.Date(year, month, day, 12, 0, 0, 0, time.UTC).YearDay()
	start, end := at.ZoneBounds()
	switch {
	case at.YearDay() != date: // skipped, and we are before the change
		return end
	case at.Hour() != 0 || at.Minute() != 0: // skipped, and we are after it
		return start
	case start.IsZero():
		return at
	}
	// The clock may have been put back to midnight, or over it: then midnight was
	// before the change, too.
	_, after := start.Zone()
	_, before := start.Add(-time.Second).Zone()
	if earlier := at.Add(time.Duration(after-before) * time.Second); before > after && earlier.Before(start) &&
		at.Sub(start) < time.Duration(before-after)*time.Second {
		return earlier
	}
	return at
}
