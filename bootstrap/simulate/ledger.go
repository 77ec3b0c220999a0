package simulate

import (
	"slices"
	"sync"
	"time"
)

// Counts is how far a run is.
type Counts struct {
	// Sent were handed to the network at least once.
	Sent int
	// Acknowledged by the broker or the webhook's answer.
	Acknowledged int
	// Found are those of the acknowledged that the API showed, with their values.
	Found int
	// Twice were shown more than once in one history.
	Twice int
	// Refused were answered with a refusal that stays.
	Refused int
	// Wrong were found with other values than those sent.
	Wrong int
	// Unexpected were shown by the API and never sent.
	Unexpected int
}

func (c *Counts) add(o Counts) {
	c.Sent += o.Sent
	c.Acknowledged += o.Acknowledged
	c.Found += o.Found
	c.Twice += o.Twice
	c.Refused += o.Refused
	c.Wrong += o.Wrong
	c.Unexpected += o.Unexpected
}

// Lost is how many were acknowledged and not found, or found with wrong values.
func (c Counts) Lost() int { return c.Acknowledged - c.Found }

// mark is what is known of a reading's fate.
type mark uint8

const (
	acknowledged mark = 1 << iota
	refused
	abandoned // its device stopped before there was an answer
	seen      // the API showed it
	wrong     // with other values
	twice     // more than once
)

// ledger is the account of one source's readings: when, what and what became of
// it, in 17 bytes a reading.
type ledger struct {
	mu           sync.Mutex
	times        []int64 // unix milliseconds, rising
	prints       []uint64
	marks        []mark
	open         int // without an answer
	counts       Counts
	latencies    *latencies
	lastProgress time.Time
	changed      chan struct{}
	wrongAt      int // the first with wrong values, for the report
	wrongReading Reading
	unexpected   map[int64]struct{}
	refusal      error
}

func newLedger(l *latencies) *ledger {
	return &ledger{latencies: l, changed: make(chan struct{}, 1), wrongAt: -1, unexpected: map[int64]struct{}{}}
}

// begin notes a reading that is about to be sent and returns what is to be
// called with the answer to it.
func (l *ledger) begin(r Reading) (answer func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := len(l.times)
	now := time.Now()
	l.times = append(l.times, r.Timestamp.UnixMilli())
	l.prints = append(l.prints, r.fingerprint())
	l.marks = append(l.marks, 0)
	l.counts.Sent++
	if l.open == 0 {
		l.lastProgress = now
	}
	l.open++
	return func(err error) { l.answer(i, now, err) }
}

// takeBack removes the last reading, which was not sent after all.
func (l *ledger) takeBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.times) - 1
	l.times, l.prints, l.marks = l.times[:last], l.prints[:last], l.marks[:last]
	l.counts.Sent--
	l.open--
}

func (l *ledger) answer(i int, sent time.Time, err error) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	switch {
	case err == nil:
		l.marks[i] |= acknowledged
		l.counts.Acknowledged++
		l.countFound(i)
		l.latencies.add(now.Sub(sent))
		l.lastProgress = now
	case isUnanswered(err):
		l.marks[i] |= abandoned
	default:
		l.marks[i] |= refused
		l.counts.Refused++
		l.lastProgress = now
		l.refusal = err
	}
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// countFound counts an acknowledged reading that was seen with right values. It
// is called when either has just become true.
func (l *ledger) countFound(i int) {
	if l.marks[i]&(acknowledged|seen|wrong) == acknowledged|seen {
		l.counts.Found++
	}
}

// note takes in what one history showed: how often each was there.
func (l *ledger) note(r Reading, inThisHistory map[int64]int) {
	ms := r.Timestamp.UnixMilli()
	inThisHistory[ms]++
	l.mu.Lock()
	defer l.mu.Unlock()
	i, known := slices.BinarySearch(l.times, ms)
	switch {
	case !known:
		if _, again := l.unexpected[ms]; !again {
			l.unexpected[ms] = struct{}{}
			l.counts.Unexpected++
		}
		return
	case inThisHistory[ms] > 1:
		if l.marks[i]&twice == 0 {
			l.marks[i] |= twice
			l.counts.Twice++
		}
		return
	}
	right := r.fingerprint() == l.prints[i]
	switch m := l.marks[i]; {
	case right && m&seen == 0:
		l.marks[i] |= seen
		l.countFound(i)
	case right && m&wrong != 0: // it has become what it should be
		l.marks[i] &^= wrong
		l.counts.Wrong--
		l.countFound(i)
	case !right && m&wrong == 0:
		if m&(acknowledged|seen) == acknowledged|seen {
			l.counts.Found--
		}
		l.marks[i] |= seen | wrong
		l.counts.Wrong++
		if l.wrongAt < 0 {
			l.wrongAt, l.wrongReading = i, r
		}
	}
}

// missing is the span of the acknowledged readings that were not yet found, and
// how many those are.
func (l *ledger) missing() (from, to time.Time, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, last := -1, -1
	for i, m := range l.marks {
		if m&acknowledged != 0 && m&(seen|wrong) != seen {
			if first < 0 {
				first = i
			}
			last = i
			n++
		}
	}
	if n == 0 {
		return time.Time{}, time.Time{}, 0
	}
	return time.UnixMilli(l.times[first]), time.UnixMilli(l.times[last] + 1), n
}

// span is that of all readings sent, with a minute on both sides so that what
// does not belong shows up.
func (l *ledger) span() (from, to time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.times) == 0 {
		return time.Time{}, time.Time{}, false
	}
	return time.UnixMilli(l.times[0]).Add(-time.Minute), time.UnixMilli(l.times[len(l.times)-1]).Add(time.Minute), true
}

func (l *ledger) snapshot() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// waiting is how many readings have no answer, and since when nothing moved.
func (l *ledger) waiting() (open int, since time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open, time.Since(l.lastProgress)
}
