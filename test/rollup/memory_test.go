package rollup_test

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/energy"
	"ampra/core/rollup"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	service "ampra/modules/telemetry/rollup"
)

// TestWhatIsRememberedIsNeverAnythingElseThanWhatIsStored asks a service that
// remembers, and has room for less than it is asked for, and one that does not,
// while readings of two sources come in any order, are rolled up, and days are
// removed.
func TestWhatIsRememberedIsNeverAnythingElseThanWhatIsStored(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 8)) //nolint:gosec // drawn again from its seed
		r := newRig()
		remembering := func(days int) *service.Service {
			return service.New(service.Config{Budget: 60_000, Memory: days}, service.Deps{
				Store: &r.store, Archive: &r.archive, Sources: nil, Groups: nil, Zones: nil, Clock: r.clock,
			})
		}
		forgetful, mindful := remembering(0), remembering([]int{50, 1000}[seed%2])
		sources := []sunsource.SunSource{{ID: uuid.New()}, {ID: uuid.New()}}
		start := begin().Add(-48 * time.Hour)
		var all []telemetry.Reading
		for _, source := range sources {
			all = append(all, readings(source.ID, start, begin().Add(20*24*time.Hour), 47*time.Minute)...)
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for len(all) > 0 {
			n := min(len(all), 1+random.IntN(80))
			r.store1(t, all[:n]...)
			all = all[n:]
			r.advance(time.Duration(random.IntN(40)) * time.Minute)
			switch random.IntN(3) {
			case 0:
				r.roll(t)
			case 1:
				r.settle(t)
				r.removeOne(t, random, sources[0].ID)
			}
			from := start.Add(time.Duration(random.IntN(400)-30) * time.Hour)
			to := from.Add(time.Duration(random.IntN(900)) * time.Hour)
			source, res := sources[random.IntN(2)], []energy.Resolution{energy.DayOf, energy.Month, energy.Year, energy.Lifetime}[random.IntN(4)]
			got, err := mindful.Energy(t.Context(), source, berlin(t), res, from, to)
			if err != nil {
				t.Fatal(err)
			}
			want, err := forgetful.Energy(t.Context(), source, berlin(t), res, from, to)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, %s of %s to %s: remembered\n%+v\nstored\n%+v", seed, res, from, to, got, want)
			}
		}
	}
}

// removeOne removes a row that nothing is marked of, as when it was kept for long
// enough.
func (r *rig) removeOne(t *testing.T, random *rand.Rand, source uuid.UUID) {
	t.Helper()
	rows, err := r.store.Load(t.Context(), []uuid.UUID{source}, -1<<31, 1<<31-1, rollup.None)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 || len(r.marks(t, source)) > 0 {
		return
	}
	if err := r.store.Remove(t.Context(), rows[random.IntN(len(rows))]); err != nil {
		t.Fatal(err)
	}
}
