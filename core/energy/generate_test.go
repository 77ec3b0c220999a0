package energy_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ampra/core/energy"
)

// drawSamples makes what a device with all its faults could send over some days.
func drawSamples(t *rapid.T, from time.Time, powers bool) []energy.Sample {
	at := from.UnixMilli() + rapid.Int64Range(0, 100_000_000).Draw(t, "begin")
	step := rapid.SampledFrom([]int64{10_000, 300_000, 900_000, 1_800_000, 3_600_000, 7_200_000}).Draw(t, "step")
	counters := rapid.SliceOfNDistinct(rapid.SampledFrom([]energy.Quantity{
		energy.ProductionTotal, energy.ConsumptionTotal, energy.GridImportTotal,
		energy.GridExportTotal, energy.BatteryChargeTotal, energy.DayTotal,
	}), 1, 4, rapid.ID).Draw(t, "counters")
	values := map[energy.Quantity]float64{}
	for _, q := range counters {
		values[q] = rapid.Float64Range(0, 5_000).Draw(t, "value")
	}
	samples := make([]energy.Sample, 0, 200)
	for range rapid.IntRange(1, 150).Draw(t, "readings") {
		s := energy.Sample{At: at}
		for _, q := range counters {
			shown, known := drawValue(t, values, q, step)
			if known {
				s.Set(q, shown)
			}
		}
		if powers {
			for q := energy.SolarPower; q <= energy.BatteryPower; q++ {
				if rapid.IntRange(0, 2).Draw(t, "has") > 0 {
					s.Set(q, rapid.Float64Range(-6_000, 12_000).Draw(t, "power"))
				}
			}
		}
		samples = append(samples, s)
		switch rapid.IntRange(0, 20).Draw(t, "pause") {
		case 0:
			at += rapid.Int64Range(1, 72*3_600_000).Draw(t, "silence")
		case 1:
			at += rapid.Int64Range(1, 2*step).Draw(t, "jitter")
		default:
			at += step
		}
	}
	return samples
}

// drawValue is what a counter shows: what it has, mostly.
func drawValue(t *rapid.T, values map[energy.Quantity]float64, q energy.Quantity, step int64) (float64, bool) {
	values[q] += rapid.Float64Range(0, 12).Draw(t, "kilowatts") * float64(step) / 3_600_000
	switch rapid.IntRange(0, 30).Draw(t, "fault") {
	case 0:
		return 0, true
	case 1:
		return rapid.Float64Range(0, 90_000).Draw(t, "foreign"), true
	case 2:
		values[q] = 0
	case 3:
		values[q] += rapid.Float64Range(0, 9_000).Draw(t, "exchange")
	case 4:
		return max(values[q]-0.02, 0), true
	case 5:
		return 0, false
	}
	return values[q], true
}

func encoded(t interface{ Fatal(...any) }, day energy.Day, state energy.State) ([]byte, []byte) {
	a, err := day.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestAFoldThatIsTakenUpAgainAnywhereGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		samples := drawSamples(t, time.Date(2024, 3, 30, 0, 0, 0, 0, time.UTC), true)
		again := rapid.SliceOfN(rapid.IntRange(0, len(samples)), 1, 5).Draw(t, "cuts")
		var before energy.State
		for len(samples) > 0 {
			number, count := energy.DayOfMillis(samples[0].At), 0
			whole, parts := energy.NewFolder(number, before), energy.NewFolder(number, before)
			for count < len(samples) && energy.DayOfMillis(samples[count].At) == number {
				whole.Add(samples[count])
				for _, cut := range again {
					if cut == count {
						parts = resumed(t, parts)
					}
				}
				parts.Add(samples[count])
				count++
			}
			day, after := whole.Result()
			dayBytes, stateBytes := encoded(t, day, after)
			otherDay, otherState := encoded(t, must2(parts.Result()).day, must2(parts.Result()).state)
			if !bytes.Equal(dayBytes, otherDay) || !bytes.Equal(stateBytes, otherState) {
				t.Fatalf("day %d: in parts it is\n%x %x\nnot\n%x %x", number, otherDay, otherState, dayBytes, stateBytes)
			}
			samples, before = samples[count:], after
		}
	})
}

type result struct {
	day   energy.Day
	state energy.State
}

func must2(day energy.Day, state energy.State) result { return result{day, state} }

// resumed takes a fold up again from what was stored of it.
func resumed(t *rapid.T, f *energy.Folder) *energy.Folder {
	dayBytes, stateBytes := encoded(t, must2(f.Result()).day, must2(f.Result()).state)
	day, err := energy.ParseDay(dayBytes)
	if err != nil {
		t.Fatal(err)
	}
	state, err := energy.ParseState(stateBytes)
	if err != nil {
		t.Fatal(err)
	}
	againDay, againState := encoded(t, day, state)
	if !bytes.Equal(againDay, dayBytes) || !bytes.Equal(againState, stateBytes) {
		t.Fatalf("what was stored comes back as\n%x %x\nnot\n%x %x", againDay, againState, dayBytes, stateBytes)
	}
	return energy.Resume(day, state)
}

