package rollup_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/energy"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	service "ampra/modules/telemetry/rollup"
)

func berlin(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func production(t *testing.T, r *rig, sources []sunsource.SunSource, res energy.Resolution, from, to time.Time) []int64 {
	t.Helper()
	var sums []int64
	for _, source := range sources {
		buckets, err := r.service.Energy(t.Context(), source, berlin(t), res, from, to)
		if err != nil {
			t.Fatal(err)
		}
		if sums == nil {
			sums = make([]int64, len(buckets))
		}
		for i, b := range buckets {
			sums[i] += b.Energy[energy.Production].MilliwattHours
		}
	}
	return sums
}

func TestALateReadingChangesTheBucketsItTouchesAndNoOthers(t *testing.T) {
	t.Parallel()
	r, source := newRig(), sunsource.SunSource{ID: uuid.New()}
	from, to := begin().In(berlin(t)), begin().Add(72*time.Hour)
	all := readings(source.ID, from.Add(-2*time.Hour), to, 10*time.Minute)
	late := all[100]
	late.Values.Set(telemetry.EnergyTotalKwh, 1014.72) // a little more than in proportion
	r.store1(t, append(all[:100:100], all[101:]...)...)
	r.settle(t)
	ask := func() []int64 {
		return production(t, r, []sunsource.SunSource{source}, energy.Hour, from, to)
	}
	before := ask()
	r.store1(t, late)
	at := late.Timestamp.Sub(from.Truncate(time.Hour))
	for _, when := range []string{"at once", "rolled up"} {
		after := ask()
		if len(after) != len(before) {
			t.Fatalf("%d buckets, %d before", len(after), len(before))
		}
		var changed []int
		for i := range after {
			if after[i] != before[i] {
				changed = append(changed, i)
			}
		}
		for _, i := range changed {
			start := from.Add(time.Duration(i) * time.Hour)
			if d := late.Timestamp.Sub(start); d < -time.Hour || d > 2*time.Hour {
				t.Errorf("%s the hour from %v changed, of a reading at %v (%v)", when, start, late.Timestamp, at)
			}
		}
		if len(changed) > 2 {
			t.Errorf("%s %d hours changed", when, len(changed))
		}
		r.settle(t)
		r.check(t, source.ID)
	}
}

func TestManySourcesAddUpAlsoWithWhatIsNotRolledUpYet(t *testing.T) {
	t.Parallel()
	r := newRig()
	var sources []sunsource.SunSource
	for range 120 {
		source := sunsource.SunSource{ID: uuid.New()}
		sources = append(sources, source)
		r.store1(t, readings(source.ID, begin().Add(-26*time.Hour), begin().Add(5*time.Hour), 15*time.Minute)...)
	}
	r.settle(t)
	r.clock.Set(begin().Add(7 * time.Hour))
	for _, source := range sources[:100] {
		r.store1(t, readings(source.ID, begin().Add(5*time.Hour), begin().Add(7*time.Hour), 15*time.Minute)...)
	}
	before := r.archive.ReadFaults.Calls()
	summary, err := r.service.Summary(t.Context(), sources, berlin(t))
	if err != nil {
		t.Fatal(err)
	}
	if calls := r.archive.ReadFaults.Calls() - before; calls > 2*len(sources) {
		t.Errorf("%d reads of raw readings for %d sources", calls, len(sources))
	}
	var want int64
	for _, n := range production(t, r, sources, energy.DayOf, r.clock.Now(), r.clock.Now().Add(1)) {
		want += n
	}
	got := summary.Today.Energy[energy.Production].MilliwattHours
	if want == 0 || got != want {
		t.Errorf("today they made %d mWh, want %d", got, want)
	}
	if power := summary.Now[telemetry.ACPowerWatts]; power == nil || power.Value != 100*1000 {
		t.Errorf("now they make %v W, want those of the 100 that are heard", power)
	}
}

func TestWhatIsNowIsTheNewestOfEachField(t *testing.T) {
	t.Parallel()
	r, source := newRig(), sunsource.SunSource{ID: uuid.New()}
	old, newer, newest := reading(source.ID, begin()), reading(source.ID, begin().Add(time.Hour)), reading(source.ID, begin().Add(26*time.Hour))
	old.Values.Set(telemetry.LoadTotalKwh, 5)
	newer.Values.Set(telemetry.LoadPowerWatts, 7)
	newest.Values = telemetry.Values{}
	newest.Values.Set(telemetry.LoadPowerWatts, 9)
	r.store1(t, old, newer, newest)
	r.clock.Set(begin().Add(27 * time.Hour))
	summary, err := r.service.Summary(t.Context(), []sunsource.SunSource{source}, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if m := summary.Now[telemetry.LoadPowerWatts]; m == nil || *m != (service.Measured{Value: 9, At: newest.Timestamp}) {
		t.Errorf("the load is %v", m)
	}
	if m := summary.Now[telemetry.LoadTotalKwh]; m != nil {
		t.Errorf("what is older than a day is %v", m)
	}
}
