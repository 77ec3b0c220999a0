package energy

import (
	"math"
	"math/bits"
)

// A digest has a cell for each quarter-hour of its UTC day, and four before them
// for the last hour of the day before: a gain that is seen just after midnight
// is split over the edge.
const (
	carried      = 4
	quartersADay = 96
	slots        = carried + quartersADay
)

// The series of a digest: gains of lifetime counters, energies by power, what
// stood in for a silent counter, and gains of the day counter.
const (
	counterSeries = 0
	powerSeries   = NumChannels
	bridgeSeries  = 2 * NumChannels
	dailySeries   = 3 * NumChannels
	numSeries     = 3*NumChannels + 1
)

// bitmap has a bit for each slot.
type bitmap [2]uint64

func (b *bitmap) set(slot int)      { b[slot>>6] |= 1 << (slot & 63) }
func (b *bitmap) has(slot int) bool { return b[slot>>6]&(1<<(slot&63)) != 0 }
func (b *bitmap) empty() bool       { return b[0]|b[1] == 0 }

// fill sets the bits from first to last, both included.
func (b *bitmap) fill(first, last int) {
	for half := range b {
		low, high := max(first-half<<6, 0), min(last-half<<6, 63)
		if low <= high {
			b[half] |= (math.MaxUint64 << low) & (math.MaxUint64 >> (63 - high))
		}
	}
}

// count is how many bits of [from, to) are set.
func (b *bitmap) count(from, to int) int {
	below := func(end int) int {
		if end <= 64 {
			return bits.OnesCount64(b[0] & (1<<end - 1))
		}
		return bits.OnesCount64(b[0]) + bits.OnesCount64(b[1]&(1<<(end-64)-1))
	}
	return below(to) - below(from)
}

// span returns the first and the last bit that are set.
func (b *bitmap) span() (first, last int) {
	if b[0] != 0 {
		first = bits.TrailingZeros64(b[0])
	} else {
		first = 64 + bits.TrailingZeros64(b[1])
	}
	if b[1] != 0 {
		return first, 127 - bits.LeadingZeros64(b[1])
	}
	return first, 63 - bits.LeadingZeros64(b[0])
}

// series is the energy of one channel by one method. Seen are the slots in which
// the method could tell, also when it told 0.
type series struct {
	cell [slots]int64
	seen bitmap
}

// span is a stretch of more than an hour over which counters gained, and where
// it can't be said when.
type span struct {
	from, to int64
	gain     [NumChannels + 1]int64 // the day counter's last
}

// silence is a stretch of most of a day without a reading.
type silence struct{ from, to int64 }

// longSilence is from what length on a silence is kept: shorter than the
// shortest local day.
const longSilence = 18 * hour

// dailySpan is where a span keeps the day counter's gain.
const dailySpan = NumChannels

// Bounds of what a day keeps.
const (
	maxSpans    = 256
	maxSilences = 2
)

// Day is the digest of one UTC day: what Folder makes and Buckets adds up. It is
// not changed once made. The zero value is a day without readings in 1970.
type Day struct {
	number      int32
	readings    int64
	first, last int64              // unix ms of its first and last reading
	print       uint64             // of all that was measured, by the time of day
	repeated    bool               // the print is another day's
	counted     bool               // there is a consumption counter, heard or silent
	began       [NumChannels]uint8 // the slot in which a lifetime counter was first heard; 0 for none
	covered     [slots]int64
	peak        [slots]int64 // of production, in mW
	flags       [slots]Flags
	series      [numSeries]*series
	spans       []span
	silences    []silence
}

// Number is the UTC day, counted since 1970.
func (d *Day) Number() int32 { return d.number }

// Readings is how many readings it is made of.
func (d *Day) Readings() int64 { return d.readings }

// IsEmpty reports whether it has no reading.
func (d *Day) IsEmpty() bool { return d.readings == 0 }

func (d *Day) start() int64 { return int64(d.number) * dayLong }

// origin is where the slots begin.
func (d *Day) origin() int64 { return d.start() - carried*quarter }

// slot is the slot that a moment closes: one on an edge belongs to the slot
// before. Moments outside go to the nearest.
func (d *Day) slot(at int64) int {
	return int(min(max((at-1-d.origin())/quarter, 0), slots-1))
}

// clone shares nothing with d.
func (d *Day) clone() Day {
	c := *d
	for i, s := range d.series {
		if s != nil {
			copied := *s
			c.series[i] = &copied
		}
	}
	c.spans = append([]span(nil), d.spans...)
	c.silences = append([]silence(nil), d.silences...)
	return c
}
