package energy

import "math/bits"

// line is one counter as it is followed: the highest value that is believed, and
// beside it a value that is not believed yet. A value that jumps, or falls, is
// held until later ones either go on from it or return to the line.
type line struct {
	known bool
	fresh bool  // it has not grown yet
	value int64 // the highest that counts, mWh
	at    int64 // when the line was last heard
	moved int64 // when value last grew
	rate  int64 // the greatest power that was seen of it, mW
	step  int64 // the greatest gain within an hour
	old   former
	held  candidate
}

// former is the line before the last reset: what was held and believed may come
// back all the same.
type former struct{ value, at int64 }

// candidate is where the values go on that are not on the line.
type candidate struct {
	open           bool
	first, firstAt int64 // its first value
	last, lastAt   int64 // its highest, and when it was last heard
	grewFrom       int64 // the reading before it first grew; 0 while it has not
	moved          int64 // when it last grew
	steps          int64 // how often it grew
	steep          int64 // how often it grew faster than is believed
}

// gained is an energy gained in (from, to].
type gained struct{ amount, from, to int64 }

// verdict is what a counter's value means.
type verdict struct {
	heard bool // the value is on the line, which could tell a gain or none
	jump  gained
	gain  gained
	flags Flags
	mark  int64 // where the flags belong
}

// patience is what it takes to believe a candidate: that it grew so often over so
// long a time, or once over a longer.
type patience struct {
	steps      int64
	after      int64
	onceAfter  int64
	slack      int64 // a gain that is always believed
	sinceReset int64 // 0, or when the line began at 0
}

const (
	// believedRate is what any site may do, before its own powers are known.
	believedRate = 20 * kilowatt
	// faster is how much faster than ever seen a counter may gain.
	faster = 2
	// maxPaced is up to what gain a power is made of it: 2 GWh.
	maxPaced = 2_000_000 * kilowattHour
	// formerFor is how long a former line may come back.
	formerFor = 2 * dayLong
)

func lifetimePatience() patience {
	return patience{steps: 2, after: 10 * minute, onceAfter: hour, slack: kilowattHour}
}

// add takes the next value of the counter.
func (l *line) add(value, at int64, p patience) verdict {
	if !l.known {
		rate := l.rate
		*l = line{known: true, fresh: true, value: value, at: at, moved: at, rate: rate}
		return verdict{}
	}
	since := at
	if l.held.open && l.held.first > l.value && value >= l.held.last {
		since = l.held.firstAt // it has not gained while it was held
	}
	switch {
	case value >= l.value && l.believed(value-l.value, since-l.moved, p):
		return l.accept(value, at)
	case value < l.value && small(l.value-value, l.value):
		return l.accept(l.value, at)
	case l.fresh && l.value == 0:
		l.value, l.at, l.moved, l.held = value, at, at, candidate{} // the 0 of a device that just booted
		return verdict{}
	case l.old.at != 0 && l.returns(value, at, p):
		return l.back(value, at)
	default:
		return l.hold(value, at, p)
	}
}

// small is a step back that a counter takes by rounding, or when its device
// reconsiders.
func small(drop, value int64) bool { return drop <= kilowattHour && drop <= value/10 }

// believed reports whether a gain in so much time is possible, as far as the site
// is known.
func (l *line) believed(gain, length int64, p patience) bool {
	return gain <= p.slack+energyOf(faster*max(l.rate, believedRate/faster), length)
}

// energyOf is a power over a time, at most what a counter can show.
func energyOf(milliwatts, millis int64) int64 {
	high, low := bits.Mul64(uint64(max(milliwatts, 0)), uint64(max(millis, 0)))
	if high >= hour {
		return maxEnergy
	}
	quotient, _ := bits.Div64(high, low, hour)
	return int64(min(quotient, maxEnergy))
}

// accept takes a value on the line. What was held beside it was a spike or a dip.
func (l *line) accept(value, at int64) verdict {
	v := verdict{heard: true, gain: gained{amount: value - l.value, from: l.at, to: at}}
	if l.held.open {
		v.flags, v.mark = Spike, l.held.firstAt
		l.held = candidate{}
	}
	if v.gain.amount > 0 {
		l.learn(v.gain.amount, at-l.moved)
		if at-l.at <= hour {
			l.step = max(l.step, v.gain.amount)
		}
		l.value, l.moved, l.fresh = value, at, false
	}
	l.at = at
	return v
}

// learn remembers how fast the counter gains, where that can be told from the
// size of its steps.
func (l *line) learn(gain, length int64) {
	if length >= 5*minute && length <= dayLong && gain <= maxPaced {
		l.rate = max(l.rate, gain*hour/length)
	}
}

