package rollup_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/energy"
	"ampra/core/rollup"
	"ampra/core/series"
	"ampra/core/telemetry"
	service "ampra/modules/telemetry/rollup"
)

const day = 24 * time.Hour

// keeper lets go of readings after 30 days, of slots after 60, and of rows.
func (r *rig) keeper(t *testing.T, rows time.Duration) *service.Keeper {
	t.Helper()
	r.store.Archive = &r.archive
	if err := r.rebuild(nil).Backfill(t.Context(), time.Millisecond, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	return service.NewKeeper(service.KeeperConfig{Raw: 30 * day, Minutes: 60 * day, Hours: rows, Every: time.Hour, Batch: 3}, service.KeeperDeps{
		Store: &r.store, Clock: r.clock, Failed: func(err error) { t.Error(err) }, Kept: func(service.Kept) {},
	})
}

// keep does a round.
func keep(t *testing.T, k *service.Keeper) service.Kept {
	t.Helper()
	kept, err := k.Round(t.Context())
	if err != nil {
		t.Fatalf("letting go: %v", err)
	}
	return kept
}

// later lets time pass, of which nothing is heard.
func (r *rig) later(t *testing.T, d time.Duration) {
	t.Helper()
	r.advance(d)
	r.roll(t)
}

func (r *rig) days(t *testing.T, source uuid.UUID) []rollup.Day {
	t.Helper()
	days, incomplete, err := r.service.Days(t.Context(), source, math.MinInt32, math.MaxInt32, rollup.All)
	if err != nil || len(incomplete) != 0 {
		t.Fatalf("asking for days: %v incomplete, %v", incomplete, err)
	}
	return days
}

func (r *rig) raw(t *testing.T, source uuid.UUID) int {
	t.Helper()
	found, err := r.archive.History(t.Context(), telemetry.Span{SourceID: source, Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// produced is a source's production in kWh by day, and in all.
func produced(t *testing.T, days []rollup.Day) (by map[int32]float64, all float64) {
	t.Helper()
	return told(t, days, energy.Production)
}

// told is a channel's energy in kWh by day, and in all.
func told(t *testing.T, days []rollup.Day, c energy.Channel) (by map[int32]float64, all float64) {
	t.Helper()
	digests := make([]energy.Day, len(days))
	for i, d := range days {
		var err error
		if digests[i], err = energy.ParseDay(d.Energy); err != nil {
			t.Fatal(err)
		}
	}
	by = map[int32]float64{}
	from, to := begin().AddDate(-6, 0, 0), begin().AddDate(1, 0, 0)
	for _, b := range energy.Buckets(digests, time.UTC, energy.DayOf, from, to) {
		if a := b.Energy[c]; a.Known {
			by[rollup.DayOf(b.Start.UnixMilli())] = a.Kwh()
			all += a.Kwh()
		}
	}
	return by, all
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

func TestYearsThatAreImportedAreRolledUpBeforeTheirReadingsGo(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	k := r.keeper(t, 0)
	old := begin().Add(-5 * 365 * day)
	r.store1(t, readings(source, old, old.Add(4*day), 10*time.Minute)...)
	if kept := keep(t, k); kept != (service.Kept{}) || r.raw(t, source) != 4*144 {
		t.Fatalf("before they are rolled up it did %+v", kept)
	}
	r.settle(t)
	r.check(t, source)
	want := r.days(t, source)
	r.later(t, service.Quiet-time.Hour)
	if kept := keep(t, k); kept != (service.Kept{}) {
		t.Fatalf("within a week it did %+v", kept)
	}
	r.later(t, time.Hour)
	if kept := keep(t, k); kept.Sealed != 4 || kept.Readings != 4*144 || kept.Emptied != 4 || r.raw(t, source) != 0 {
		t.Fatalf("a week later it did %+v, and %d readings are left", kept, r.raw(t, source))
	}
	got := r.days(t, source)
	for i := range got { // five years are beyond slots and rows, too
		got[i].Minutes = want[i].Minutes
	}
	compare(t, "kept", got, want)
}

func TestWhatIsOldGoesStageByStage(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	k := r.keeper(t, 90*day)
	r.store1(t, readings(source, begin(), begin().Add(3*day), 10*time.Minute)...)
	r.settle(t)
	want := r.days(t, source)
	for _, step := range []struct {
		age     time.Duration // of the first day's end
		stage   rollup.Stage
		minutes bool
		rows    int
	}{
		{29 * day, rollup.Whole, true, 3},
		{30 * day, rollup.Bare, true, 3},
		{59 * day, rollup.Bare, true, 3},
		{60 * day, rollup.Coarse, false, 3},
		{89 * day, rollup.Coarse, false, 3},
		{90 * day, rollup.Coarse, true, 2},
	} {
		r.later(t, begin().Add(day+step.age).Sub(r.clock.Now()))
		for range 2 {
			keep(t, k)
		}
		got := r.days(t, source)
		if len(got) != step.rows {
			t.Fatalf("after %v there are %d rows, want %d", step.age, len(got), step.rows)
		}
		first := got[0]
		if step.rows == 3 && (first.Stage != step.stage || len(first.Minutes) > 0 != step.minutes ||
			string(first.Hours) != string(want[0].Hours) || string(first.Energy) != string(want[0].Energy)) {
			t.Errorf("after %v the day is at stage %d, and its slots or energies are not as they should be", step.age, first.Stage)
		}
	}
}

func TestALateReadingFillsWhatNothingToldOfAndGoesAWeekLater(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	k := r.keeper(t, 0)
	quiet := func(from, to time.Duration) []telemetry.Reading {
		list := readings(source, begin().Add(from), begin().Add(to), 10*time.Minute)
		for i := range list {
			list[i].Values = telemetry.Values{}
			list[i].Values.Set(telemetry.ACPowerWatts, 1000)
		}
		return list
	}
	r.store1(t, append(quiet(6*time.Hour, 9*time.Hour), quiet(15*time.Hour, 18*time.Hour)...)...)
	r.store1(t, quiet(3*day, 3*day+6*time.Hour)...)
	r.settle(t)
	r.later(t, 40*day)
	if kept := keep(t, k); kept.Sealed != 2 {
		t.Fatalf("it did %+v", kept)
	}
	before, total := produced(t, r.days(t, source))
	r.store1(t, quiet(8*time.Hour, 16*time.Hour)...)
	asked := r.days(t, source)
	after, more := produced(t, asked)
	number := rollup.DayOf(begin().UnixMilli())
	if after[number] <= before[number]+5 || after[number] > 12.5 || !near(more-total, after[number]-before[number]) {
		t.Errorf("%v kWh of the day became %v, in all %v became %v", before[number], after[number], total, more)
	}
	r.settle(t)
	compare(t, "filled", r.days(t, source), asked)
	minutes, err := series.ParseDay(asked[0].Minutes, series.AllFields)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Duration]int64{8 * time.Hour: 1, 12 * time.Hour: 1, 20 * time.Hour: 0} {
		if stat := minutes.Stat(telemetry.ACPowerWatts, int(at/(5*time.Minute))); stat.Count != want {
			t.Errorf("at %v there are %d values, want %d", at, stat.Count, want)
		}
	}
	if keep(t, k); r.raw(t, source) != 48 {
		t.Errorf("%d late readings are left, want them for a week", r.raw(t, source))
	}
	r.store1(t, quiet(8*time.Hour, 16*time.Hour)...) // the same once more
	r.settle(t)
	compare(t, "filled twice", r.days(t, source), asked)
	r.later(t, service.Quiet)
	if kept := keep(t, k); kept.Readings != 48 || r.raw(t, source) != 0 {
		t.Errorf("a week later it did %+v, and %d are left", kept, r.raw(t, source))
	}
	got := r.days(t, source)
	for i := range got {
		got[i].Minutes = asked[i].Minutes
	}
	compare(t, "left", got, asked)
}

// twin is a rig in which nothing is ever deleted.
func (r *rig) twin(t *testing.T, source uuid.UUID, parts ...[]telemetry.Reading) []rollup.Day {
	t.Helper()
	other := newRig()
	for _, part := range parts {
		other.store1(t, part...)
	}
	other.settle(t)
	return other.days(t, source)
}

func TestWhatComesBehindAllThatIsSealedCountsAsIfNothingWereDeleted(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	k := r.keeper(t, 0)
	first := readings(source, begin(), begin().Add(2*day-8*time.Hour), 10*time.Minute)
	rest := readings(source, begin().Add(2*day-8*time.Hour), begin().Add(4*day), 10*time.Minute)
	r.store1(t, first...)
	r.settle(t)
	r.later(t, 35*day)
	if kept := keep(t, k); kept.Sealed != 2 || r.raw(t, source) != 0 {
		t.Fatalf("it did %+v", kept)
	}
	r.store1(t, rest...)
	r.settle(t)
	compare(t, "continued", r.days(t, source), r.twin(t, source, first, rest))
}

func TestADayBetweenSealedDaysTellsNoEnergyTwice(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	k := r.keeper(t, 0)
	drawing := func(from, to time.Duration) []telemetry.Reading { // 500 W from a grid without a counter
		list := readings(source, begin().Add(from), begin().Add(to), 10*time.Minute)
		for i := range list {
			list[i].Values.Set(telemetry.GridPowerWatts, 500)
		}
		return list
	}
	r.store1(t, drawing(0, 2*day)...)
	r.store1(t, drawing(5*day, 7*day)...)
	r.settle(t)
	r.later(t, 40*day)
	if kept := keep(t, k); kept.Sealed != 4 {
		t.Fatalf("it did %+v", kept)
	}
	_, before := produced(t, r.days(t, source))
	r.store1(t, drawing(2*day, 5*day)...)
	for range 3 {
		r.settle(t)
	}
	if marks := r.marks(t, source); len(marks) != 0 {
		t.Errorf("%v are left", marks)
	}
	days := r.days(t, source)
	_, after := produced(t, days)
	if len(days) != 7 || !near(before, after) || before < 7*24-1 {
		t.Errorf("of %d days %v kWh became %v", len(days), before, after)
	}
	if drawn, _ := told(t, days, energy.GridImport); math.Abs(drawn[days[3].Day]-12) > 0.3 {
		t.Errorf("the late day drew %v kWh", drawn[days[3].Day])
	}
	hours, err := series.ParseDay(days[3].Hours, series.AllFields)
	if err != nil || hours.Stat(telemetry.ACPowerWatts, 12).Count != 6 {
		t.Errorf("the late day's hours are %+v, %v", hours.Stat(telemetry.ACPowerWatts, 12), err)
	}
	digest, err := energy.ParseDay(days[3].Energy)
	if err != nil || digest.Readings() != 144 {
		t.Errorf("the late day has %d readings, %v", digest.Readings(), err)
	}
	r.later(t, service.Quiet)
	keep(t, k)
	if r.raw(t, source) != 0 {
		t.Errorf("%d readings are left", r.raw(t, source))
	}
	if _, again := produced(t, r.days(t, source)); !near(again, before) {
		t.Errorf("%v kWh became %v", before, again)
	}
}

func TestHistoryBeforeAllThatIsSealedCountsInFull(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	k := r.keeper(t, 0)
	live := readings(source, begin(), begin().Add(2*day), 10*time.Minute)
	r.store1(t, live...)
	r.settle(t)
	r.later(t, 40*day)
	if kept := keep(t, k); kept.Sealed != 2 {
		t.Fatalf("it did %+v", kept)
	}
	history := readings(source, begin().Add(-10*day), begin(), 10*time.Minute)
	r.store1(t, history[:700]...)
	r.settle(t)
	r.store1(t, history[700:]...)
	for range 3 {
		r.settle(t)
	}
	got, _ := produced(t, r.days(t, source))
	want, _ := produced(t, r.twin(t, source, history, live))
	for number, kwh := range want {
		// What was gained between both, over ten minutes, no row tells of.
		if diff := math.Abs(got[number] - kwh); diff > 0.2 {
			t.Errorf("day %d has %v kWh, want %v", number, got[number], kwh)
		}
	}
}

func TestACrashAnywhereBetweenSealingAndDeletingIsMadeUpFor(t *testing.T) {
	t.Parallel()
	away := errors.New("killed")
	for name, fail := range map[string]func(r *rig){
		"before an act": func(r *rig) { r.store.KeepFaults.FailNext(1, away) },
		"after an act":  func(r *rig) { r.store.KeepFaults.LoseAnswers(1, away) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for acts, failed := 0, true; failed; acts++ {
				r, source := newRig(), uuid.New()
				k := r.keeper(t, 0)
				r.store1(t, readings(source, begin(), begin().Add(3*day), 10*time.Minute)...)
				r.settle(t)
				want := r.days(t, source)
				r.later(t, 35*day)
				r.store.KeepFaults.PassNext(acts)
				fail(r)
				_, err := k.Round(t.Context())
				if failed = err != nil; !failed && acts < 7 {
					t.Fatalf("a round takes %d acts", acts)
				}
				compare(t, "kept", r.days(t, source), want)
				keep(t, k)
				if r.raw(t, source) != 0 {
					t.Errorf("%d readings are left", r.raw(t, source))
				}
				compare(t, "kept in the end", r.days(t, source), want)
			}
		})
	}
}

func TestADayThatIsMarkedKeepsItsReadingsAndThoseBehindIt(t *testing.T) {
	t.Parallel()
	r, source, other := newRig(), uuid.New(), uuid.New()
	k := r.keeper(t, 0)
	r.store1(t, readings(source, begin(), begin().Add(6*day), time.Hour)...)
	r.store1(t, readings(other, begin(), begin().Add(day), time.Hour)...)
	r.settle(t)
	r.advance(35 * day)
	r.store1(t, reading(source, begin().Add(day+time.Minute)))
	if kept := keep(t, k); kept.Sealed != 2 || kept.Readings != 48 || r.raw(t, source) != 5*24+1 {
		t.Errorf("it did %+v, and %d readings are left", kept, r.raw(t, source))
	}
	r.settle(t)
	if kept := keep(t, k); kept.Sealed != 0 {
		t.Errorf("what was saved just now is let go: %+v", kept)
	}
	r.later(t, service.Quiet)
	if keep(t, k); r.raw(t, source) != 0 {
		t.Errorf("%d readings are left", r.raw(t, source))
	}
}

func TestNothingIsDeletedBeforeWhatWasThereIsMarked(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	r.store.Archive = &r.archive
	k := service.NewKeeper(service.KeeperConfig{Raw: day, Batch: 10}, service.KeeperDeps{Store: &r.store, Clock: r.clock})
	r.store1(t, readings(source, begin(), begin().Add(day), time.Hour)...)
	r.settle(t)
	r.later(t, 35*day)
	if kept := keep(t, k); kept != (service.Kept{}) {
		t.Errorf("it did %+v", kept)
	}
	r.keeper(t, 0)
	if kept := keep(t, k); kept.Emptied != 1 || kept.Coarsened+kept.Removed != 0 {
		t.Errorf("then it did %+v", kept)
	}
}

func TestReadingsInOrderComeToTheSameWhateverIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 9)) //nolint:gosec // drawn again from its seed
		r, source := newRig(), uuid.New()
		k := r.keeper(t, 0)
		all := readings(source, begin(), begin().Add(50*day), time.Hour)
		for i := range all {
			if random.IntN(4) == 0 {
				all[i].Values = telemetry.Values{}
				all[i].Values.Set(telemetry.ACPowerWatts, float64(random.IntN(5000)))
			}
		}
		rest := all
		for len(rest) > 0 {
			n := min(len(rest), 1+random.IntN(40))
			r.advance(rest[n-1].Timestamp.Sub(r.clock.Now()))
			r.store1(t, rest[:n]...)
			rest = rest[n:]
			if random.IntN(2) == 0 {
				r.roll(t)
				keep(t, k)
			}
		}
		r.settle(t)
		if r.raw(t, source) > 40*24 {
			t.Errorf("seed %d: %d readings are left", seed, r.raw(t, source))
		}
		compare(t, "kept", r.days(t, source), r.twin(t, source, all))
	}
}

