// Package series is the domain of histories that are drawn: the least, greatest
// and mean value of each canonical field in slots of five minutes and of an hour,
// a UTC day of one source at a time, and the edges of the buckets that a chart is
// made of. What energy flowed is not here, nor are strings, phases and extra.
package series

import (
	"math"
	"math/bits"

	"ampra/core/telemetry"
)

// Tier is how fine what is kept of a source's history is.
type Tier uint8

// The tiers.
const (
	// Raw are the readings themselves; no Day is of this tier.
	Raw     Tier = iota
	Minutes      // slots of five minutes
	Hours        // slots of an hour
)

// String is the tier's name: raw, minutes or hours.
func (t Tier) String() string {
	switch t {
	case Minutes:
		return "minutes"
	case Hours:
		return "hours"
	default:
		return "raw"
	}
}

// DayMillis is the length of a UTC day in milliseconds.
const DayMillis = 86_400_000

// Slots is how many slots a day has, 0 for Raw.
func (t Tier) Slots() int {
	switch t {
	case Minutes:
		return 288
	case Hours:
		return 24
	default:
		return 0
	}
}

// SlotMillis is how long a slot is in milliseconds, 0 for Raw.
func (t Tier) SlotMillis() int64 {
	if slots := t.Slots(); slots > 0 {
		return DayMillis / int64(slots)
	}
	return 0
}

// Stat is what is known of a field in some span of time. The zero value knows
// nothing.
type Stat struct {
	// Count is how many readings had the field.
	Count int64
	// Min and Max are the least and the greatest of their values, Last is the value
	// of the newest, Sum adds all up.
	Min, Max, Last, Sum float64
}

// Mean is the plain mean of the readings, whatever time lay between them. It
// is 0 where nothing is known.
func (s Stat) Mean() float64 {
	if s.Count == 0 {
		return 0
	}
	// What rounding did to the sum must not take the mean out of the range.
	return min(max(s.Sum/float64(s.Count), s.Min), s.Max)
}

// Add takes in a value that is newer than all others.
func (s *Stat) Add(value float64) {
	s.Merge(Stat{Count: 1, Min: value, Max: value, Last: value, Sum: value})
}

// Merge takes in what is known of a later span.
func (s *Stat) Merge(later Stat) {
	switch {
	case later.Count == 0:
	case s.Count == 0:
		*s = later
	default:
		s.Count += later.Count
		s.Min, s.Max = min(s.Min, later.Min), max(s.Max, later.Max)
		s.Last, s.Sum = later.Last, s.Sum+later.Sum
	}
}

// Day is one tier of one UTC day of one source. The zero value is an empty day of
// the tier Raw, which has no slots.
type Day struct {
	tier Tier
	// cells has, for each field that occurs, the slots of the day.
	cells [telemetry.NumFields][]cell
}

// Tier is the day's tier.
func (d *Day) Tier() Tier { return d.tier }

// Fields has bit f set for each field f that occurs.
func (d *Day) Fields() uint32 {
	var mask uint32
	for f, cells := range d.cells {
		if cells != nil {
			mask |= 1 << f
		}
	}
	return mask
}

// IsEmpty reports whether no field occurs.
func (d *Day) IsEmpty() bool { return d.Fields() == 0 }

// Stat is what is known of a field in a slot, which begins slot times SlotMillis
// after midnight in UTC.
func (d *Day) Stat(f telemetry.Field, slot int) Stat {
	if slot < 0 || slot >= len(d.cells[f]) {
		return Stat{}
	}
	return d.cells[f][slot].stat(scaleOf(f))
}

// cell is a slot of a field in whole numbers: the value times the field's scale.
// Whole numbers add up to the same in any order, so that a day folded in parts is
// the day folded at once.
type cell struct {
	count          uint32
	min, max, last int64
	// over is by how much all values together are over min.
	over uint64
}

// decimals is how many of a field's decimals tiers keep.
func decimals(f telemetry.Field) int {
	switch {
	case isCounter(f), f == telemetry.GridFrequencyHertz:
		return 3
	default:
		return 2
	}
}

func scaleOf(f telemetry.Field) float64 {
	if decimals(f) == 3 {
		return 1000
	}
	return 100
}

// isCounter reports whether a field only grows, most of the time.
func isCounter(f telemetry.Field) bool { return f >= telemetry.EnergyTodayKwh }

func (c cell) stat(scale float64) Stat {
	if c.count == 0 {
		return Stat{}
	}
	return Stat{
		Count: int64(c.count),
		Min:   float64(c.min) / scale, Max: float64(c.max) / scale, Last: float64(c.last) / scale,
		Sum: (float64(c.min)*float64(c.count) + float64(c.over)) / scale,
	}
}

// merge takes in a cell whose readings are newer.
func (c *cell) merge(later cell) {
	switch {
	case later.count == 0:
		return
	case c.count == 0:
		*c = later
		return
	}
	least := min(c.min, later.min)
	over := addSaturated(c.raised(least), later.raised(least))
	*c = cell{count: c.count + later.count, min: least, max: max(c.max, later.max), last: later.last, over: over}
}

// raised is by how much the values together are over something that is not over
// min.
func (c cell) raised(least int64) uint64 {
	high, low := bits.Mul64(uint64(c.count), uint64(c.min-least)) //nolint:gosec // neither is negative
	if high != 0 {
		return math.MaxUint64
	}
	return addSaturated(c.over, low)
}

// addSaturated stays at the greatest number: that is beyond what counters of the
// largest site can add up to, and gives a mean that is too low instead of none.
func addSaturated(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return math.MaxUint64
	}
	return sum
}