func TestHoursAddUpToDaysMonthsYearsAndALifetimeInEveryZone(t *testing.T) {
	t.Parallel()
	zones := []string{
		"UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham", "America/St_Johns",
		"America/Havana", "Pacific/Apia", "Pacific/Kiritimati", "America/Los_Angeles", "Asia/Beirut", "Atlantic/Azores",
	}
	rapid.Check(t, func(t *rapid.T) {
		z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		begin := rapid.SampledFrom([]time.Time{
			time.Date(2024, 3, 29, 0, 0, 0, 0, time.UTC), time.Date(2024, 10, 26, 0, 0, 0, 0, time.UTC),
			time.Date(2011, 12, 28, 0, 0, 0, 0, time.UTC), time.Date(2024, 4, 5, 0, 0, 0, 0, time.UTC),
		}).Draw(t, "begin")
		days := foldAll(drawSamples(t, begin, rapid.Bool().Draw(t, "powers")))
		from, to := begin.AddDate(0, 0, -2), begin.AddDate(1, 0, 0)
		from, to = energy.Align(z, energy.Year, from, to)
		sums := map[energy.Resolution][energy.NumChannels]int64{}
		for _, res := range []energy.Resolution{energy.Hour, energy.DayOf, energy.Month, energy.Year, energy.Lifetime} {
			var sum [energy.NumChannels]int64
			end := from
			for _, b := range energy.Buckets(days, z, res, from, to) {
				if res != energy.Lifetime && !b.Start.Equal(end) {
					t.Fatalf("%s: a bucket begins at %s where the one before ended at %s", res, b.Start, end)
				}
				if end = b.End; !b.Start.Before(end) {
					t.Fatalf("%s: a bucket from %s to %s", res, b.Start, end)
				}
				if b.Coverage < 0 || b.Coverage > 1 {
					t.Fatalf("%s: coverage %f at %s", res, b.Coverage, b.Start)
				}
				for c, a := range b.Energy {
					sum[c] += a.MilliwattHours
					if a.MilliwattHours < 0 || a.Estimated < 0 || a.Estimated > a.MilliwattHours || !a.Known && (a.MilliwattHours != 0 || a.Method != energy.None) {
						t.Fatalf("%s: %s is %+v at %s", res, energy.Channel(c), a, b.Start)
					}
				}
			}
			if !end.Equal(to) {
				t.Fatalf("%s: buckets end at %s, want %s", res, end, to)
			}
			sums[res] = sum
		}
		for res, sum := range sums {
			if sum != sums[energy.DayOf] {
				t.Fatalf("%s: %v, by days %v", res, sum, sums[energy.DayOf])
			}
		}
	})
}

func lifetimes(days []energy.Day, z *time.Location) (sum [energy.NumChannels]int64) {
	from := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, b := range energy.Buckets(days, z, energy.Lifetime, from, from.AddDate(3, 0, 0)) {
		for c, a := range b.Energy {
			sum[c] += a.MilliwattHours
		}
	}
	return sum
}

func TestAReadingThatRepeatsTheCountersBeforeItChangesNoTotal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		samples := drawSamples(t, time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC), false)
		for i := range samples {
			samples[i] = without(samples[i], energy.DayTotal) // which of two production counters stands is another matter
		}
		i := rapid.IntRange(0, len(samples)-1).Draw(t, "at")
		repeat := samples[i]
		repeat.At++
		if i+1 < len(samples) && samples[i+1].At == repeat.At {
			return
		}
		with := append(append(append([]energy.Sample{}, samples[:i+1]...), repeat), samples[i+1:]...)
		a, b := lifetimes(foldAll(samples), time.UTC), lifetimes(foldAll(with), time.UTC)
		if !slices.ContainsFunc(samples, func(s energy.Sample) bool { _, ok := s.Get(energy.ConsumptionTotal); return ok }) {
			a[energy.Consumption], b[energy.Consumption] = 0, 0 // a balance, which may be known only by the repeat
		}
		if a != b {
			t.Fatalf("%v became %v", a, b)
		}
	})
}

func TestCountersComeToTheSameTotalInEveryZone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		samples := drawSamples(t, time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC), false)
		for i := range samples {
			samples[i] = without(samples[i], energy.DayTotal)
		}
		days := foldAll(samples)
		want := lifetimes(days, time.UTC)
		for _, name := range []string{"Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Los_Angeles"} {
			z, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			got := lifetimes(days, z)
			got[energy.Consumption], want[energy.Consumption] = 0, 0 // may be a balance, whose quarters even out by day
			if got != want {
				t.Fatalf("%s: %v, in UTC %v", name, got, want)
			}
		}
	})
}

// without is a sample with one quantity less.
func without(s energy.Sample, q energy.Quantity) energy.Sample {
	less := energy.Sample{At: s.At}
	for other := energy.ProductionTotal; other <= energy.BatteryPower; other++ {
		if number, ok := s.Get(other); ok && other != q {
			less.Set(other, number)
		}
	}
	return less
}
