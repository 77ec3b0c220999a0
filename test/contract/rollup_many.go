package contract

import (
	"math"
	"slices"
	"testing"

	"github.com/google/uuid"

	"ampra/core/rollup"
)

// manyDays are rows of more sources than any store asks for at once, one or two of
// each but every fifth, of days that differ, and marks of every third.
func (rig RollupsRig) manyDays(t *testing.T) (sources []uuid.UUID, days []rollup.Day, marks []rollup.Mark) {
	t.Helper()
	for i := range 1030 {
		source := newSource()
		sources = append(sources, source)
		if i%3 == 0 {
			marks = append(marks, rollup.Mark{SourceID: source, Day: int32(i%4) - 1, Slot: 2, Earliest: int64(i)})
			if i%2 == 0 {
				marks = append(marks, rollup.Mark{SourceID: source, Day: int32(i%4) - 1, Slot: 3, Earliest: int64(i)})
			}
		}
	}
	rig.raise(t, settled, marks...)
	for i := 0; i < len(sources); i += 100 {
		for number := int32(-1); number < int32(i/100%3); number++ {
			days = append(days, rig.rolled(t, sources[i], number))
		}
	}
	rig.save(t, days...)
	return sources, days, marks
}

func (rig RollupsRig) many(t *testing.T) {
	rig.clear(t)
	sources, days, marks := rig.manyDays(t)
	got, err := rig.Store.Waiting(t.Context(), sources, 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	got = slices.DeleteFunc(got, func(m rollup.Mark) bool { return m.Slot == 1 }) // those of rows
	want := slices.DeleteFunc(slices.Clone(marks), func(m rollup.Mark) bool { return m.Day < 0 || m.Day > 2 })
	if !slices.Equal(got, want) {
		t.Errorf("%d marks are found, want %d", len(got), len(want))
	}
	for _, span := range [][2]int32{{-1, 9}, {0, 1}, {0, 0}, {-1000, 1000}, {math.MinInt32, math.MaxInt32}, {7, 7}} {
		found, err := rig.Store.Load(t.Context(), sources, span[0], span[1], rollup.Energy)
		if err != nil {
			t.Fatal(err)
		}
		var wanted []rollup.Day
		for _, day := range days {
			if day.Day >= span[0] && day.Day <= span[1] {
				day.Revision, day.State, day.Minutes, day.Hours = 1, nil, nil, nil
				wanted = append(wanted, day)
			}
		}
		if len(found) != len(wanted) {
			t.Fatalf("days %v: %d rows are found, want %d", span, len(found), len(wanted))
		}
		for i := range wanted {
			checkDay(t, found[i], wanted[i])
		}
	}
}

func (rig RollupsRig) last(t *testing.T) {
	near, far, behind, none := newSource(), newSource(), newSource(), newSource()
	rig.save(t, rig.rolled(t, near, 17), rig.rolled(t, near, 18), rig.rolled(t, near, 20), rig.rolled(t, far, -4000), rig.rolled(t, behind, 20))
	for _, c := range []struct {
		day  int32
		want map[uuid.UUID]int32
	}{
		{20, map[uuid.UUID]int32{near: 18, far: -4000}},
		{21, map[uuid.UUID]int32{near: 20, far: -4000, behind: 20}},
		{18, map[uuid.UUID]int32{near: 17, far: -4000}},
		{-3999, map[uuid.UUID]int32{far: -4000}},
		{-4000, nil},
		{math.MaxInt32, map[uuid.UUID]int32{near: 20, far: -4000, behind: 20}},
		{math.MinInt32, nil},
	} {
		asked := []uuid.UUID{behind, none, near, far}
		found, err := rig.Store.Last(t.Context(), asked, c.day, rollup.State)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != len(c.want) {
			t.Errorf("before day %d there are %d rows, want %d", c.day, len(found), len(c.want))
		}
		place := -1
		for _, day := range found {
			at := slices.Index(asked, day.SourceID)
			if want, ok := c.want[day.SourceID]; !ok || day.Day != want || at <= place || string(day.State) != "state" || day.Energy != nil {
				t.Errorf("before day %d is %+v, want day %d", c.day, day, want)
			}
			place = at
		}
	}
	if found, err := rig.Store.Last(t.Context(), nil, 20, rollup.State); err != nil || len(found) != 0 {
		t.Errorf("no source has %d rows, %v", len(found), err)
	}
}

func (rig RollupsRig) first(t *testing.T) {
	sources := make([]uuid.UUID, 1100)
	for i := range sources {
		sources[i] = newSource()
	}
	check := func(want int32, known bool, asked ...uuid.UUID) {
		t.Helper()
		if day, ok, err := rig.Store.First(t.Context(), asked); err != nil || ok != known || day != want {
			t.Errorf("the first day is %d, %v, %v, want %d", day, ok, err, want)
		}
	}
	check(0, false)
	check(0, false, sources...)
	for i, number := range map[int]int32{1: 50, 40: 30, 41: 31, 300: 45, 600: 35, 1050: 20, 1051: 44} {
		rig.save(t, rig.rolled(t, sources[i], number), rig.rolled(t, sources[i], number+9))
	}
	check(20, true, sources...)
	check(30, true, sources[:1000]...)
	check(50, true, sources[1])
	rig.save(t, rig.rolled(t, sources[500], -7))
	check(-7, true, sources...)
}
