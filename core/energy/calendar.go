package energy

import "time"

// Resolution is how long a bucket is, on the local clock.
type Resolution uint8

// The resolutions.
const (
	Hour Resolution = iota
	DayOf
	Month
	Year
	Lifetime // one bucket for all
)

// String is the resolution's name as the API spells it.
func (r Resolution) String() string {
	switch r {
	case Hour:
		return "hour"
	case DayOf:
		return "day"
	case Month:
		return "month"
	case Year:
		return "year"
	case Lifetime:
		return "lifetime"
	default:
		return "unknown"
	}
}

// ParseResolution returns the resolution with this name.
func ParseResolution(name string) (Resolution, bool) {
	for r := Hour; r <= Lifetime; r++ {
		if r.String() == name {
			return r, true
		}
	}
	return 0, false
}

// Align widens [from, to) to whole periods of the local clock, as Buckets does.
func Align(zone *time.Location, res Resolution, from, to time.Time) (first, last time.Time) {
	if !from.Before(to) {
		return from.In(zone), from.In(zone)
	}
	a, b := from.In(zone), to.Add(-1).In(zone)
	switch res {
	case Hour:
		hours := hoursOf(zone, dateOf(a))
		for _, start := range hours {
			if start <= a.UnixMilli() {
				first = at(start, zone)
			}
		}
		hours = append(hoursOf(zone, dateOf(b)), dayStart(zone, dateOf(b).next()))
		for i := len(hours) - 1; i >= 0 && hours[i] > b.UnixMilli(); i-- {
			last = at(hours[i], zone)
		}
		return first, last
	case Month:
		return at(dayStart(zone, dateOf(a).month()), zone), at(dayStart(zone, dateOf(b).nextMonth()), zone)
	case Year:
		return at(dayStart(zone, date{a.Year(), 1, 1}), zone), at(dayStart(zone, date{b.Year() + 1, 1, 1}), zone)
	default:
		return at(dayStart(zone, dateOf(a)), zone), at(dayStart(zone, dateOf(b).next()), zone)
	}
}

func at(millis int64, zone *time.Location) time.Time { return time.UnixMilli(millis).In(zone) }

// date is a day of the local calendar.
type date struct {
	year    int
	inMonth time.Month
	day     int
}

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date{y, m, d}
}

// of is a date from a day that may lie outside its month.
func of(y int, m time.Month, d int) date {
	return dateOf(time.Date(y, m, d, 0, 0, 0, 0, time.UTC))
}

func (d date) next() date      { return of(d.year, d.inMonth, d.day+1) }
func (d date) month() date     { return date{d.year, d.inMonth, 1} }
func (d date) nextMonth() date { return of(d.year, d.inMonth+1, 1) }

func (d date) before(o date) bool {
	if d.year != o.year {
		return d.year < o.year
	}
	if d.inMonth != o.inMonth {
		return d.inMonth < o.inMonth
	}
	return d.day < o.day
}

// dayStart is the first moment whose local date is d or later, in unix ms. A
// midnight that a change of the clock leaves out, or shows twice, is the first
// moment after it, or its first; a day that a zone never had begins and ends
// where the next begins.
func dayStart(zone *time.Location, d date) int64 {
	t := time.Date(d.year, d.inMonth, d.day, 0, 0, 0, 0, zone)
	for dateOf(t).before(d) {
		t = t.Add(15 * time.Minute)
	}
	for !dateOf(t.Add(-15 * time.Minute)).before(d) {
		t = t.Add(-15 * time.Minute)
	}
	return t.UnixMilli()
}

// hoursOf is where the hours of a local day begin: where the clock shows a full
// hour, and where it showed one and was put forward. So a clock that is put by
// half an hour has one of 30 or of 90 minutes.
func hoursOf(zone *time.Location, d date) []int64 {
	start, end := dayStart(zone, d), dayStart(zone, d.next())
	hours := make([]int64, 0, 25)
	for t := start; t < end; {
		hours = append(hours, t)
		t = nextHour(zone, t, end)
	}
	return hours
}

func nextHour(zone *time.Location, from, end int64) int64 {
	local := at(from, zone)
	next := from + int64(60-local.Minute())*minute
	_, before := local.Zone()
	if _, after := at(min(next+hour, end), zone).Zone(); after == before {
		return min(next, end)
	}
	for t := from + quarter; t < end; t += quarter {
		local := at(t, zone)
		_, after := local.Zone()
		if forward := after - before; local.Minute() == 0 || forward > 0 && (local.Minute()*60+3600-forward%3600)%3600 == 0 {
			return t
		}
		before = after
	}
	return end
}
