package main

import "slices"

// The marks of a reading.
const (
	acknowledged byte = 1 << iota
	seen
	again
)

// ledger is the account of one source's readings: a reading is known by its
// timestamp and its number among the source's, from which its values are made.
// It is not safe for concurrent use.
type ledger struct {
	stamps []int64 // Unix milliseconds, rising
	marks  []byte
	// unknown were found and never sent, wrong found with another's values.
	unknown, wrong int
}

// counts are what a case came to.
type counts struct {
	sent, acknowledged int
	// found are those of the acknowledged that a query gave back with their values,
	// twice those of all that one query gave back more than once.
	found, twice int
	// strange were found and never sent, or with other values.
	strange int
}

func (c counts) lost() int { return c.acknowledged - c.found }

func (c *counts) add(o counts) {
	c.sent += o.sent
	c.acknowledged += o.acknowledged
	c.found += o.found
	c.twice += o.twice
	c.strange += o.strange
}

// begin enters a reading that is about to be sent. Its stamp is the wanted one,
// or the next that is free after the source's last.
func (l *ledger) begin(wanted int64) (number int, stamp int64) {
	number = len(l.stamps)
	if number > 0 {
		wanted = max(wanted, l.stamps[number-1]+1)
	}
	l.stamps = append(l.stamps, wanted)
	l.marks = append(l.marks, 0)
	return number, wanted
}

// acknowledge notes that a reading, by its number, is durable.
func (l *ledger) acknowledge(number int) { l.marks[number] |= acknowledged }

// search begins a new look at all readings: what was found before is forgotten.
func (l *ledger) search() {
	for i := range l.marks {
		l.marks[i] &= acknowledged
	}
	l.unknown, l.wrong = 0, 0
}

// find notes a reading that a query gave back, with the value that tells its
// number.
func (l *ledger) find(stamp int64, value float64) {
	i, known := slices.BinarySearch(l.stamps, stamp)
	switch {
	case !known:
		l.unknown++
	case value != valueOf(i):
		l.wrong++
	case l.marks[i]&seen != 0:
		l.marks[i] |= again
	default:
		l.marks[i] |= seen
	}
}

// span is that of all readings sent, in Unix milliseconds, the end exclusive.
func (l *ledger) span() (from, to int64) {
	if len(l.stamps) == 0 {
		return 0, 0
	}
	return l.stamps[0], l.stamps[len(l.stamps)-1] + 1
}

func (l *ledger) counts() counts {
	c := counts{sent: len(l.stamps), strange: l.unknown + l.wrong}
	for _, m := range l.marks {
		if m&acknowledged != 0 {
			c.acknowledged++
			if m&seen != 0 {
				c.found++
			}
		}
		if m&again != 0 {
			c.twice++
		}
	}
	return c
}