// returns reports whether a value goes on from the line before the last reset.
func (l *line) returns(value, at int64, p patience) bool {
	if at-l.old.at > formerFor {
		return false
	}
	if value < l.old.value {
		return small(l.old.value-value, l.old.value)
	}
	return l.believed(value-l.old.value, at-l.old.at, p)
}

// back goes on with the line before the last reset, which was none.
func (l *line) back(value, at int64) verdict {
	v := verdict{heard: true, flags: Spike, mark: at}
	v.gain = gained{amount: max(value-l.old.value, 0), from: l.at, to: at}
	l.value, l.at, l.moved = max(value, l.old.value), at, at
	l.old, l.held = former{}, candidate{}
	return v
}

// hold keeps a value that is not on the line, and believes it when it went on
// long enough.
func (l *line) hold(value, at int64, p patience) verdict {
	c := &l.held
	steps := c.steps
	switch {
	case c.open && value < c.last && small(c.last-value, c.last):
		c.lastAt = at
	case c.open && value >= c.last && l.believed(value-c.last, at-c.moved, p):
		c.grow(value, at)
	case c.open && value > c.last && l.asSteep(value, at):
		c.steep++
		pace := paceOf(value-c.last, at-c.lastAt)
		c.grow(value, at)
		if c.steep >= 3 {
			l.rate = max(l.rate, pace)
			if value >= l.value && l.believed(value-l.value, at-l.moved, p) {
				c.open = false
				return l.accept(value, at)
			}
		}
	default:
		*c = candidate{open: true, first: value, firstAt: at, last: value, lastAt: at, moved: at}
	}
	length := at - c.firstAt
	if !c.open || c.steps == steps {
		return verdict{}
	}
	if c.steps >= p.steps && length >= p.after || c.steps > 0 && length >= p.onceAfter {
		return l.believe(at, p)
	}
	return verdict{}
}

func (c *candidate) grow(value, at int64) {
	if value > c.last {
		if c.grewFrom == 0 {
			c.grewFrom = c.lastAt
		}
		c.last, c.moved = value, at
		c.steps++
	}
	c.lastAt = at
}

// asSteep reports whether a candidate goes on as fast as it began: a large site
// of which no power is known.
func (l *line) asSteep(value, at int64) bool {
	c := &l.held
	if c.first <= l.value {
		return false
	}
	before := paceOf(c.first-l.value, c.firstAt-l.at)
	pace := paceOf(value-c.last, at-c.lastAt)
	return pace >= before/4 && pace <= maxPower
}

// paceOf is a gain over a time as a power.
func paceOf(gain, length int64) int64 {
	if length <= 0 || gain > maxPaced {
		return maxPower + 1
	}
	return gain * hour / length
}

// believe makes the candidate the line.
func (l *line) believe(at int64, p patience) verdict {
	c := l.held
	l.learn(c.last-c.first, at-c.firstAt)
	v := verdict{heard: true, flags: Reset, mark: c.firstAt}
	v.jump = gained{from: l.at, to: c.firstAt}
	v.gain = gained{amount: c.last - c.first, from: c.grewFrom, to: at}
	switch {
	case c.first > l.value:
		if jump := c.first - l.value; l.believed(jump, c.firstAt-l.moved, p) {
			v.jump.amount, v.flags = jump, 0
		}
	case p.sinceReset != 0 || l.believed(c.first, c.firstAt-l.at, patience{}):
		v.jump.amount = c.first
	}
	if c.first <= l.value && p.sinceReset == 0 {
		v.jump.amount = max(v.jump.amount, l.rolledOver(c.first, c.firstAt, p))
	}
	l.old = former{value: l.value, at: l.at}
	l.value, l.at, l.moved, l.fresh = c.last, at, c.moved, false
	l.held = candidate{}
	return v
}

// rolledOver is what a counter gained that ran over its last digit, or its last
// bit, between the line and value; 0 if it did not.
func (l *line) rolledOver(value, at int64, p patience) int64 {
	for _, end := range [...]int64{
		1_000 * kilowattHour, 10_000 * kilowattHour, 100_000 * kilowattHour, 1_000_000 * kilowattHour, 10_000_000 * kilowattHour,
		1 << 16 * kilowattHour, 1 << 16 * kilowattHour / 10, 1 << 16 * kilowattHour / 100,
		1 << 31 * wattHour, 1 << 32 * wattHour, 1 << 32 * 10 * wattHour, 1 << 32 * 100 * wattHour, 1 << 32 * 1,
	} {
		gain := end - l.value + value
		if l.value < end && l.value >= end-end/50 && l.believed(gain, at-l.moved, p) {
			return gain
		}
	}
	return 0
}
