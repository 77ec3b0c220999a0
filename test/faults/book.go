package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// entry is what is known of one reading: the source's number of it, the versions
// of its values that were sent and acknowledged, and what a listing showed.
type entry struct {
	stamp int64 // Unix milliseconds
	// sent counts versions: a correction is the same moment with other values.
	sent int
	// acked is the last acknowledged version plus one, 0 for none.
	acked   int
	ackedAt time.Time
	// shown is how often one listing had it, value the version that it had.
	shown, value int
}

// book is the account of one source. It is safe for concurrent use.
type book struct {
	name string
	// index tells sources apart by their values.
	index int
	// strict wants the last acknowledged version, and not just one that was sent.
	strict bool

	mu      sync.Mutex
	entries []entry // by rising stamp
	strange []string
}

// reading is what a device is to send.
type reading struct {
	number, version int
	stamp           int64
	index           int
}

// begin enters a new reading of that moment, or of the next one that is free.
func (b *book) begin(now time.Time) reading {
	b.mu.Lock()
	defer b.mu.Unlock()
	stamp := now.UnixMilli()
	if n := len(b.entries); n > 0 {
		stamp = max(stamp, b.entries[n-1].stamp+1)
	}
	b.entries = append(b.entries, entry{stamp: stamp, sent: 1})
	return reading{number: len(b.entries) - 1, stamp: stamp, index: b.index}
}

// correct enters the next version of an acknowledged reading; false when there is
// none whose versions are all acknowledged. back counts from the newest.
func (b *book) correct(back int) (reading, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := len(b.entries) - 1 - back
	if i < 0 || b.entries[i].acked != b.entries[i].sent {
		return reading{}, false
	}
	e := &b.entries[i]
	e.sent++
	return reading{number: i, version: e.sent - 1, stamp: e.stamp, index: b.index}, true
}

// acknowledge notes that a version is durable.
func (b *book) acknowledge(r reading, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := &b.entries[r.number]
	e.acked = max(e.acked, r.version+1)
	e.ackedAt = at
}

// payload is the reading as JSON. Its values tell the source, the number and the
// version, so that one that is mixed up with another is seen.
func (r reading) payload() []byte {
	v := r.values()
	dst := append([]byte(nil), `{"timestamp":"`...)
	dst = time.UnixMilli(r.stamp).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	for i, name := range []string{`","acPowerWatts":`, `,"solarPowerWatts":`, `,"loadPowerWatts":`} {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, int64(v[i]), 10)
	}
	return append(dst, `,"gridVoltageVolts":231.5,"batteryStateOfChargePercent":76.5}`...)
}

// values are AC, solar and load power in watts.
func (r reading) values() [3]int {
	return [3]int{r.number%9000 + 1, r.index*50 + r.version, (r.number*7 + r.index*13) % 5000}
}

// listing begins a new look at all readings.
func (b *book) listing() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.entries {
		b.entries[i].shown = 0
	}
	b.strange = nil
}

// show notes a reading that a listing had.
func (b *book) show(stamp int64, values [3]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, known := slices.BinarySearchFunc(b.entries, stamp, func(e entry, at int64) int { return cmp.Compare(e.stamp, at) })
	if !known {
		b.strange = append(b.strange, fmt.Sprintf("%s %s was never sent", b.name, moment(stamp)))
		return
	}
	e := &b.entries[i]
	e.shown++
	e.value = values[1] - b.index*50
	sent := reading{number: i, version: e.value, index: b.index}
	if e.value < 0 || e.value >= e.sent || values != sent.values() {
		b.strange = append(b.strange, fmt.Sprintf("%s %s has values that were never sent for it: %v", b.name, moment(stamp), values))
	}
}

func moment(stamp int64) string {
	return time.UnixMilli(stamp).UTC().Format("2006-01-02T15:04:05.000Z")
}

// span is that of all readings, in Unix milliseconds, and whether there are any.
func (b *book) span() (from, to int64, any bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.entries) == 0 {
		return 0, 0, false
	}
	return b.entries[0].stamp, b.entries[len(b.entries)-1].stamp, true
}

// open is how many readings have a version without an answer.
func (b *book) open() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, e := range b.entries {
		if e.acked < e.sent {
			n++
		}
	}
	return n
}

// acked is how many readings were acknowledged.
func (b *book) acked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, e := range b.entries {
		if e.acked > 0 {
			n++
		}
	}
	return n
}

// verdict is what became of readings.
type verdict struct {
	sent, acked, found int
	// extra were found, and sent, without an acknowledgement: that is right.
	extra int
	// lost were acknowledged and are not found; forgiven are those of them that an
	// outside broker lost, by its own design.
	lost, forgiven int
	twice          int
	// unsent were found and never sent, or with values that were not.
	unsent int
	// older have values from before their last acknowledged correction.
	older int
	// first names some of those that should not be.
	first []string
}

const named = 5

func (v *verdict) name(text string) {
	if len(v.first) < named {
		v.first = append(v.first, text)
	}
}

func (v *verdict) add(o verdict) {
	v.sent += o.sent
	v.acked += o.acked
	v.found += o.found
	v.extra += o.extra
	v.lost += o.lost
	v.forgiven += o.forgiven
	v.twice += o.twice
	v.unsent += o.unsent
	v.older += o.older
	for _, text := range o.first {
		v.name(text)
	}
}

// broken reports whether a promise is.
func (v *verdict) broken() bool { return v.lost+v.twice+v.unsent+v.older > 0 }

// judge compares the last listing with what was sent. What was acknowledged before
// forgiveness ends may be lost; the zero time forgives nothing.
func (b *book) judge(forgiveness time.Time) verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := verdict{sent: len(b.entries), unsent: len(b.strange)}
	for _, text := range b.strange {
		v.name(text)
	}
	for _, e := range b.entries {
		b.judgeOne(&v, e, forgiveness)
	}
	return v
}

func (b *book) judgeOne(v *verdict, e entry, forgiveness time.Time) {
	if e.shown > 1 {
		v.twice++
		v.name(fmt.Sprintf("%s %s was found %d times", b.name, moment(e.stamp), e.shown))
	}
	if e.acked == 0 {
		if e.shown > 0 {
			v.extra++
		}
		return
	}
	v.acked++
	switch {
	case e.shown > 0:
		v.found++
		if b.strict && e.value+1 < e.acked {
			v.older++
			v.name(fmt.Sprintf("%s %s has version %d, acknowledged was %d", b.name, moment(e.stamp), e.value, e.acked-1))
		}
	case e.ackedAt.Before(forgiveness):
		v.forgiven++
	default:
		v.lost++
		v.name(fmt.Sprintf("%s %s was acknowledged at %s and is not found", b.name, moment(e.stamp), e.ackedAt.UTC().Format("15:04:05.000")))
	}
}
