package device

import "time"

const (
	slot  = 30 * time.Minute
	slots = 48
	// maxGap: a longer silence is an outage, which teaches nothing about the hours.
	maxGap = 40 // slots
	// A slot's share of days on which it is heard begins at half and moves by an
	// eighth of the rest a day; below silentBelow it is always silent.
	undecided   = 128
	silentBelow = 56
	// enoughDays is how many days must have been seen.
	enoughDays = 7
)

// profile is at which half hours of the day, in UTC, a device is heard.
type profile struct {
	last  int64 // the half hour since 1970 that was heard last, 0 for none
	days  uint8 // on which it was heard, at most 255
	share [slots]uint8
}

// hear learns that the device was heard, and that it was silent since the last
// time.
func (p *profile) hear(at time.Time) {
	now := at.Unix() / int64(slot.Seconds())
	switch {
	case p.last == 0:
		for i := range p.share {
			p.share[i] = undecided
		}
		p.days = 1
	case now <= p.last:
		return
	default:
		for s := p.last + 1; s < now && now-p.last <= maxGap; s++ {
			share := &p.share[s%slots]
			*share -= (*share + 7) / 8
		}
		if now/slots != p.last/slots {
			p.days = min(p.days, 254) + 1
		}
	}
	share := &p.share[now%slots]
	*share += uint8((255 - uint16(*share) + 7) / 8)
	p.last = now
}

// silent reports whether the device always is silent around a time. The half hours
// at the edges of its silence count as silent: it does not go to sleep by the
// minute.
func (p *profile) silent(at time.Time) bool {
	if p.days < enoughDays {
		return false
	}
	now := at.Unix() / int64(slot.Seconds())
	for near := now - 1; near <= now+1; near++ {
		if p.share[(near%slots+slots)%slots] < silentBelow {
			return true
		}
	}
	return false
}

// heardAround reports whether the device usually is heard in the half hour of a
// time.
func (p *profile) heardAround(at time.Time) bool {
	now := at.Unix() / int64(slot.Seconds())
	return p.share[(now%slots+slots)%slots] > undecided
}
