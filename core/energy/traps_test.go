package energy_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"ampra/core/energy"
)

// noon is the middle of a day like any other.
func noon() time.Time { return time.Date(2024, 6, 12, 12, 0, 0, 0, time.UTC) }

// every makes a sample of each value, so far apart; NaN is a reading without it.
func every(step time.Duration, from time.Time, q energy.Quantity, values ...float64) []energy.Sample {
	samples := make([]energy.Sample, 0, len(values))
	for i, value := range values {
		s := energy.Sample{At: from.Add(time.Duration(i) * step).UnixMilli()}
		s.Set(q, value)
		samples = append(samples, s)
	}
	return samples
}

// rise is count values that begin at from and grow by step.
func rise(from, step float64, count int) []float64 {
	values := make([]float64, count)
	for i := range values {
		values[i] = from + float64(i)*step
	}
	return values
}

// daysOf are the days from the first sample's to the last's.
func daysOf(t *testing.T, z *time.Location, samples []energy.Sample) []energy.Bucket {
	t.Helper()
	from, to := time.UnixMilli(samples[0].At), time.UnixMilli(samples[len(samples)-1].At+1)
	return energy.Buckets(foldAll(samples), z, energy.DayOf, from, to)
}

func near(got energy.Amount, kwh float64) bool { return math.Abs(got.Kwh()-kwh) < 0.000_5 }

func TestCountersWithFaultsGiveWhatWasGained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values []float64
		want   float64
		flags  []string
	}{
		"a counter that grows":                            {rise(1000, 0.1, 21), 2, nil},
		"one that stands still":                           {rise(1000, 0, 21), 0, nil},
		"a dip to zero that comes back":                   {append(rise(1000, 0.1, 11), 0, 1001.1, 1001.2), 1.2, []string{"spike"}},
		"a dip of an hour":                                {append(rise(1000, 0.1, 11), append(rise(0, 0, 12), 1001.5, 1001.6)...), 1.6, []string{"spike"}},
		"the 0 of a device that just booted":              {append([]float64{0, 0}, rise(1000, 0.1, 11)...), 1, nil},
		"a small step back":                               {[]float64{1000, 1000.1, 1000.05, 1000.08, 1000.2}, 0.2, nil},
		"another device's value mixed in":                 {append(rise(1000, 0.1, 11), 5230, 1001.1, 1001.2), 1.2, []string{"spike"}},
		"every second value another device's":             {[]float64{1000, 5230, 1000.1, 5230.2, 1000.2, 5230.3, 1000.3}, 0.3, []string{"spike"}},
		"three of another device's":                       {append(rise(1000, 0.1, 11), 5230, 5230.1, 5230.2, 1001.3), 1.5, []string{"reset", "spike"}},
		"values of an earlier day mixed in":               {append(rise(1000, 0.1, 11), 950, 1001.1, 951, 1001.2), 1.2, []string{"spike"}},
		"a meter exchanged for a higher one":              {append(rise(1000, 0.1, 11), rise(9000, 0.1, 11)...), 2, []string{"reset"}},
		"a meter exchanged for a lower one":               {append(rise(1000, 0.1, 11), rise(300, 0.1, 11)...), 2, []string{"reset"}},
		"a new device that begins at 0":                   {append(rise(1000, 0.1, 11), rise(0, 0.1, 11)...), 2, []string{"reset"}},
		"a new device whose first value is gained":        {append(rise(1000, 0.1, 11), rise(0.1, 0.1, 11)...), 2.1, []string{"reset"}},
		"a counter of five digits that runs over":         {append(rise(99999, 0.1, 10), rise(0, 0.1, 11)...), 2, []string{"reset"}},
		"a register of 16 bits that runs over":            {append(rise(6553, 0.1, 6), rise(0, 0.1, 11)...), 1.6, []string{"reset"}},
		"a counter of whole kilowatt-hours":               {[]float64{1000, 1000, 1000, 1001, 1001, 1001, 1002}, 2, nil},
		"a jump that stands alone at the end":             {append(rise(1000, 0.1, 11), 7000), 1, nil},
		"a large site that no power is known of":          {rise(1e6, 50, 21), 1000, nil},
		"a value that is no number, and a negative one":   {[]float64{1000, math.NaN(), -5, math.Inf(1), 1000.4}, 0.4, nil},
		"a meter exchanged, then the old one's once more": {append(append(rise(1000, 0.1, 11), rise(0.1, 0.1, 5)...), 1001.2), 1.7, []string{"reset", "spike"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, q := range []energy.Quantity{energy.ProductionTotal, energy.GridImportTotal, energy.BatteryDischargeTotal} {
				b := daysOf(t, time.UTC, every(5*time.Minute, noon(), q, c.values...))[0]
				got := b.Energy[q]
				if !near(got, c.want) || got.Method != energy.Counter {
					t.Errorf("%s is %.4f kWh by %q, want %.4f", energy.Channel(q), got.Kwh(), got.Method, c.want)
				}
				flags := slices.DeleteFunc(b.Flags.Names(), func(name string) bool { return name == "estimated" })
				if !slices.Equal(flags, c.flags) {
					t.Errorf("flags %v, want %v", flags, c.flags)
				}
			}
		})
	}
}

