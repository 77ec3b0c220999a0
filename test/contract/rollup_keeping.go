package contract

import (
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/rollup"
	"ampra/core/telemetry"
)

func (rig RollupsRig) due(t *testing.T, ask rollup.Due) []rollup.Day {
	t.Helper()
	days, err := rig.Store.Due(t.Context(), ask)
	if err != nil {
		t.Fatalf("looking for days that are over: %v", err)
	}
	return days
}

func (rig RollupsRig) advance(t *testing.T, day rollup.Day, to rollup.Stage) rollup.Day {
	t.Helper()
	if err := rig.Store.Advance(t.Context(), day, to); err != nil {
		t.Fatalf("bringing a day on: %v", err)
	}
	day.Stage, day.Revision = to, day.Revision+1
	return day
}

func (rig RollupsRig) stages(t *testing.T) {
	source := newSource()
	rig.save(t, rig.rolled(t, source, 7))
	day := rig.get(t, source, 7, 7, rollup.All)[0]
	rolledAt := day.RolledAt
	for _, stage := range []rollup.Stage{rollup.Sealed, rollup.Bare, rollup.Sealed, rollup.Bare, rollup.Coarse} {
		before := day
		day = rig.advance(t, day, stage)
		if stage == rollup.Coarse {
			day.Minutes = nil
		}
		found := rig.get(t, source, 7, 7, rollup.All)[0]
		checkDay(t, found, day)
		if !found.RolledAt.Equal(rolledAt) {
			t.Errorf("it was saved at %v and says %v", rolledAt, found.RolledAt)
		}
		if err := rig.Store.Advance(t.Context(), before, stage); !fault.Is(err, fault.Conflict) {
			t.Errorf("a row that somebody brought on meanwhile gives %v", err)
		}
		if err := rig.Store.Remove(t.Context(), before); !fault.Is(err, fault.Conflict) {
			t.Errorf("removing a row that is another now gives %v", err)
		}
		if err := rig.Store.Save(t.Context(), before); !fault.Is(err, fault.Conflict) {
			t.Errorf("saving a row that is another now gives %v", err)
		}
	}
	if err := rig.Store.Remove(t.Context(), day); err != nil {
		t.Fatalf("removing a row: %v", err)
	}
	if found := rig.get(t, source, 7, 7, rollup.All); len(found) != 0 {
		t.Error("the row is still there")
	}
	if err := rig.Store.Remove(t.Context(), day); !fault.Is(err, fault.Conflict) {
		t.Errorf("removing a row that is not there gives %v", err)
	}
	if err := rig.Store.Advance(t.Context(), day, rollup.Bare); !fault.Is(err, fault.Conflict) {
		t.Errorf("bringing on a row that is not there gives %v", err)
	}
	fresh := rig.rolled(t, source, 7)
	rig.save(t, fresh)
	fresh.Revision = 1
	checkDay(t, rig.get(t, source, 7, 7, rollup.All)[0], fresh)
}

func (rig RollupsRig) sealedAfter(t *testing.T) {
	source := newSource()
	rig.save(t, rig.rolled(t, source, 10), rig.rolled(t, source, 20), rig.rolled(t, source, 30), rig.rolled(t, newSource(), 12))
	rig.advance(t, rig.get(t, source, 20, 20, rollup.None)[0], rollup.Sealed)
	rig.advance(t, rig.get(t, source, 30, 30, rollup.None)[0], rollup.Bare)
	for day, want := range map[int32]int32{5: 20, 10: 20, 19: 20, 20: 30, 29: 30, 30: 0, 99: 0} {
		found, ok, err := rig.Store.SealedAfter(t.Context(), source, day, rollup.State)
		if err != nil || ok != (want != 0) || found.Day != want || ok && string(found.State) != "state" {
			t.Errorf("after day %d the sealed one is %d, %v, %v, want %d", day, found.Day, ok, err, want)
		}
	}
}

// places are what is due of some sources, others of other tests left out.
func (rig RollupsRig) places(t *testing.T, ask rollup.Due, of ...uuid.UUID) []rollup.Place {
	t.Helper()
	var places []rollup.Place
	for {
		page := rig.due(t, ask)
		for _, day := range page {
			place := rollup.Place{SourceID: day.SourceID, Day: day.Day}
			if day.State != nil || day.Minutes != nil || day.Stage != ask.Stage || day.Revision == 0 {
				t.Errorf("due is %+v", day)
			}
			if slices.Contains(of, day.SourceID) {
				places = append(places, place)
			}
			ask.After = &place
		}
		if len(page) < ask.Limit {
			return places
		}
	}
}

