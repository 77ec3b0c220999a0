package energy

// daily is the device's own counter of the day: it begins at 0 at sunrise, at
// midnight of some clock, or never.
type daily struct {
	line
	resetAt int64 // when it last began anew
	habit   bool  // it does so in the night
	// doubt is what it showed before a night after which it showed hardly less, and
	// doubtAt when that was seen: either it is yesterday's value still, or today's.
	doubt, doubtAt int64
}

const (
	// nightly is from what silence on a lower value is the next day's.
	nightly = 3 * hour
	// dueAfter is how long after a reset the next may come.
	dueAfter = 10 * hour
	// A reset that nobody saw is taken to have been in a silence of this length, so
	// long after the one before, if the counter shows more than before it.
	unseenSilence = 12 * hour
	unseenAfter   = 23 * hour
	// doubtful is how long a counter that showed much the same after the night may
	// still begin anew; if it went on growing by then, it had begun already.
	doubtful = 30 * minute
	// littleToLose is up to what value a fall by day is not taken for a reset: the
	// counter is soon above it again.
	littleToLose = kilowattHour / 2
)

// add takes the next value of the counter.
func (d *daily) add(value, at int64) verdict {
	if d.known && d.nextDay(value, at) {
		return d.begin(value, at)
	}
	due := d.resetAt == 0 || at-d.resetAt >= dueAfter
	p := patience{steps: 2, after: 10 * minute, onceAfter: hour, slack: kilowattHour / 5, sinceReset: max(d.resetAt, 1)}
	if !due {
		p.steps, p.after = 3, 30*minute
		if d.known && value < d.value && d.value < littleToLose {
			value = d.value
		}
	}
	d.wonder(at)
	before, held := d.value, d.held
	v := d.line.add(value, at, p)
	d.decide(&v, at)
	if v.flags&Reset != 0 && v.mark == held.firstAt {
		if held.first > before {
			// A jump that went on: the counter was silent about what the day had brought.
			if jump := held.first - before; d.believed(jump, held.firstAt-max(d.resetAt, held.firstAt-dayLong), p) {
				v.jump.amount, v.flags = jump, 0
			} else {
				v.jump.amount = 0
			}
			return v
		}
		d.resetAt, d.doubt, d.doubtAt = held.firstAt, 0, 0
		if due {
			v.flags, d.habit = 0, true
		}
	}
	return v
}

// nextDay reports whether the counter began anew in the silence before a value.
func (d *daily) nextDay(value, at int64) bool {
	length := at - d.at
	switch {
	case length < nightly:
		return false
	case value < d.value:
		return !small(d.value-value, d.value)
	default:
		return d.habit && length >= unseenSilence && at-d.resetAt >= unseenAfter &&
			value-d.value > max(d.value/10, kilowattHour/20)
	}
}

// wonder begins a doubt when a value comes after a night.
func (d *daily) wonder(at int64) {
	if d.known && d.habit && at-d.at >= nightly && at-d.resetAt >= unseenAfter && d.value > kilowattHour/20 {
		d.doubt, d.doubtAt = d.value, at
	}
}

// decide ends the doubt when the counter went on growing.
func (d *daily) decide(v *verdict, at int64) {
	if d.doubtAt == 0 || !v.heard || v.gain.amount == 0 || at-d.doubtAt < doubtful {
		return
	}
	if at-d.doubtAt < nightly {
		v.jump = gained{amount: d.doubt, from: at, to: at}
		d.resetAt = d.doubtAt
	}
	d.doubt, d.doubtAt = 0, 0
}

// begin takes the first value after a reset in a silence: all of it was gained
// since, and stands where it was seen.
func (d *daily) begin(value, at int64) verdict {
	v := verdict{heard: true}
	if d.believed(value, min(at-d.at, dayLong), patience{slack: kilowattHour}) {
		v.gain = gained{amount: value, from: at, to: at}
	} else {
		v.flags, v.mark = Spike, at
	}
	d.old = former{value: d.value, at: d.at}
	d.value, d.at, d.moved, d.fresh, d.held = value, at, at, false, candidate{}
	d.resetAt, d.habit = at, true
	d.doubt, d.doubtAt = 0, 0
	return v
}
