package rollup_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/rollup"
	"ampra/core/telemetry"
)

func (r *rig) marks(t *testing.T, source uuid.UUID) []rollup.Mark {
	t.Helper()
	marks, err := r.store.Waiting(t.Context(), []uuid.UUID{source}, math.MinInt32, math.MaxInt32)
	if err != nil {
		t.Fatal(err)
	}
	return marks
}

func TestWhatIsWrittenIsAnsweredAtOnceAndStoredOnceItHasSettled(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	r.store1(t, readings(source, begin().Add(-30*time.Hour), begin().Add(3*time.Hour), 5*time.Minute)...)
	r.check(t, source)
	if rolled := r.roll(t); len(rolled) != 0 {
		t.Errorf("%d days were rolled up before their marks had settled", len(rolled))
	}
	if rolled := r.settle(t); len(rolled) != 3 {
		t.Errorf("%d days were rolled up, want 3", len(rolled))
	}
	if marks := r.marks(t, source); len(marks) != 0 {
		t.Errorf("%v are left", marks)
	}
	r.check(t, source)
}

func TestASourceThatSendsInOrderIsRolledUpWithoutFoldingAnythingTwice(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	total := 0
	for at := begin(); at.Before(begin().Add(20 * time.Hour)); at = at.Add(time.Minute) {
		r.advance(time.Minute)
		r.store1(t, reading(source, at))
		for _, one := range r.roll(t) {
			total += one.Readings
			if one.Refolded && one.Readings > 40 {
				t.Fatalf("at %v a day was folded from its start: %d readings", at, one.Readings)
			}
		}
	}
	for _, one := range r.settle(t) {
		total += one.Readings
	}
	if total != 20*60 {
		t.Errorf("%d readings were read, want each of %d once", total, 20*60)
	}
	r.check(t, source)
}

func TestALateReadingRepairsItsDayAndWhatFollowsFromIt(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	r.store1(t, readings(source, begin(), begin().Add(72*time.Hour), 10*time.Minute)...)
	r.settle(t)
	late := reading(source, begin().Add(30*time.Hour+time.Minute))
	late.Values.Set(telemetry.ACPowerWatts, 5000)
	r.store1(t, late)
	r.check(t, source)
	r.settle(t)
	r.check(t, source)
}

func TestACrashBetweenMarkAndWriteLeavesAHarmlessMark(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	r.archive.FailNext(1, errors.New("killed"))
	if err := r.write(t, r.writer, reading(source, begin())); err == nil {
		t.Fatal("the write did not fail")
	}
	if len(r.marks(t, source)) != 1 {
		t.Fatal("there is no mark")
	}
	r.settle(t)
	if marks := r.marks(t, source); len(marks) != 0 {
		t.Errorf("%v are left", marks)
	}
	r.check(t, source)
}

func TestACrashBetweenWriteAndAnswerIsRolledUp(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	r.archive.LoseAnswers(1, errors.New("killed"))
	if err := r.write(t, r.writer, readings(source, begin(), begin().Add(time.Hour), time.Minute)...); err == nil {
		t.Fatal("the write did not fail")
	}
	r.check(t, source)
	if rolled := r.settle(t); len(rolled) != 1 {
		t.Errorf("%d days were rolled up", len(rolled))
	}
	r.check(t, source)
}

func TestARollerThatIsKilledBeforeItDropsItsMarksIsMadeUpFor(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(r *rig){
		"before it saves":          func(r *rig) { r.store.SaveFaults.FailNext(1, errors.New("killed")) },
		"after it saved":           func(r *rig) { r.store.SaveFaults.LoseAnswers(1, errors.New("killed")) },
		"before it marks the next": func(r *rig) { r.store.FailNext(1, errors.New("killed")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, source := newRig(), uuid.New()
			r.store1(t, readings(source, begin(), begin().Add(72*time.Hour), 10*time.Minute)...)
			r.settle(t)
			late := reading(source, begin().Add(24*time.Hour-time.Minute))
			r.store1(t, late)
			r.advance(3 * slot)
			fail(r)
			_, _ = r.roller.Round(t.Context())
			r.check(t, source)
			r.advance(2 * time.Minute) // the lease
			r.roll(t)
			if marks := r.marks(t, source); len(marks) != 0 {
				t.Errorf("%v are left", marks)
			}
			r.check(t, source)
		})
	}
}

func TestAMarkThatNobodyCanPutDownKeepsReadingsOutOfTheArchive(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	r.store.FailNext(1, errors.New("away"))
	if err := r.write(t, r.writer, reading(source, begin())); err == nil {
		t.Fatal("the write did not fail")
	}
	if r.archive.Len() != 0 {
		t.Error("a reading was written without a mark")
	}
	r.store1(t, reading(source, begin()))
	if len(r.marks(t, source)) != 1 {
		t.Error("what failed to be marked is thought to be")
	}
}

