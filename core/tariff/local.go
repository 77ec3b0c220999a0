package tariff

import "time"

const secondsADay = 24 * 60 * 60

// DayAt is the first moment of a day on the local clock, also where its midnight
// comes twice or never. The date may be out of range, as for time.Date.
func DayAt(year int, month time.Month, day int, zone *time.Location) time.Time {
	year, month, day = time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Date()
	t := time.Date(year, month, day, 0, 0, 0, 0, zone)
	if t.Day() != day { // there is no midnight: the clock goes forward at it
		_, end := t.ZoneBounds()
		return end
	}
	changed, _ := t.ZoneBounds()
	if before := changed.Add(-1); !changed.IsZero() && before.Day() == day && t.Sub(before) < secondsADay*time.Second {
		_, was := before.Zone()
		_, is := t.Zone()
		return t.Add(time.Duration(is-was) * time.Second) // the first of two midnights
	}
	return t
}

// DayOf is the first moment of the local day in which a moment lies.
func DayOf(t time.Time, zone *time.Location) time.Time {
	year, month, day := t.In(zone).Date()
	return DayAt(year, month, day, zone)
}

// monthOf is the beginning of a moment's month on the local clock.
func monthOf(t time.Time, zone *time.Location) time.Time {
	year, month, _ := t.In(zone).Date()
	return DayAt(year, month, 1, zone)
}

// day counts the days of the calendar, whatever hours they have.
type day int64

func dayOf(t time.Time) day {
	year, month, d := t.Date()
	return day(time.Date(year, month, d, 0, 0, 0, 0, time.UTC).Unix() / secondsADay)
}
