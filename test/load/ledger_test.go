package main

import "testing"

func TestTheLedgerGivesEachReadingAStampOfItsOwn(t *testing.T) {
	t.Parallel()
	var l ledger
	for i, c := range []struct{ wanted, want int64 }{{100, 100}, {100, 101}, {50, 102}, {200, 200}} {
		if number, got := l.begin(c.wanted); number != i || got != c.want {
			t.Errorf("wanted %d: got number %d and stamp %d, want %d and %d", c.wanted, number, got, i, c.want)
		}
	}
	if from, to := l.span(); from != 100 || to != 201 {
		t.Errorf("the span is %d to %d", from, to)
	}
}

func TestTheLedgerCountsWhatBecameOfTheReadings(t *testing.T) {
	t.Parallel()
	filled := func() *ledger {
		l := &ledger{}
		for i := range 4 {
			l.begin(int64(10 * i))
		}
		for i := range 3 { // the fourth is sent and unanswered
			l.acknowledge(i)
		}
		return l
	}
	for name, c := range map[string]struct {
		found func(l *ledger)
		want  counts
		lost  int
	}{
		"nothing is found": {func(*ledger) {}, counts{sent: 4, acknowledged: 3}, 3},
		"all is found": {
			func(l *ledger) { l.find(0, valueOf(0)); l.find(10, valueOf(1)); l.find(20, valueOf(2)) },
			counts{sent: 4, acknowledged: 3, found: 3},
			0,
		},
		"one comes twice": {
			func(l *ledger) { l.find(0, valueOf(0)); l.find(0, valueOf(0)) },
			counts{sent: 4, acknowledged: 3, found: 1, twice: 1},
			2,
		},
		"what was not acknowledged may be found": {
			func(l *ledger) { l.find(30, valueOf(3)) }, counts{sent: 4, acknowledged: 3}, 3,
		},
		"one was never sent": {
			func(l *ledger) { l.find(5, valueOf(0)) }, counts{sent: 4, acknowledged: 3, strange: 1}, 3,
		},
		"one has another's value": {
			func(l *ledger) { l.find(10, valueOf(2)) }, counts{sent: 4, acknowledged: 3, strange: 1}, 3,
		},
		"a second look forgets the first": {
			func(l *ledger) { l.find(0, valueOf(0)); l.find(7, 0); l.search(); l.find(0, valueOf(0)) },
			counts{sent: 4, acknowledged: 3, found: 1},
			2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := filled()
			c.found(l)
			if got := l.counts(); got != c.want || got.lost() != c.lost {
				t.Errorf("got %+v and %d lost, want %+v and %d", got, got.lost(), c.want, c.lost)
			}
		})
	}
}