func TestAWriteThatOutlastsItsMarkMarksAgain(t *testing.T) {
	t.Parallel()
	for name, pass := range map[string]func(r *rig){
		"by both clocks":                 func(r *rig) { r.advance(3 * slot) },
		"while the machine was asleep":   func(r *rig) { r.clock.Advance(3 * slot) },
		"and the clock was set back":     func(r *rig) { r.clock.Advance(-3 * slot) },
		"and the clock was set back far": func(r *rig) { r.steady.Advance(3 * slot); r.clock.Advance(-time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, source := newRig(), uuid.New()
			release := r.archive.Block()
			written := make(chan error, 1)
			go func() { written <- r.write(t, r.writer, reading(source, begin())) }()
			for len(r.marks(t, source)) == 0 {
				<-time.After(time.Millisecond)
			}
			pass(r)
			r.store.Clock = r.steady
			r.steady.Advance(3 * slot) // the store's own time
			r.roll(t)
			if marks := r.marks(t, source); len(marks) != 0 {
				t.Fatalf("the mark was not taken: %v", marks)
			}
			release()
			if err := <-written; err != nil {
				t.Fatal(err)
			}
			if len(r.marks(t, source)) != 1 {
				t.Error("what was written after its mark was taken is not marked")
			}
			r.steady.Advance(3 * slot)
			r.roll(t)
			r.check(t, source)
		})
	}
}

func TestAMarkRaisedWhileItsDayIsRolledUpStays(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	r.store1(t, readings(source, begin(), begin().Add(6*time.Hour), 10*time.Minute)...)
	r.advance(3 * slot)
	release := r.archive.ReadFaults.Block()
	rolled := make(chan error, 1)
	go func() {
		_, err := r.roller.Round(t.Context())
		rolled <- err
	}()
	for len(r.store.Free()) > 0 {
		<-time.After(time.Millisecond)
	}
	r.store1(t, reading(source, begin().Add(time.Hour+time.Minute)))
	release()
	if err := <-rolled; err != nil {
		t.Fatal(err)
	}
	if len(r.marks(t, source)) == 0 {
		t.Error("the mark is gone")
	}
	r.check(t, source)
	r.settle(t)
	r.check(t, source)
}

func TestTwoRollersWithOneDayComeToTheSame(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	for range 8 {
		r.store1(t, readings(source, begin(), begin().Add(30*time.Hour), 7*time.Minute)...)
		r.advance(slot)
	}
	r.advance(3 * slot)
	release := r.archive.ReadFaults.Block()
	ended := make(chan error, 2)
	round := func() {
		_, err := r.roller.Round(t.Context())
		ended <- err
	}
	go round()
	for len(r.store.Free()) > 0 {
		<-time.After(time.Millisecond)
	}
	r.advance(2 * time.Minute) // the lease of the first is over
	go round()
	for len(r.store.Free()) > 0 {
		<-time.After(time.Millisecond)
	}
	release()
	for range 2 {
		if err := <-ended; err != nil {
			t.Errorf("rolling: %v", err)
		}
	}
	r.advance(2 * time.Minute)
	r.roll(t)
	r.check(t, source)
}

func TestADeletedSourceIsNotRolledUp(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	r.store1(t, readings(source, begin(), begin().Add(time.Hour), time.Minute)...)
	r.mu.Lock()
	r.dead[source] = true
	r.mu.Unlock()
	if rolled := r.settle(t); len(rolled) != 0 || len(r.marks(t, source)) != 0 {
		t.Errorf("%d days were rolled up, and %v are left", len(rolled), r.marks(t, source))
	}
}

func TestReadingsInAnyOrderAndPartsComeToTheSameThroughAnyRollers(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 6)) //nolint:gosec // drawn again from its seed
		r, source := newRig(), uuid.New()
		all := readings(source, begin().Add(-24*time.Hour), begin().Add(72*time.Hour), 11*time.Minute)
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for len(all) > 0 {
			n := min(len(all), 1+random.IntN(60))
			w := r.writer
			if random.IntN(2) == 0 {
				w = r.newWriter()
			}
			if err := r.write(t, w, all[:n]...); err != nil {
				t.Fatal(err)
			}
			if random.IntN(3) == 0 && n < len(all) { // some come twice
				n = max(0, n-5)
			}
			all = all[n:]
			r.advance(time.Duration(random.IntN(40)) * time.Minute)
			if random.IntN(2) == 0 {
				r.roll(t)
				r.check(t, source)
			}
		}
		for range 5 {
			r.settle(t)
		}
		if marks := r.marks(t, source); len(marks) != 0 {
			t.Errorf("seed %d: %v are left", seed, marks)
		}
		r.check(t, source)
	}
}
