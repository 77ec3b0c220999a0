package device

import (
	"slices"
	"time"
)

// When a reading counts as heard, and what is learnt of it.
const (
	// Near is how far a reading's timestamp may be from the time at which it was
	// received: what is further away was measured another time, and tells nothing
	// of how the device speaks now.
	Near = 15 * time.Minute
	// burst: what comes within it is one arrival.
	burst = time.Second
	// longest: a longer silence is no interval between two readings.
	longest = 36 * time.Hour
	// intervals is how many are remembered, enough how many tell a rhythm.
	intervals = 16
	enough    = 4
	// assumed is the rhythm of a device of which too little is known.
	assumed = 5 * time.Minute
)

// How long a device may be silent.
const (
	leastLate    = time.Minute
	leastOffline = 5 * time.Minute
	// outlier bounds what single long intervals add to a device's time.
	outlier = 30 * time.Minute
	// slowLate and slowOffline bound the time of devices that speak rarely.
	slowLate    = 4 * time.Hour
	slowOffline = 12 * time.Hour
	// most is how often the time is doubled for a device that comes and goes;
	// calming is how long it must stay for one doubling to be taken back.
	most    = 3
	calming = 6 * time.Hour
)

// Pulse is what is learnt of how a device speaks: its rhythm, from the intervals
// between what was heard lately, and the hours at which it is silent. The zero
// value has heard nothing.
type Pulse struct {
	lastAt, lastStamp int64 // unix milliseconds of the last reading: received, measured
	recovered         int64 // when it last came back from being late or offline
	ring              [intervals]uint32
	next, count       uint8 // of the ring, which holds milliseconds
	patience          uint8
	profile           profile
}

// Hear learns from a reading that was received at a time and measured at stamp. It
// reports whether the reading counts: one of another time, or received before what
// was heard last, does not.
func (p *Pulse) Hear(received, stamp time.Time) bool {
	apart := received.Sub(stamp)
	at := received.UnixMilli()
	if apart > Near || apart < -Near || at <= 0 || at < p.lastAt {
		return false
	}
	repeated := stamp.UnixMilli() == p.lastStamp
	since := time.Duration(at-p.lastAt) * time.Millisecond
	if p.lastAt != 0 && !repeated && since >= burst && since <= longest {
		p.ring[p.next] = uint32(since.Milliseconds()) //nolint:gosec // at most longest
		p.next = (p.next + 1) % intervals
		p.count = min(p.count+1, intervals)
	}
	p.lastAt, p.lastStamp = at, stamp.UnixMilli()
	p.profile.hear(received)
	return true
}

// LastSeen is when the device was last heard, the zero time if never.
func (p *Pulse) LastSeen() time.Time {
	if p.lastAt == 0 {
		return time.Time{}
	}
	return time.UnixMilli(p.lastAt).UTC()
}

// Recovered notes that the device came back from being late or offline. One that
// does so again and again is given more time, so that its state says something.
func (p *Pulse) Recovered(at time.Time) {
	p.patience = min(p.patienceAt(at)+1, most)
	p.recovered = at.UnixMilli()
}

func (p *Pulse) patienceAt(at time.Time) uint8 {
	calm := time.Duration(at.UnixMilli()-p.recovered) * time.Millisecond / calming
	if calm >= time.Duration(p.patience) {
		return 0
	}
	return p.patience - uint8(max(calm, 0)) //nolint:gosec // less than patience
}

// Rhythm is the usual time between what is heard, 0 while too little is known.
func (p *Pulse) Rhythm() time.Duration {
	if p.count < enough {
		return 0
	}
	sorted := p.sorted()
	return time.Duration(sorted[len(sorted)/2]) * time.Millisecond
}

func (p *Pulse) sorted() []uint32 {
	list := slices.Clone(p.ring[:p.count])
	slices.Sort(list)
	return list
}

// Times are for how long the device may be silent, as seen at a time: after late
// it is late, after offline it is offline.
func (p *Pulse) Times(now time.Time) (late, offline time.Duration) {
	rhythm, second := assumed, time.Duration(0)
	if p.count >= enough {
		sorted := p.sorted()
		rhythm = time.Duration(sorted[len(sorted)/2]) * time.Millisecond
		second = time.Duration(sorted[len(sorted)-2]) * time.Millisecond
	}
	late = min(3*rhythm, rhythm+slowLate)
	// Those that speak in bursts are silent in between. The longest interval of all
	// is left out: it may have been an outage.
	late = max(late, 3*min(second, max(2*rhythm, outlier))/2, leastLate)
	late <<= p.patienceAt(now)
	return late, max(min(3*late, late+slowOffline), leastOffline)
}
