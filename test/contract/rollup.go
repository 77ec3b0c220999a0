package contract

import (
	"bytes"
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/rollup"
	"ampra/core/telemetry"
)

// RollupsRig is a store of roll-ups, and the act that erases all of a source, which
// is the archive's.
type RollupsRig struct {
	Store rollup.Store
	// Archive is where the readings are that Empty deletes.
	Archive telemetry.Archive
	Erase   func(ctx context.Context, source uuid.UUID) error
}

// Rollups runs what every rollup.Store promises. open is called once; the store
// has no marks of others.
func Rollups(t *testing.T, open func(t *testing.T) RollupsRig) {
	t.Helper()
	rig := open(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"marks of one slot are one, with the earliest moment", rig.oneSlot},
		{"a mark is taken once it has settled", rig.settle},
		{"the oldest marks are taken first, up to the limit", rig.oldestFirst},
		{"a taken mark comes again after its lease", rig.lease},
		{"a mark raised while it was taken is not dropped", rig.raisedMeanwhile},
		{"who lost a mark to another drops nothing", rig.lostToAnother},
		{"takers at once get each mark once", rig.takersAtOnce},
		{"marks wait until they are dropped", rig.waiting},
		{"the backlog counts and tells its age", rig.backlog},
		{"a row comes back as it was saved", rig.roundTrip},
		{"only the parts that are asked for are loaded", rig.parts},
		{"rows are loaded by source and day", rig.load},
		{"neighbours are found over gaps", rig.neighbours},
		{"what is asked of many sources is answered by source as asked", rig.many},
		{"the last rows before a day are found, however old", rig.last},
		{"the first day is that of whichever source has it", rig.first},
		{"of two who save one revision one wins", rig.revisions},
		{"erasing removes rows and marks for ever", rig.erase},
		{"notes stay", rig.note},
		{"a row goes from stage to stage, and in the end", rig.stages},
		{"the next row that is sealed is found", rig.sealedAfter},
		{"rows that are over are listed by day, in parts", rig.dueDays},
		{"the readings of days are deleted, and no others", rig.emptied},
		{"readings stay while days up to them are marked", rig.marked},
		{"readings that are written meanwhile stay", rig.emptiedMeanwhile},
	} {
		t.Run(test.name, test.run)
	}
}

const settled = time.Hour

func (rig RollupsRig) raise(t *testing.T, settle time.Duration, marks ...rollup.Mark) {
	t.Helper()
	if err := rig.Store.Raise(t.Context(), settle, marks...); err != nil {
		t.Fatalf("raising marks: %v", err)
	}
}

func (rig RollupsRig) take(t *testing.T, limit int, lease time.Duration) []rollup.Taken {
	t.Helper()
	taken, err := rig.Store.Take(t.Context(), limit, lease)
	if err != nil {
		t.Fatalf("taking marks: %v", err)
	}
	return taken
}

func (rig RollupsRig) drop(t *testing.T, taken ...rollup.Taken) {
	t.Helper()
	if err := rig.Store.Drop(t.Context(), taken...); err != nil {
		t.Fatalf("dropping marks: %v", err)
	}
}

