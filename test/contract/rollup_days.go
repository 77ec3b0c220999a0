package contract

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/rollup"
)

func (rig RollupsRig) get(t *testing.T, source uuid.UUID, from, to int32, parts rollup.Parts) []rollup.Day {
	t.Helper()
	days, err := rig.Store.Load(t.Context(), []uuid.UUID{source}, from, to, parts)
	if err != nil {
		t.Fatalf("loading: %v", err)
	}
	return days
}

func (rig RollupsRig) roundTrip(t *testing.T) {
	source := newSource()
	for _, number := range []int32{20000, -5, 0} {
		day := rig.rolled(t, source, number)
		day.Stage = rollup.Whole
		if number == 0 {
			day.Stage = rollup.Coarse
		}
		rig.save(t, day)
		day.Revision++
		found := rig.get(t, source, number, number, rollup.All)
		if len(found) != 1 {
			t.Fatalf("day %d has %d rows", number, len(found))
		}
		checkDay(t, found[0], day)

		day.Through, day.Energy, day.State, day.Stage = day.Through+1, []byte{1}, nil, rollup.Bare
		rig.save(t, day)
		day.Revision++
		checkDay(t, rig.get(t, source, number, number, rollup.All)[0], day)
	}
}

func (rig RollupsRig) parts(t *testing.T) {
	source := newSource()
	day := rig.rolled(t, source, 9)
	day.Hours = []byte("hours")
	rig.save(t, day)
	for parts := rollup.None; parts <= rollup.All; parts++ {
		got := rig.get(t, source, 9, 9, parts)
		if len(got) != 1 {
			t.Fatalf("parts %b: %d rows", parts, len(got))
		}
		want := day
		want.Revision = 1
		for part, blob := range map[rollup.Parts]*[]byte{
			rollup.State: &want.State, rollup.Energy: &want.Energy, rollup.Minutes: &want.Minutes, rollup.Hours: &want.Hours,
		} {
			if !parts.Has(part) {
				*blob = nil
			}
		}
		checkDay(t, got[0], want)
	}
}

func (rig RollupsRig) load(t *testing.T) {
	one, two := newSource(), newSource()
	for _, number := range []int32{3, -1, 2, 100} {
		rig.save(t, rig.rolled(t, one, number), rig.rolled(t, two, number))
	}
	days, err := rig.Store.Load(t.Context(), []uuid.UUID{two, newSource(), one}, -1, 3, rollup.Energy)
	if err != nil {
		t.Fatal(err)
	}
	type key struct {
		source uuid.UUID
		day    int32
	}
	want := []key{{two, -1}, {two, 2}, {two, 3}, {one, -1}, {one, 2}, {one, 3}}
	if len(days) != len(want) {
		t.Fatalf("%d rows are loaded, want %d", len(days), len(want))
	}
	for i, day := range days {
		if (key{day.SourceID, day.Day}) != want[i] {
			t.Errorf("row %d is day %d of %v", i, day.Day, day.SourceID)
		}
	}
	if found := rig.get(t, one, math.MinInt32, math.MaxInt32, rollup.None); len(found) != 4 {
		t.Errorf("all of a source are %d rows", len(found))
	}
	if found, err := rig.Store.Load(t.Context(), nil, 0, 9, rollup.All); err != nil || len(found) != 0 {
		t.Errorf("no source has %d rows, %v", len(found), err)
	}
}

func (rig RollupsRig) neighbours(t *testing.T) {
	source := newSource()
	rig.save(t, rig.rolled(t, source, 10), rig.rolled(t, source, 20), rig.rolled(t, newSource(), 15))
	for _, c := range []struct {
		day           int32
		before, after int32
	}{{15, 10, 20}, {10, 0, 20}, {20, 10, 0}, {11, 10, 20}, {5, 0, 10}, {99, 20, 0}} {
		before, ok, err := rig.Store.Before(t.Context(), source, c.day, rollup.State)
		if err != nil || ok != (c.before != 0) || before.Day != c.before || ok && string(before.State) != "state" {
			t.Errorf("before day %d is %d, %v, %v, want %d", c.day, before.Day, ok, err, c.before)
		}
		after, ok, err := rig.Store.After(t.Context(), source, c.day, rollup.None)
		if err != nil || ok != (c.after != 0) || after.Day != c.after || after.State != nil {
			t.Errorf("after day %d is %d, %v, %v, want %d", c.day, after.Day, ok, err, c.after)
		}
	}
}

func (rig RollupsRig) revisions(t *testing.T) {
	source := newSource()
	day := rig.rolled(t, source, 4)
	for revision := range int64(3) {
		day.Revision = revision
		var won atomic.Int32
		var savers sync.WaitGroup
		for range 4 {
			savers.Go(func() {
				switch err := rig.Store.Save(t.Context(), day); {
				case err == nil:
					won.Add(1)
				case !fault.Is(err, fault.Conflict):
					t.Errorf("saving at once gives %v, want a Conflict", err)
				}
			})
		}
		savers.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of 4 saved revision %d", won.Load(), revision+1)
		}
	}
	day.Revision = 9
	if err := rig.Store.Save(t.Context(), day); !fault.Is(err, fault.Conflict) {
		t.Errorf("a revision that never was gives %v", err)
	}
	day.Day, day.Revision = 5, 1
	if err := rig.Store.Save(t.Context(), day); !fault.Is(err, fault.Conflict) {
		t.Errorf("a later revision of a row that is not there gives %v", err)
	}
}

func (rig RollupsRig) erase(t *testing.T) {
	gone, stays := newSource(), newSource()
	day := rig.rolled(t, gone, 4)
	rig.save(t, day, rig.rolled(t, stays, 4))
	if err := rig.Erase(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	rig.checkWaiting(t, gone)
	if found := rig.get(t, gone, math.MinInt32, math.MaxInt32, rollup.All); len(found) != 0 {
		t.Errorf("%d rows of an erased source are found", len(found))
	}
	for _, revision := range []int64{0, 1} {
		day.Revision = revision
		if err := rig.Store.Save(t.Context(), day); !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Conflict) {
			t.Errorf("saving revision %d of an erased source gives %v", revision, err)
		}
	}
	day.Day, day.Revision = 5, 0
	if err := rig.Store.Save(t.Context(), day); !fault.Is(err, fault.NotFound) {
		t.Errorf("saving a new row of an erased source gives %v, want NotFound", err)
	}
	if found := rig.get(t, gone, math.MinInt32, math.MaxInt32, rollup.All); len(found) != 0 {
		t.Errorf("%d rows of an erased source came back", len(found))
	}
	if found := rig.get(t, stays, 4, 4, rollup.All); len(found) != 1 {
		t.Errorf("the other source has %d rows", len(found))
	}
}

func (rig RollupsRig) note(t *testing.T) {
	for _, want := range []bool{false, true} {
		got, err := rig.Store.Noted(t.Context(), "an act")
		if err != nil || got != want {
			t.Errorf("it is noted: %v, %v, want %v", got, err, want)
		}
		for range 2 {
			if err := rig.Store.Note(t.Context(), "an act"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := rig.Store.Noted(t.Context(), "another"); err != nil || got {
		t.Errorf("what was not noted is: %v, %v", got, err)
	}
}