func TestADayThatIsSealedWhileTheOneBeforeItIsRolledUpTellsNothingTwice(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	k := r.keeper(t, 0)
	r.store1(t, readings(source, begin(), begin().Add(day), 10*time.Minute)...)
	r.store1(t, readings(source, begin().Add(2*day), begin().Add(3*day), 10*time.Minute)...)
	r.settle(t)
	r.later(t, 35*day)
	_, before := produced(t, r.days(t, source))
	r.store1(t, readings(source, begin().Add(day), begin().Add(2*day), 10*time.Minute)...)
	r.advance(3 * slot)
	calls := r.archive.ReadFaults.Calls()
	release := r.archive.ReadFaults.Block()
	ended := make(chan error, 1)
	go func() {
		_, err := r.roller.Round(t.Context())
		ended <- err
	}()
	for r.archive.ReadFaults.Calls() == calls {
		<-time.After(time.Millisecond)
	}
	// The keeper would wait for the mark; one that looked before it was raised does not.
	for _, row := range r.stored(t, source) {
		if row.Day != rollup.DayOf(begin().Add(day).UnixMilli()) {
			if err := r.store.Advance(t.Context(), row, rollup.Sealed); err != nil {
				t.Fatal(err)
			}
		}
	}
	release()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.settle(t)
	}
	if _, after := produced(t, r.days(t, source)); !near(before, after) {
		t.Errorf("%v kWh became %v", before, after)
	}
	r.later(t, service.Quiet)
	keep(t, k)
	if _, after := produced(t, r.days(t, source)); !near(before, after) || r.raw(t, source) != 0 {
		t.Errorf("%v kWh became %v, and %d readings are left", before, after, r.raw(t, source))
	}
}

// stored are the rows as they are stored.
func (r *rig) stored(t *testing.T, source uuid.UUID) []rollup.Day {
	t.Helper()
	days, err := r.store.Load(t.Context(), []uuid.UUID{source}, math.MinInt32, math.MaxInt32, rollup.None)
	if err != nil {
		t.Fatal(err)
	}
	return days
}
