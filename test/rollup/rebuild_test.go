package rollup_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
	service "ampra/modules/telemetry/rollup"
)

// known are all sources there are.
type known []uuid.UUID

func (k known) IDs(_ context.Context, after uuid.UUID, limit int) ([]uuid.UUID, error) {
	slices.SortFunc(k, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	var ids []uuid.UUID
	for _, id := range k {
		if bytes.Compare(id[:], after[:]) > 0 && len(ids) < limit {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (r *rig) rebuild(all known) *service.Rebuild {
	return service.NewRebuild(service.RebuildDeps{Store: &r.store, Archive: &r.archive, All: all, Progress: func(uuid.UUID, int) {}})
}

// unmarked stores readings as a version without roll-ups did.
func (r *rig) unmarked(t *testing.T, readings ...telemetry.Reading) {
	t.Helper()
	for _, reading := range readings {
		placed := telemetry.Placed{Reading: reading, Position: telemetry.Position{Partition: telemetry.Direct}}
		if errs := r.archive.Write(t.Context(), []telemetry.Placed{placed}); errs != nil {
			t.Fatal(errs)
		}
	}
}

func TestReadingsThatWereThereBeforeRollUpsAreRolledUpOnce(t *testing.T) {
	t.Parallel()
	r, one, two := newRig(), uuid.New(), uuid.New()
	r.unmarked(t, readings(one, begin(), begin().Add(50*time.Hour), 20*time.Minute)...)
	r.unmarked(t, readings(one, begin().Add(240*time.Hour), begin().Add(250*time.Hour), time.Hour)...)
	r.unmarked(t, reading(two, begin().Add(-900*24*time.Hour)))
	rebuild := r.rebuild(known{one, two, uuid.New()})
	r.archive.ReadFaults.FailNext(1, errors.New("away"))
	var failures int
	if err := rebuild.Backfill(t.Context(), time.Millisecond, func(error) { failures++ }); err != nil || failures != 1 {
		t.Fatalf("it ended with %v after %d failures", err, failures)
	}
	if rolled := r.roll(t); len(rolled) != 5 {
		t.Errorf("%d days were rolled up, want 5", len(rolled))
	}
	r.check(t, one)
	r.check(t, two)
	if err := rebuild.Backfill(t.Context(), time.Millisecond, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	if len(r.marks(t, one)) != 0 {
		t.Error("the second start marks all days again")
	}
}

func TestAnArchiveWithoutReadingsIsNotAskedForEachSource(t *testing.T) {
	t.Parallel()
	for name, blank := range map[string]bool{"blank": true, "not blank": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig()
			asked := 0
			rebuild := service.NewRebuild(service.RebuildDeps{
				Store: &r.store, Archive: &r.archive, All: known{uuid.New(), uuid.New()},
				Blank: func(context.Context) (bool, error) { return blank, nil }, Progress: func(uuid.UUID, int) { asked++ },
			})
			for range 2 {
				if err := rebuild.Backfill(t.Context(), time.Millisecond, func(err error) { t.Error(err) }); err != nil {
					t.Fatal(err)
				}
			}
			if want := map[bool]int{true: 0, false: 2}[blank]; asked != want {
				t.Errorf("%d sources were asked for, want %d", asked, want)
			}
		})
	}
}

func TestARebuildOfSomeDaysRepairsThoseAlone(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	r.store1(t, readings(source, begin(), begin().Add(96*time.Hour), 20*time.Minute)...)
	r.settle(t)
	days, err := r.rebuild(nil).Source(t.Context(), source, begin().Add(30*time.Hour), begin().Add(72*time.Hour))
	if err != nil || days != 2 {
		t.Fatalf("%d days are marked, %v, want 2", days, err)
	}
	if rolled := r.roll(t); len(rolled) != 2 || !rolled[0].Refolded {
		t.Errorf("%v were rolled up", rolled)
	}
	r.check(t, source)
}

func TestWhatIsMoreThanTheBudgetIsSaidToBePending(t *testing.T) {
	t.Parallel()
	r, source := newRig(), uuid.New()
	small := service.New(service.Config{Budget: 100}, service.Deps{Store: &r.store, Archive: &r.archive, Sources: nil, Groups: nil, Zones: nil, Clock: r.clock})
	r.store1(t, readings(source, begin(), begin().Add(48*time.Hour), 20*time.Minute)...)
	days, incomplete, err := small.Days(t.Context(), source, -1<<31, 1<<31-1, 15)
	if err != nil || len(days) != 1 || len(incomplete) != 1 {
		t.Errorf("%d days are answered and %v said to be incomplete, %v: want one of each", len(days), incomplete, err)
	}
	r.settle(t)
	days, incomplete, err = small.Days(t.Context(), source, -1<<31, 1<<31-1, 15)
	if err != nil || len(days) != 2 || len(incomplete) != 0 {
		t.Errorf("rolled up, %d days are answered and %v said to be incomplete, %v", len(days), incomplete, err)
	}
}
