package energy_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ampra/core/energy"
)

// memo is a Locals with what is stored beside it.
type memo struct {
	*energy.Locals
	days      []energy.Day
	revisions []energy.Revision
	last      int64
}

// store puts days in place of all that there are; those that stay as they were keep
// their revision.
func (m *memo) store(days []energy.Day) {
	var revisions []energy.Revision
	for i := range days {
		now, _ := days[i].AppendBinary(nil)
		r := energy.Revision{Day: days[i].Number()}
		for j := range m.days {
			if before, _ := m.days[j].AppendBinary(nil); slices.Equal(now, before) {
				r.Revision = m.revisions[j].Revision
			}
		}
		if r.Revision == 0 {
			m.last++
			r.Revision = m.last
		}
		revisions = append(revisions, r)
	}
	m.days, m.revisions = days, revisions
}

// learn gives what is missing, and no more.
func (m *memo) learn(t rapid.TB, from, to time.Time) (missing int) {
	var digests []energy.Day
	wanted := m.Missing(m.revisions, from, to)
	for _, day := range m.days {
		if slices.Contains(wanted, day.Number()) {
			digests = append(digests, day)
		}
	}
	if len(digests) != len(wanted) {
		t.Fatalf("days %v are missing, of which there are %d", wanted, len(digests))
	}
	m.Learn(m.revisions, digests, from, to)
	if left := m.Missing(m.revisions, from, to); len(left) > 0 {
		t.Fatalf("days %v are missing still", left)
	}
	return len(wanted)
}

func (m *memo) check(t rapid.TB, zone *time.Location, from, to time.Time) {
	for _, res := range []energy.Resolution{energy.DayOf, energy.Month, energy.Year, energy.Lifetime} {
		want := energy.Buckets(m.days, zone, res, from, to)
		m.learn(t, from, to)
		if first, last := energy.Align(zone, res, from, to); res != energy.Lifetime {
			m.learn(t, first, last)
		}
		if got := m.Buckets(m.revisions, res, from, to); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: remembered as\n%+v\nwant\n%+v", res, got, want)
		}
	}
}

func TestRememberedLocalDaysAddUpToWhatDigestsDo(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{
		time.UTC, zone(t, "Europe/Berlin"), zone(t, "Australia/Lord_Howe"), zone(t, "Pacific/Apia"), zone(t, "America/St_Johns"),
	}
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		start := time.Date(2024, 3, 25, 0, 0, 0, 0, time.UTC)
		samples := drawSamples(t, start, true)
		m := &memo{Locals: energy.NewLocals(z)}
		for range rapid.IntRange(1, 4).Draw(t, "times") {
			some := slices.Clone(samples[:rapid.IntRange(0, len(samples)).Draw(t, "until")])
			if n := len(some); n > 2 { // as if some came late, or were erased
				a := rapid.IntRange(0, n).Draw(t, "without from")
				some = slices.Delete(some, a, rapid.IntRange(a, min(n, a+20)).Draw(t, "without to"))
			}
			m.store(foldAll(some))
			from := start.Add(time.Duration(rapid.IntRange(-50, 200).Draw(t, "from")) * time.Hour)
			m.check(t, z, from, from.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "hours"))*time.Hour))
		}
	})
}

func TestOfAYearThatIsRememberedOnlyWhatIsNewIsAskedFor(t *testing.T) {
	t.Parallel()
	days := foldAll(home(time.Hour, benchStart(), 300, false))
	m := &memo{Locals: energy.NewLocals(zone(t, "Europe/Berlin"))}
	from, to := benchStart(), benchStart().AddDate(0, 0, 310)
	m.store(days[:299])
	if n := m.learn(t, from, to); n != 299 {
		t.Fatalf("of 299 days %d were asked for", n)
	}
	if n := m.learn(t, from, to); n != 0 {
		t.Fatalf("of days that are known %d were asked for", n)
	}
	m.store(days)
	if n := m.learn(t, from, to); n > 4 {
		t.Fatalf("of one new day %d were asked for", n)
	}
	if m.Len() != 311 {
		t.Errorf("%d local days are remembered, want 311", m.Len())
	}
}
