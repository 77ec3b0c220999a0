package device

import "time"

// When the sun explains silence.
const (
	// lowSun: below it a roof gives too little to keep an inverter awake, in degrees.
	lowSun = 5.0
	// darkSun: below it nobody has light.
	darkSun = -6.0
	// A device that speaks less often than slowForSlots can't be told by half hours,
	// and one that speaks less often than slowForSun is not bound to the day.
	slowForSlots = 15 * time.Minute
	slowForSun   = 2 * time.Hour
)

// Site is where a device stands. The zero value is an unknown place.
type Site struct {
	Latitude, Longitude float64
	Known               bool
}

// Judge says what state a device is in that is in one now, because of its silence
// alone, and when to judge again (the zero time: not before it is heard).
// Listening is since when readings could be heard: nobody is silent while we are
// deaf. Silence alone brings no device online, and none back from offline.
func (p *Pulse) Judge(current State, now, listening time.Time, site Site) (State, time.Time) {
	if p.lastAt == 0 {
		return Unknown, time.Time{}
	}
	from := p.LastSeen()
	if listening.After(from) {
		from = listening
	}
	late, offline := p.Times(now)
	silence := now.Sub(from)
	switch {
	case current == Offline:
		return Offline, time.Time{}
	case silence < late:
		return current, from.Add(late)
	case p.asleep(now, site):
		return Asleep, nextSlot(now)
	}
	awake := p.awakeSince(from, now, offline, site)
	switch {
	case awake >= offline:
		return Offline, time.Time{}
	case awake >= late:
		return Late, now.Add(offline - awake)
	case current == Online: // it slept and nobody looked
		return Asleep, now.Add(late - awake)
	default:
		return current, now.Add(late - awake)
	}
}

func nextSlot(at time.Time) time.Time { return at.Truncate(slot).Add(slot) }

// awakeSince is for how long up to now the device should have been awake without a
// pause, since a time. More than bound is not counted.
func (p *Pulse) awakeSince(from, now time.Time, bound time.Duration, site Site) time.Duration {
	began := now.Truncate(slot)
	for began.After(from) && now.Sub(began) < bound && !p.asleep(began.Add(-slot), site) {
		began = began.Add(-slot)
	}
	if began.Before(from) {
		began = from
	}
	return now.Sub(began)
}

// asleep reports whether the device may be expected to be silent in the half hour
// of a time.
func (p *Pulse) asleep(at time.Time, site Site) bool {
	rhythm := p.Rhythm()
	if rhythm <= slowForSlots && p.profile.silent(at) {
		return true
	}
	if !site.Known || rhythm > slowForSun {
		return false
	}
	middle := at.Truncate(slot).Add(slot / 2)
	for _, near := range []time.Time{middle.Add(-slot), middle.Add(slot)} {
		if SunElevation(site.Latitude, site.Longitude, near) < lowSun {
			return !p.speaksAtNight(at, site)
		}
	}
	return false
}

// speaksAtNight reports whether the device is known to be heard in the dark, as
// those are that have a battery or the grid: the sun explains nothing of theirs.
func (p *Pulse) speaksAtNight(at time.Time, site Site) bool {
	if p.profile.days < enoughDays {
		return false
	}
	dark, heard := 0, 0
	for i := range slots {
		t := at.Add(-time.Duration(i) * slot)
		if SunElevation(site.Latitude, site.Longitude, t) > darkSun {
			continue
		}
		dark++
		if p.profile.heardAround(t) {
			heard++
		}
	}
	return dark > 0 && 2*heard > dark
}
