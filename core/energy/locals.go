package energy

import (
	"slices"
	"time"
)

// local is one local day added up: all that buckets of a day or more are made of.
// Silences are left out, as it may be any later day that tells of them.
type local struct {
	start, end        int64
	silent            bool // its digests have no reading in it
	flags             Flags
	method            [NumChannels]Method
	energy, estimated [NumChannels]int64
	covered, peak     int64
	spans             []span // those that ended in it
}

// whole adds the day up.
func (l *localDay) whole() local {
	sum := local{start: l.start, end: l.end, silent: l.silent}
	if l.silent {
		return sum
	}
	sum.flags, sum.method, sum.covered, sum.peak = l.slotFlags(l.start, l.end), l.method, total(l.covered), slices.Max(l.peak)
	for c, method := range l.method {
		if method != None {
			sum.energy[c], sum.estimated[c] = total(l.energy[c]), total(l.estimated[c])
		}
	}
	sum.spans = l.ended(nil, l.start, l.end)
	return sum
}

// Revision is which version there is of a UTC day.
type Revision struct {
	// Day is the day's number since 1970.
	Day int32
	// Revision is another one for other content; never 0.
	Revision int64
}

// Locals remembers the local days of one source and one zone that were added up, so
// that what is made of many of them takes the digests of those alone that are new.
// It is not safe for concurrent use.
type Locals struct {
	zone   *time.Location
	days   map[int32]stamp
	locals map[int64]*known // by start
}

// stamp is what a UTC day tells beyond the local days that it is a part of.
type stamp struct {
	revision              int64
	readings, first, last int64
	silences              []silence
}

// known is a local day, and the revisions of the UTC days that it was made from; 0
// where there was none.
type known struct {
	local
	of [mostDays]int64
}

// mostDays is of how many UTC days a local day is made at the most, as long as no
// clock is put back by more than a day.
const mostDays = 4

// NewLocals remembers nothing yet.
func NewLocals(zone *time.Location) *Locals {
	return &Locals{zone: zone, days: map[int32]stamp{}, locals: map[int64]*known{}}
}

// Len is how many local days it remembers.
func (l *Locals) Len() int { return len(l.locals) }

// Missing are the UTC days, ascending, whose digests Learn needs for the local days
// that touch [from, to). Revisions are all days that there are, ascending.
func (l *Locals) Missing(revisions []Revision, from, to time.Time) []int32 {
	var missing []int32
	want := func(day int32) {
		if n := len(missing); n == 0 || missing[n-1] < day {
			missing = append(missing, day)
		}
	}
	l.each(from, to, func(start, end, _ int64) {
		if l.has(revisions, start, end) {
			return
		}
		first, last := reach(start, end)
		for n := first; n <= last; n++ {
			if revisionOf(revisions, n) != 0 {
				want(n)
			}
		}
	})
	for _, r := range revisions {
		if l.days[r.Day].revision != r.Revision {
			missing = append(missing, r.Day)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// Learn adds up the local days that touch [from, to) and are not remembered as the
// revisions have them. Digests are those that are Missing, and may be more; they
// are ascending, each of the revision that is given.
func (l *Locals) Learn(revisions []Revision, digests []Day, from, to time.Time) {
	for i := range digests {
		d := &digests[i]
		l.days[d.number] = stamp{
			revision: revisionOf(revisions, d.number), readings: d.readings, first: d.first, last: d.last, silences: d.silences,
		}
	}
	day := localDay{all: digests}
	l.each(from, to, func(start, end, previous int64) {
		if l.has(revisions, start, end) {
			return
		}
		day.gather(start, end, previous)
		k := &known{local: day.whole()}
		first, last := reach(start, end)
		for n := first; n <= last && n-first < mostDays; n++ {
			k.of[n-first] = revisionOf(revisions, n)
		}
		l.locals[start] = k
	})
}

// Buckets is as the function of this name makes them from the digests of all days
// that have a revision. It is not for hours. What is Missing counts as empty.
func (l *Locals) Buckets(revisions []Revision, res Resolution, from, to time.Time) []Bucket {
	if !from.Before(to) {
		return []Bucket{}
	}
	first, last := Align(l.zone, res, from, to)
	h := heard{}
	begun := false
	for i, r := range revisions {
		day := l.days[r.Day]
		if i == 0 {
			h.begun = day.first
		}
		h.ended = day.last
		h.silences = append(h.silences, day.silences...)
		if day.readings > 0 && !begun && res == Lifetime {
			begun, first = true, beginAt(day.first, l.zone, first)
		}
	}
	b := builder{zone: l.zone, res: res, first: first.UnixMilli(), last: last.UnixMilli(), heard: h}
	b.known = func(start, end int64) *local {
		if l.has(revisions, start, end) {
			return &l.locals[start].local
		}
		return &local{start: start, end: end, silent: true}
	}
	return b.build(dateOf(first))
}

// each goes through the local days that touch [from, to), with where each begins
// and ends and where the one before begins.
func (l *Locals) each(from, to time.Time, see func(start, end, previous int64)) {
	if !from.Before(to) {
		return
	}
	d := dateOf(from.In(l.zone))
	start, last := dayStart(l.zone, d), to.UnixMilli()
	previous := dayStart(l.zone, of(d.year, d.inMonth, d.day-1))
	for start < last {
		d = d.next()
		end := dayStart(l.zone, d)
		if end > start {
			see(start, end, previous)
			previous = start
		}
		start = end
	}
}

// has reports whether a local day is remembered as the revisions have it.
func (l *Locals) has(revisions []Revision, start, end int64) bool {
	k, ok := l.locals[start]
	first, last := reach(start, end)
	if !ok || last-first >= mostDays {
		return false
	}
	for n := first; n <= last; n++ {
		if k.of[n-first] != revisionOf(revisions, n) {
			return false
		}
	}
	return true
}

// revisionOf is the revision of a day, 0 if it is not there.
func revisionOf(revisions []Revision, day int32) int64 {
	// Days mostly follow one another: look where it would be then.
	if len(revisions) > 0 {
		if i := int64(day) - int64(revisions[0].Day); i >= 0 && i < int64(len(revisions)) && revisions[i].Day == day {
			return revisions[i].Revision
		}
	}
	i, ok := slices.BinarySearchFunc(revisions, day, func(r Revision, n int32) int { return int(r.Day) - int(n) })
	if !ok {
		return 0
	}
	return revisions[i].Revision
}