// day is one UTC day of a day counter, from 6 to 18 o'clock every five minutes,
// growing by 0.05 kWh.
func day(from time.Time) []energy.Sample {
	return every(5*time.Minute, from.Add(6*time.Hour), energy.DayTotal, rise(0, 0.05, 145)...)
}

func TestDayCountersGiveTheirDays(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2024, 6, 10, 0, 0, 0, 0, time.UTC)
	at := func(day int, clock time.Duration) time.Time { return midnight.AddDate(0, 0, day).Add(clock) }
	const hour, minute = time.Hour, time.Minute
	two := slices.Concat(day(at(0, 0)), day(at(1, 0)))
	for name, c := range map[string]struct {
		samples []energy.Sample
		want    []float64
	}{
		"one that begins anew at sunrise": {two, []float64{7.2, 7.2}},
		"one that begins anew at midnight of UTC and is read all night": {
			slices.Concat(day(at(0, 0)), every(5*minute, at(0, 18*hour+5*minute), energy.DayTotal, rise(7.2, 0, 71)...),
				every(5*minute, at(1, 0), energy.DayTotal, rise(0, 0, 72)...), day(at(1, 0))), []float64{7.2, 7.2},
		},
		"one that never begins anew": {
			slices.Concat(day(at(0, 0)), every(5*minute, at(1, 6*hour), energy.DayTotal, rise(7.2, 0.05, 145)...)), []float64{7.2, 7.2},
		},
		"one that steps back in the evening": {
			slices.Concat(day(at(0, 0)), every(5*minute, at(0, 18*hour+5*minute), energy.DayTotal, 7.19, 7.195, 7.17), day(at(1, 0))), []float64{7.2, 7.2},
		},
		"one that still shows yesterday in the morning": {
			slices.Concat(day(at(0, 0)), every(5*minute, at(1, 5*hour+30*minute), energy.DayTotal, 7.2, 7.2, 7.2, 7.2), day(at(1, 0))), []float64{7.2, 7.2},
		},
		"one that shows a little less than yesterday in the morning": {
			slices.Concat(day(at(0, 0)), every(5*minute, at(1, 5*hour+30*minute), energy.DayTotal, 7.19, 7.19, 7.19), day(at(1, 0))), []float64{7.2, 7.2},
		},
		"one that dips to 0 by day": {
			slices.Concat(day(at(0, 0))[:80], every(5*minute, at(0, 12*hour+40*minute), energy.DayTotal, 0), day(at(0, 0))[81:]), []float64{7.2},
		},
		"one that was not heard from noon to noon": {slices.Concat(day(at(-1, 0)), day(at(0, 0))[:72], day(at(1, 0))[80:]), []float64{7.2, 3.55, 7.2}},
		"one that was not heard for days":          {slices.Concat(day(at(0, 0)), day(at(3, 0))), []float64{7.2, 0, 0, 7.2}},
		"another device's value mixed in": {
			slices.Concat(day(at(0, 0))[:80], every(5*minute, at(0, 12*hour+40*minute), energy.DayTotal, 22.5), day(at(0, 0))[81:]), []float64{7.2},
		},
		"a logger that woke up late": {
			slices.Concat(day(at(0, 0)), every(5*minute, at(1, 6*hour), energy.DayTotal, 0, 0, 0, 2.37, 2.38, 2.39, 2.4, 2.41)), []float64{7.2, 2.41},
		},
		"a device that lost the day when its power failed": {
			slices.Concat(day(at(0, 0))[:80], every(5*minute, at(0, 12*hour+40*minute), energy.DayTotal, rise(0, 0.05, 20)...)), []float64{3.95 + 0.95},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, b := range daysOf(t, time.UTC, c.samples) {
				got := b.Energy[energy.Production]
				if !near(got, c.want[i]) || got.Known && got.Method != energy.DayCounter {
					t.Errorf("day %d: %.4f kWh by %q, want %.4f; flags %v", i, got.Kwh(), got.Method, c.want[i], b.Flags.Names())
				}
			}
		})
	}
}

