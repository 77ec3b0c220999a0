package energy

import (
	"slices"
	"time"
)

// Buckets adds days up to the periods of a zone's clock that touch [from, to),
// one for each, also an empty one. Days are ascending, each number once; they
// reach from the UTC day before the first period to the one after the last, as
// far as there are any. Energies of hours add up to their day, those of days to
// their month, exactly.
//
// A silence is seen only by the day that ends it: what follows the last day is
// empty, and says no more.
func Buckets(days []Day, zone *time.Location, res Resolution, from, to time.Time) []Bucket {
	if !from.Before(to) {
		return []Bucket{}
	}
	first, last := Align(zone, res, from, to)
	if res == Lifetime {
		first = begin(days, zone, first)
	}
	b := builder{zone: zone, res: res, first: first.UnixMilli(), last: last.UnixMilli(), local: localDay{all: days}}
	b.heard.of(days)
	if res == Hour {
		for i := range days {
			for j := range days[i].spans {
				b.local.spans = append(b.local.spans, &days[i].spans[j])
			}
		}
	}
	return b.build(dateOf(first))
}

// begin is the local day of the first reading, if that is later than from.
func begin(days []Day, zone *time.Location, from time.Time) time.Time {
	for i := range days {
		if days[i].readings > 0 {
			return beginAt(days[i].first, zone, from)
		}
	}
	return from
}

func beginAt(reading int64, zone *time.Location, from time.Time) time.Time {
	return at(max(dayStart(zone, dateOf(at(reading, zone))), from.UnixMilli()), zone)
}

// builder makes buckets from local days, one after the other.
type builder struct {
	zone        *time.Location
	res         Resolution
	first, last int64
	heard       heard
	buckets     []Bucket
	open        Bucket
	tally       tally
	local       localDay
	// known returns local days that were added up before; nil if none were.
	known func(start, end int64) *local
}

// build makes the buckets from the local day d on.
func (b *builder) build(d date) []Bucket {
	length := map[Resolution]int64{Hour: hour, DayOf: dayLong, Month: 28 * dayLong, Year: 365 * dayLong}[b.res]
	if length > 0 {
		b.buckets = make([]Bucket, 0, (b.last-b.first)/length+2)
	}
	start := dayStart(b.zone, d)
	previous := dayStart(b.zone, of(d.year, d.inMonth, d.day-1))
	begun := false
	for start < b.last {
		next := d.next()
		end := dayStart(b.zone, next)
		if end > start {
			if !begun || b.begins(d) {
				if begun {
					b.close(start)
				}
				b.open, b.tally, begun = Bucket{Start: at(max(start, b.first), b.zone)}, tally{}, true
			}
			b.add(d, start, end, previous)
			previous = start
		}
		d, start = next, end
	}
	if begun && b.res != Hour {
		b.close(b.last)
	}
	return b.buckets
}

// add adds the local day d.
func (b *builder) add(d date, start, end, previous int64) {
	if b.known != nil {
		b.whole(b.known(start, end))
		return
	}
	b.local.gather(start, end, previous)
	if b.res == Hour {
		b.hours(d)
		return
	}
	whole := b.local.whole()
	b.whole(&whole)
}

// begins reports whether a period begins with this local day.
func (b *builder) begins(d date) bool {
	switch b.res {
	case Month:
		return d.day == 1
	case Year:
		return d.day == 1 && d.inMonth == 1
	case Lifetime:
		return false
	default:
		return true
	}
}

// close ends the open bucket.
func (b *builder) close(end int64) {
	if b.res == Hour {
		return
	}
	b.open.End = at(end, b.zone)
	b.tally.store(&b.open)
	b.finish(&b.open)
	b.buckets = append(b.buckets, b.open)
}

// finish sets what follows from a bucket's sums.
func (b *builder) finish(bucket *Bucket) {
	length := bucket.End.Sub(bucket.Start).Milliseconds()
	if length > 0 {
		bucket.Coverage = float64(bucket.CoveredMillis) / float64(length)
	}
	known := false
	for c := range bucket.Energy {
		a := &bucket.Energy[c]
		a.Estimated = min(a.Estimated, a.MilliwattHours)
		known = known || a.Known
		if a.Estimated*100 > a.MilliwattHours {
			bucket.Flags |= Estimated
		}
	}
	if !known && bucket.CoveredMillis == 0 {
		bucket.Flags |= Gap
	}
}

// whole adds a local day to the open bucket.
func (b *builder) whole(l *local) {
	open := &b.open
	empty, outside, flags := b.heard.in(l.start, l.end, l.silent)
	if outside && b.res != DayOf {
		flags &^= Gap // not a gap between readings, but a time before or after them all
	}
	open.Flags |= flags
	if empty {
		return
	}
	open.Flags |= l.flags
	for c, method := range l.method {
		if method == None {
			continue
		}
		b.tally.add(Channel(c), Amount{
			MilliwattHours: l.energy[c], Known: true, Method: method,
			Estimated: l.estimated[c] + gainedBefore(l.spans, method, c, open.Start.UnixMilli()),
		})
	}
	open.CoveredMillis += l.covered
	open.peak(l.peak)
}

// peak takes a power in mW, if it is higher.
func (b *Bucket) peak(milliwatts int64) {
	watts := float64(milliwatts) / 1_000
	if milliwatts > 0 && (b.PeakPowerWatts == nil || *b.PeakPowerWatts < watts) {
		b.PeakPowerWatts = &watts
	}
}

// hours makes a bucket of each hour of the local day.
func (b *builder) hours(d date) {
	l := &b.local
	empty, _, _ := b.heard.in(l.start, l.end, l.silent)
	starts := append(hoursOf(b.zone, d), l.end)
	for i, start := range starts[:len(starts)-1] {
		end := starts[i+1]
		if start < b.first || start >= b.last {
			continue
		}
		bucket := Bucket{Start: at(start, b.zone), End: at(end, b.zone)}
		if !empty {
			l.hour(&bucket, start, end, &b.heard)
		}
		b.finish(&bucket)
		b.buckets = append(b.buckets, bucket)
	}
}

func total(cells []int64) int64 {
	var sum int64
	for _, cell := range cells {
		sum += cell
	}
	return sum
}

// dayAt returns the day with this number, nil if it is not there.
func dayAt(days []Day, number int32) *Day {
	// Days mostly follow one another: look where it would be then.
	if len(days) > 0 {
		if i := int64(number) - int64(days[0].number); i >= 0 && i < int64(len(days)) && days[i].number == number {
			return &days[i]
		}
	}
	i, ok := slices.BinarySearchFunc(days, number, func(d Day, n int32) int { return int(d.number) - int(n) })
	if !ok {
		return nil
	}
	return &days[i]
}