func (rig RollupsRig) dueDays(t *testing.T) {
	one, two := newSource(), newSource()
	for _, day := range []int32{-3, 5, 4, 9, 30} {
		rig.save(t, rig.rolled(t, one, day), rig.rolled(t, two, day))
	}
	for _, limit := range []int{1, 3, 100} {
		places := rig.places(t, rollup.Due{Stage: rollup.Whole, Before: 9, Limit: limit}, one, two)
		var days []int32
		for _, place := range places {
			days = append(days, place.Day)
		}
		if want := []int32{-3, -3, 4, 4, 5, 5}; !slices.Equal(days, want) {
			t.Fatalf("%d at a time, days %v are due, want %v", limit, days, want)
		}
		for i := 0; i < len(places); i += 2 {
			if places[i].SourceID == places[i+1].SourceID {
				t.Errorf("of day %d a source is due twice", places[i].Day)
			}
		}
	}
	if places := rig.places(t, rollup.Due{Stage: rollup.Whole, Before: math.MaxInt32, Idle: time.Hour, Limit: 10}, one, two); len(places) != 0 {
		t.Errorf("%v are due, which were saved now", places)
	}
	rig.advance(t, rig.get(t, one, 4, 4, rollup.None)[0], rollup.Bare)
	if places := rig.places(t, rollup.Due{Stage: rollup.Whole, Before: 9, Limit: 10}, one); !slices.Equal(places, []rollup.Place{{SourceID: one, Day: -3}, {SourceID: one, Day: 5}}) {
		t.Errorf("%v are due", places)
	}
	if places := rig.places(t, rollup.Due{Stage: rollup.Bare, Before: 9, Limit: 10}, one, two); !slices.Equal(places, []rollup.Place{{SourceID: one, Day: 4}}) {
		t.Errorf("%v are due as bare", places)
	}
	if err := rig.Erase(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	if places := rig.places(t, rollup.Due{Stage: rollup.Whole, Before: 99, Limit: 10}, two); len(places) != 0 {
		t.Errorf("%v of an erased source are due", places)
	}
}

// write stores readings of a source, an hour apart.
func (rig RollupsRig) write(t *testing.T, source uuid.UUID, from time.Time, count int) {
	t.Helper()
	readings := make([]telemetry.Placed, count)
	for i := range readings {
		at := from.Add(time.Duration(i) * time.Hour)
		readings[i] = telemetry.Placed{Reading: telemetry.Reading{SourceID: source, Timestamp: at, ReceivedAt: at}, Position: telemetry.Position{Partition: telemetry.Direct}}
		readings[i].Values.Set(telemetry.ACPowerWatts, float64(i))
	}
	if errs := rig.Archive.Write(t.Context(), readings); errs != nil {
		t.Fatalf("writing: %v", errs)
	}
}

// left is how many readings of a source are found.
func (rig RollupsRig) left(t *testing.T, source uuid.UUID) int {
	t.Helper()
	found, err := rig.Archive.History(t.Context(), telemetry.Span{SourceID: source, Order: telemetry.OldestFirst, Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// empty deletes readings as soon as the store is ready to.
func (rig RollupsRig) empty(t *testing.T, source uuid.UUID, from, to int32) int64 {
	t.Helper()
	var deleted int64
	for deadline := time.Now().Add(20 * time.Second); ; waitMillisecond(t) {
		some, done, err := rig.Store.Empty(t.Context(), source, from, to)
		if err != nil {
			t.Fatalf("deleting readings: %v", err)
		}
		if deleted += some; done {
			return deleted
		}
		if time.Now().After(deadline) {
			t.Fatal("the readings are not deleted")
		}
	}
}

func (rig RollupsRig) emptied(t *testing.T) {
	one, two := newSource(), newSource()
	begin := time.UnixMilli(rollup.Start(19_000)).UTC()
	rig.write(t, one, begin, 4*24)
	rig.write(t, two, begin, 24)
	rig.write(t, one, begin.Add(-time.Millisecond), 1)
	if deleted := rig.empty(t, one, 19_001, 19_002); deleted != 48 {
		t.Errorf("%d readings of two days are deleted", deleted)
	}
	if left := rig.left(t, one); left != 49 {
		t.Errorf("%d readings are left, want 49", left)
	}
	if left := rig.left(t, two); left != 24 {
		t.Errorf("the other source has %d readings", left)
	}
	if deleted := rig.empty(t, one, 19_001, 19_002); deleted != 0 {
		t.Errorf("%d readings are deleted twice", deleted)
	}
	if deleted := rig.empty(t, newSource(), 19_001, 19_002); deleted != 0 {
		t.Errorf("%d readings of nobody are deleted", deleted)
	}
	if deleted := rig.empty(t, one, 19_000, 19_000); deleted != 24 {
		t.Errorf("%d readings of the first day are deleted", deleted)
	}
}

func (rig RollupsRig) marked(t *testing.T) {
	source := newSource()
	rig.write(t, source, time.UnixMilli(rollup.Start(19_000)), 48)
	for _, day := range []int32{18_000, 19_001} {
		rig.raise(t, 0, rollup.Mark{SourceID: source, Day: day, Slot: rollup.AtOnce})
		deleted, done, err := rig.Store.Empty(t.Context(), source, 19_000, 19_001)
		if err != nil || done || deleted != 0 || rig.left(t, source) != 48 {
			t.Fatalf("with a mark of day %d: %d are deleted, %v, %v, and %d are left", day, deleted, done, err, rig.left(t, source))
		}
		rig.clear(t)
	}
	rig.raise(t, 0, rollup.Mark{SourceID: source, Day: 19_002, Slot: rollup.AtOnce})
	if deleted := rig.empty(t, source, 19_000, 19_001); deleted != 48 {
		t.Errorf("%d are deleted", deleted)
	}
}

// emptiedMeanwhile writes readings of days that are being emptied: each is marked
// before, as writers do, and none may go.
func (rig RollupsRig) emptiedMeanwhile(t *testing.T) {
	source := newSource()
	begin := time.UnixMilli(rollup.Start(19_000))
	var stop atomic.Bool
	ended := make(chan error, 1)
	go func() {
		for !stop.Load() {
			if _, _, err := rig.Store.Empty(t.Context(), source, 19_000, 19_009); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	for i := range 40 {
		rig.raise(t, settled, rollup.Mark{SourceID: source, Day: 19_000, Slot: 1})
		rig.write(t, source, begin.Add(time.Duration(i)*time.Minute), 1)
	}
	stop.Store(true)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if left := rig.left(t, source); left != 40 {
		t.Errorf("%d of 40 readings are left", left)
	}
}