// TestWhatIsHeldOverMidnightIsFoundOutTheNextDay has a jump, or a fall, in the
// last minutes of a UTC day.
func TestWhatIsHeldOverMidnightIsFoundOutTheNextDay(t *testing.T) {
	t.Parallel()
	begin := time.Date(2024, 6, 10, 23, 10, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		values []float64 // at 23:10, 23:15, ...; the 11th at midnight
		want   float64
	}{
		"a spike that returns":          {slices.Concat(rise(1000, 0.1, 8), []float64{7000, 7000, 7000}, rise(1001, 0.1, 5)), 1.4},
		"an exchange that goes on":      {slices.Concat(rise(1000, 0.1, 8), rise(7000, 0.1, 10)), 1.6},
		"a new device that goes on":     {slices.Concat(rise(1000, 0.1, 8), rise(0, 0.1, 10)), 1.6},
		"a dip that lasts till morning": {slices.Concat(rise(1000, 0.1, 8), rise(0, 0, 80), rise(1001, 0.1, 5)), 1.4},
		"one at the last moment":        {slices.Concat(rise(1000, 0.1, 9), []float64{7000, 1001, 1001.1}), 1.1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			samples := every(5*time.Minute, begin, energy.GridImportTotal, c.values...)
			var sum energy.Amount
			for _, b := range daysOf(t, time.UTC, samples) {
				sum.MilliwattHours += b.Energy[energy.GridImport].MilliwattHours
			}
			if !near(sum, c.want) {
				t.Errorf("%.4f kWh in both days, want %.4f", sum.Kwh(), c.want)
			}
		})
	}
}

func TestAJumpIsNotBelievedForHavingBeenThereLong(t *testing.T) {
	t.Parallel()
	const step = 30 * time.Minute
	stands := slices.Concat(rise(1000, 0.1, 11), rise(1600, 0, 80), rise(1600.1, 0.1, 5))
	month := func(samples []energy.Sample) energy.Amount {
		from := noon().AddDate(0, 0, -11)
		return energy.Buckets(foldAll(samples), time.UTC, energy.Month, from, from.Add(1))[0].Energy[energy.Production]
	}
	if got := month(every(step, noon(), energy.ProductionTotal, stands...)); !near(got, 1.5) {
		t.Errorf("a meter exchanged for one that stands still for 40 hours gained %.3f kWh, want 1.5", got.Kwh())
	}
	dip := slices.Concat(every(step, noon(), energy.ProductionTotal, 19.98), every(step, noon().Add(time.Millisecond), energy.ProductionTotal, 0),
		every(step, noon().Add(time.Hour), energy.ProductionTotal, 21.98))
	if got := month(dip); !near(got, 2) {
		t.Errorf("a dip just after a reading made a gain of an hour %.3f kWh, want 2", got.Kwh())
	}
}