func (rig RollupsRig) checkWaiting(t *testing.T, source uuid.UUID, want ...rollup.Mark) {
	t.Helper()
	got, err := rig.Store.Waiting(t.Context(), []uuid.UUID{source}, math.MinInt32, math.MaxInt32)
	if err != nil {
		t.Fatalf("looking for marks: %v", err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the source's marks are %v, want %v", got, want)
	}
}

// clear drops what earlier tests left.
func (rig RollupsRig) clear(t *testing.T) {
	t.Helper()
	for {
		taken := rig.take(t, 1000, time.Minute)
		if len(taken) == 0 {
			return
		}
		rig.drop(t, taken...)
	}
}

func (rig RollupsRig) oneSlot(t *testing.T) {
	source := newSource()
	rig.raise(t, settled, rollup.Mark{SourceID: source, Day: 20000, Slot: 7, Earliest: 500}, rollup.Mark{SourceID: source, Day: -3, Slot: 7, Earliest: 9})
	rig.raise(t, settled, rollup.Mark{SourceID: source, Day: 20000, Slot: 7, Earliest: 400})
	rig.raise(t, settled, rollup.Mark{SourceID: source, Day: 20000, Slot: 7, Earliest: 600}, rollup.Mark{SourceID: source, Day: 20000, Slot: 8, Earliest: 700})
	rig.checkWaiting(t, source,
		rollup.Mark{SourceID: source, Day: -3, Slot: 7, Earliest: 9},
		rollup.Mark{SourceID: source, Day: 20000, Slot: 7, Earliest: 400},
		rollup.Mark{SourceID: source, Day: 20000, Slot: 8, Earliest: 700})
}

func (rig RollupsRig) settle(t *testing.T) {
	rig.clear(t)
	source := newSource()
	later := rollup.Mark{SourceID: source, Day: 1, Slot: 1, Earliest: 5}
	now := rollup.Mark{SourceID: source, Day: 1, Slot: rollup.AtOnce, Earliest: 6}
	rig.raise(t, settled, later, now)
	if taken := rig.take(t, 10, time.Minute); len(taken) != 1 || taken[0].Mark != now {
		t.Errorf("taken is %v, want what may be taken at once", taken)
	}
	rig.raise(t, 0, later)
	if taken := rig.take(t, 10, time.Minute); len(taken) != 1 || taken[0].Mark != later {
		t.Errorf("taken is %v, want what has settled", taken)
	}
}

func (rig RollupsRig) oldestFirst(t *testing.T) {
	rig.clear(t)
	source := newSource()
	var want []rollup.Mark
	for i := range 5 {
		m := rollup.Mark{SourceID: source, Day: int32(5 - i), Slot: 3, Earliest: int64(i)}
		rig.raise(t, 0, m)
		want = append(want, m)
		waitMillisecond(t)
	}
	var got []rollup.Mark
	for range 3 {
		for _, taken := range rig.take(t, 2, time.Minute) {
			got = append(got, taken.Mark)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("taken are %v, want %v", got, want)
	}
}

// waitMillisecond lets the store's clock go on.
func waitMillisecond(t *testing.T) {
	t.Helper()
	select {
	case <-time.After(3 * time.Millisecond):
	case <-t.Context().Done():
	}
}

func (rig RollupsRig) lease(t *testing.T) {
	rig.clear(t)
	m := rollup.Mark{SourceID: newSource(), Day: 1, Slot: 1, Earliest: 5}
	rig.raise(t, 0, m)
	if taken := rig.take(t, 10, time.Millisecond); len(taken) != 1 {
		t.Fatalf("%d marks are taken", len(taken))
	}
	var again []rollup.Taken
	for deadline := time.Now().Add(5 * time.Second); len(again) == 0 && time.Now().Before(deadline); {
		waitMillisecond(t)
		again = rig.take(t, 10, time.Minute)
	}
	if len(again) != 1 || again[0].Mark != m || again[0].Age <= 0 || again[0].Age > time.Minute {
		t.Errorf("after its lease %v is taken, want the mark again", again)
	}
	if taken := rig.take(t, 10, time.Minute); len(taken) != 0 {
		t.Errorf("%v is taken while somebody has it", taken)
	}
}

func (rig RollupsRig) raisedMeanwhile(t *testing.T) {
	rig.clear(t)
	m := rollup.Mark{SourceID: newSource(), Day: 1, Slot: 1, Earliest: 5}
	rig.raise(t, 0, m)
	taken := rig.take(t, 10, time.Minute)
	m.Earliest = 9
	rig.raise(t, 0, m)
	rig.drop(t, taken...)
	m.Earliest = 5
	rig.checkWaiting(t, m.SourceID, m)
	again := rig.take(t, 10, time.Minute)
	if len(again) != 1 {
		t.Fatalf("raised again, it is taken %d times", len(again))
	}
	rig.drop(t, again...)
	rig.checkWaiting(t, m.SourceID)
}

func (rig RollupsRig) lostToAnother(t *testing.T) {
	rig.clear(t)
	m := rollup.Mark{SourceID: newSource(), Day: 1, Slot: 1, Earliest: 5}
	rig.raise(t, 0, m)
	mine := rig.take(t, 10, 0)
	waitMillisecond(t)
	if theirs := rig.take(t, 10, time.Minute); len(mine) != 1 || len(theirs) != 1 {
		t.Fatalf("I took %v, they %v", mine, theirs)
	}
	rig.drop(t, mine...)
	rig.checkWaiting(t, m.SourceID, m)
}

func (rig RollupsRig) takersAtOnce(t *testing.T) {
	rig.clear(t)
	const marks = 60
	source := newSource()
	for i := range marks {
		rig.raise(t, 0, rollup.Mark{SourceID: source, Day: int32(i), Slot: 1})
	}
	var mu sync.Mutex
	var all []int32
	var takers sync.WaitGroup
	for range 4 {
		takers.Go(func() {
			for {
				taken, err := rig.Store.Take(t.Context(), 7, time.Minute)
				if err != nil {
					t.Errorf("taking: %v", err)
				}
				if len(taken) == 0 {
					return
				}
				mu.Lock()
				for _, m := range taken {
					all = append(all, m.Day)
				}
				mu.Unlock()
			}
		})
	}
	takers.Wait()
	all = append(all, rigDays(rig.take(t, marks, time.Minute))...) // who met others may have left some
	slices.Sort(all)
	if len(all) != marks || len(slices.Compact(all)) != marks {
		t.Errorf("%d marks were taken, want %d, each once", len(all), marks)
	}
}

func rigDays(taken []rollup.Taken) []int32 {
	var days []int32
	for _, m := range taken {
		days = append(days, m.Day)
	}
	return days
}

func (rig RollupsRig) waiting(t *testing.T) {
	rig.clear(t)
	one, two := newSource(), newSource()
	a := rollup.Mark{SourceID: one, Day: 10, Slot: 1, Earliest: 1}
	b := rollup.Mark{SourceID: one, Day: 12, Slot: 1, Earliest: 2}
	c := rollup.Mark{SourceID: two, Day: 11, Slot: 1, Earliest: 3}
	rig.raise(t, 0, c, b, a)
	taken := rig.take(t, 10, time.Minute)
	for _, ask := range []struct {
		sources  []uuid.UUID
		from, to int32
		want     []rollup.Mark
	}{
		{[]uuid.UUID{one, two}, 10, 12, []rollup.Mark{a, b, c}},
		{[]uuid.UUID{two, newSource(), one}, 10, 11, []rollup.Mark{c, a}},
		{[]uuid.UUID{one}, 11, 11, nil},
		{nil, 0, 100, nil},
	} {
		got, err := rig.Store.Waiting(t.Context(), ask.sources, ask.from, ask.to)
		if err != nil || !slices.Equal(got, ask.want) {
			t.Errorf("days %d to %d have the marks %v, %v, want %v", ask.from, ask.to, got, err, ask.want)
		}
	}
	rig.drop(t, taken...)
	rig.checkWaiting(t, one)
	rig.drop(t) // nothing
}

func (rig RollupsRig) backlog(t *testing.T) {
	rig.clear(t)
	before, err := rig.Store.Backlog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rig.raise(t, 0, rollup.Mark{SourceID: newSource(), Day: 1, Slot: 1}, rollup.Mark{SourceID: newSource(), Day: 1, Slot: 1})
	waitMillisecond(t)
	after, err := rig.Store.Backlog(t.Context())
	if err != nil || after.Marks != before.Marks+2 || after.Oldest <= 0 || after.Oldest > 5*time.Minute {
		t.Errorf("two marks made a backlog of %v out of %v, %v", after, before, err)
	}
}

// rolled is a row of a source that may be saved.
func (rig RollupsRig) rolled(t *testing.T, source uuid.UUID, day int32) rollup.Day {
	t.Helper()
	rig.raise(t, settled, rollup.Mark{SourceID: source, Day: day, Slot: 1})
	return rollup.Day{
		SourceID: source, Day: day, Through: rollup.Start(day) + 345, Before: rollup.DigestOf([]byte{byte(day)}), //nolint:gosec // small numbers
		State: []byte("state"), Energy: bytes.Repeat([]byte{0, 255, byte(day)}, 500), Minutes: bytes.Repeat([]byte{1}, 9000), Hours: []byte{}, //nolint:gosec // small numbers
	}
}

func (rig RollupsRig) save(t *testing.T, days ...rollup.Day) {
	t.Helper()
	for _, day := range days {
		if err := rig.Store.Save(t.Context(), day); err != nil {
			t.Fatalf("saving: %v", err)
		}
	}
}

func checkDay(t *testing.T, got, want rollup.Day) {
	t.Helper()
	same := got.SourceID == want.SourceID && got.Day == want.Day && got.Through == want.Through && got.Revision == want.Revision &&
		got.Before == want.Before && got.Stage == want.Stage && bytes.Equal(got.State, want.State) && bytes.Equal(got.Energy, want.Energy) &&
		bytes.Equal(got.Minutes, want.Minutes) && bytes.Equal(got.Hours, want.Hours)
	if !same {
		t.Errorf("the row is %+v, want %+v", got, want)
	}
	if age := time.Since(got.RolledAt); age < -time.Minute || age > time.Minute {
		t.Errorf("the row was saved at %v", got.RolledAt)
	}
}
