package energy_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"ampra/core/energy"
)

// merge lays series of samples over one another, moment by moment.
func merge(list ...[]energy.Sample) []energy.Sample {
	all := slices.Concat(list...)
	slices.SortStableFunc(all, func(a, b energy.Sample) int { return int(a.At - b.At) })
	var merged []energy.Sample
	for _, s := range all {
		if n := len(merged); n > 0 && merged[n-1].At == s.At {
			for q := energy.ProductionTotal; q <= energy.BatteryPower; q++ {
				if number, ok := s.Get(q); ok {
					merged[n-1].Set(q, number)
				}
			}
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

func TestPowerOverTime(t *testing.T) {
	t.Parallel()
	const step = 5 * time.Minute
	flat := func(q energy.Quantity, watts float64, count int) []energy.Sample {
		return every(step, noon(), q, rise(watts, 0, count)...)
	}
	for name, c := range map[string]struct {
		samples []energy.Sample
		want    map[energy.Channel]float64
	}{
		"an hour at 1.2 kW":                    {flat(energy.ACPower, 1200, 13), map[energy.Channel]float64{energy.Production: 1.2}},
		"the strings' where there is no other": {flat(energy.SolarPower, 1200, 13), map[energy.Channel]float64{energy.Production: 1.2}},
		"the inverter's before the strings'":   {merge(flat(energy.SolarPower, 1300, 13), flat(energy.ACPower, 1200, 13)), map[energy.Channel]float64{energy.Production: 1.2}},
		"the strings' of a hybrid, whose output holds its battery's": {
			merge(flat(energy.SolarPower, 600, 13), flat(energy.ACPower, 1600, 13), flat(energy.BatteryPower, 1000, 13)),
			map[energy.Channel]float64{energy.Production: 0.6, energy.BatteryDischarge: 1, energy.BatteryCharge: 0},
		},
		"what an inverter draws at night is no production": {flat(energy.ACPower, -8, 13), map[energy.Channel]float64{energy.Production: 0}},
		"a ramp":                         {every(step, noon(), energy.LoadPower, rise(0, 200, 13)...), map[energy.Channel]float64{energy.Consumption: 1.2}},
		"the grid, drawn":                {flat(energy.GridPower, 600, 13), map[energy.Channel]float64{energy.GridImport: 0.6, energy.GridExport: 0}},
		"the grid, fed":                  {flat(energy.GridPower, -600, 13), map[energy.Channel]float64{energy.GridImport: 0, energy.GridExport: 0.6}},
		"the grid, first drawn then fed": {every(time.Hour/4, noon(), energy.GridPower, 1000, -1000, 1000), map[energy.Channel]float64{energy.GridImport: 0.125, energy.GridExport: 0.125}},
		"a battery that is charged":      {flat(energy.BatteryPower, -600, 13), map[energy.Channel]float64{energy.BatteryCharge: 0.6, energy.BatteryDischarge: 0}},
		"a lost reading":                 {slices.Delete(flat(energy.ACPower, 1200, 13), 5, 6), map[energy.Channel]float64{energy.Production: 1.2}},
		"one 700 W reading after a long gap": {
			slices.Concat(flat(energy.ACPower, 0, 13), every(step, noon().Add(9*time.Hour), energy.ACPower, 700)),
			map[energy.Channel]float64{energy.Production: 0.175},
		},
		"a silence at full power": {
			slices.Concat(flat(energy.ACPower, 2000, 13), every(step, noon().Add(6*time.Hour), energy.ACPower, rise(2000, 0, 13)...)),
			map[energy.Channel]float64{energy.Production: 2 + 0.5 + 0.5 + 2},
		},
		"an hour between readings": {every(time.Hour, noon(), energy.ACPower, 1000, 1000, 1000), map[energy.Channel]float64{energy.Production: 2}},
		"powers of less than a milliwatt-hour each": {
			every(time.Second, noon(), energy.LoadPower, rise(1, 0, 3601)...), map[energy.Channel]float64{energy.Consumption: 0.001},
		},
		"a balance of the others": {
			merge(flat(energy.ACPower, 3000, 13), flat(energy.GridPower, -1000, 13), flat(energy.BatteryPower, -500, 13), flat(energy.SolarPower, 3000, 13)),
			map[energy.Channel]float64{energy.Production: 3, energy.GridExport: 1, energy.GridImport: 0, energy.BatteryCharge: 0.5, energy.BatteryDischarge: 0, energy.Consumption: 1.5},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := daysOf(t, time.UTC, c.samples)[0]
			for channel := range energy.Channel(energy.NumChannels) {
				got := b.Energy[channel]
				want, known := c.want[channel]
				if known != got.Known && channel != energy.Consumption || math.Abs(got.Kwh()-want) > 0.000_002 && known {
					t.Errorf("%s is %.6f kWh (%v) by %q, want %.6f (%v)", channel, got.Kwh(), got.Known, got.Method, want, known)
				}
				if got.MilliwattHours > 0 && (got.Estimated != got.MilliwattHours || b.Flags&energy.Estimated == 0) {
					t.Errorf("%s of power is not marked as estimated: %+v, %v", channel, got, b.Flags.Names())
				}
			}
		})
	}
}

func TestThePeakIsTheHighestProductionPowerOfThePeriod(t *testing.T) {
	t.Parallel()
	samples := every(5*time.Minute, noon().Add(-time.Minute), energy.ACPower, 100, 4321.5, 3000)
	hours := energy.Buckets(foldAll(samples), time.UTC, energy.Hour, noon().Add(-time.Hour), noon().Add(2*time.Hour))
	for i, want := range []float64{100, 4321.5, 0} {
		if got := hours[i].PeakPowerWatts; want == 0 && got != nil || want != 0 && (got == nil || *got != want) {
			t.Errorf("hour %d: %v, want %v", i, got, want)
		}
	}
}

// TestAMonthCountsNothingTwice has a counter that falls silent, or stands still,
// for days while power flows, and then shows all that was gained.
func TestAMonthCountsNothingTwice(t *testing.T) {
	t.Parallel()
	const hours = 24 * 4
	start := time.Date(2024, 6, 10, 0, 0, 0, 0, time.UTC)
	for name, shown := range map[string]func(hour float64) float64{
		"a counter that is always there":        func(hour float64) float64 { return hour },
		"one that is silent for two days":       func(hour float64) float64 { return silentIf(hour > 20 && hour < 70, hour) },
		"one that stands still for two days":    func(hour float64) float64 { return stillIf(hour > 20 && hour < 70, hour, 20) },
		"one that is silent for half an hour":   func(hour float64) float64 { return silentIf(hour > 20 && hour < 20.5, hour) },
		"one that is silent to the end":         func(hour float64) float64 { return silentIf(hour > 20, hour) },
		"one that is silent every other moment": func(hour float64) float64 { return silentIf(int(hour*12+0.5)%2 == 1, hour) },
		"one that shows itself once a day":      func(hour float64) float64 { return silentIf(math.Mod(hour, 24) > 0.01, hour) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for q, power := range map[energy.Quantity]energy.Quantity{
				energy.ProductionTotal: energy.ACPower, energy.ConsumptionTotal: energy.LoadPower, energy.GridImportTotal: energy.GridPower,
			} {
				var samples []energy.Sample
				for i := range hours*12 + 1 {
					hour := float64(i) / 12
					s := energy.Sample{At: start.Add(time.Duration(i) * 5 * time.Minute).UnixMilli()}
					s.Set(q, 500+shown(hour)) // 1 kW
					s.Set(power, 1000)
					samples = append(samples, s)
				}
				days := foldAll(samples)
				month := energy.Buckets(days, time.UTC, energy.Month, start, start.Add(1))[0]
				if got := month.Energy[q]; math.Abs(got.Kwh()-hours) > 0.01 {
					t.Errorf("%s: the month is %.3f kWh, want %d; flags %v", energy.Channel(q), got.Kwh(), hours, month.Flags.Names())
				}
				for i, b := range energy.Buckets(days, time.UTC, energy.DayOf, start, start.AddDate(0, 0, 4)) {
					if got := b.Energy[q]; math.Abs(got.Kwh()-24) > 1.1 {
						t.Errorf("%s: day %d is %.3f kWh by %s, want 24", energy.Channel(q), i, got.Kwh(), got.Method)
					}
				}
			}
		})
	}
}

func silentIf(silent bool, value float64) float64 {
	if silent {
		return math.NaN()
	}
	return value
}

func stillIf(still bool, value, at float64) float64 {
	if still {
		return at
	}
	return value
}

func TestAConsumptionCounterThatMissesADayIsNotBalancedToo(t *testing.T) {
	t.Parallel()
	start := time.Date(2024, 6, 10, 0, 0, 0, 0, time.UTC)
	var samples []energy.Sample
	for i := range 24*12*3 + 1 {
		hour := float64(i) / 12
		s := energy.Sample{At: start.Add(time.Duration(i) * 5 * time.Minute).UnixMilli()}
		s.Set(energy.ProductionTotal, 100+hour*3)
		s.Set(energy.GridImportTotal, 50)
		s.Set(energy.GridExportTotal, 70+hour)
		s.Set(energy.ConsumptionTotal, silentIf(hour > 23 && hour < 49, 500+hour*2))
		samples = append(samples, s)
	}
	b := energy.Buckets(foldAll(samples), time.UTC, energy.Month, start, start.Add(1))[0]
	if got := b.Energy[energy.Consumption]; !near(got, 144) || got.Method != energy.Counter {
		t.Errorf("%.3f kWh by %s, want 144", got.Kwh(), got.Method)
	}
}

func TestABalanceIsNeverNegativeAndKeepsItsSum(t *testing.T) {
	t.Parallel()
	start := time.Date(2024, 6, 10, 0, 0, 0, 0, time.UTC)
	var samples []energy.Sample
	for i := range 24*12 + 1 {
		hour := float64(i) / 12
		s := energy.Sample{At: start.Add(time.Duration(i) * 5 * time.Minute).UnixMilli()}
		s.Set(energy.ProductionTotal, 2*math.Floor((100.5+hour)/2)) // in steps of two kilowatt-hours
		s.Set(energy.GridExportTotal, 70+hour*0.9)
		s.Set(energy.GridImportTotal, 10)
		samples = append(samples, s)
	}
	days := foldAll(samples)
	whole := energy.Buckets(days, time.UTC, energy.DayOf, start, start.Add(1))[0]
	if got := whole.Energy[energy.Consumption]; !near(got, 2.4) || got.Method != energy.Balance {
		t.Errorf("%.3f kWh by %s, want 2.4 by balance", got.Kwh(), got.Method)
	}
	for _, b := range energy.Buckets(days, time.UTC, energy.Hour, start, start.AddDate(0, 0, 1)) {
		if got := b.Energy[energy.Consumption]; got.MilliwattHours < 0 || !got.Known {
			t.Errorf("%s: %+v", b.Start, got)
		}
	}
}

func TestSharesAndYield(t *testing.T) {
	t.Parallel()
	amount := func(kwh float64) energy.Amount {
		return energy.Amount{MilliwattHours: int64(kwh * 1e6), Known: true, Method: energy.Counter}
	}
	b := energy.Bucket{Energy: [energy.NumChannels]energy.Amount{
		energy.Production: amount(10), energy.Consumption: amount(8), energy.GridImport: amount(2), energy.GridExport: amount(4),
	}}
	if share, ok := b.SelfConsumption(); !ok || share != 0.6 {
		t.Errorf("self-consumption %v %v", share, ok)
	}
	if share, ok := b.SelfSufficiency(); !ok || share != 0.75 {
		t.Errorf("self-sufficiency %v %v", share, ok)
	}
	if yield, ok := b.SpecificYield(5000); !ok || yield != 2 {
		t.Errorf("yield %v %v", yield, ok)
	}
	if _, ok := b.SpecificYield(0); ok {
		t.Error("a yield without a capacity")
	}
	if _, ok := (energy.Bucket{}).SelfConsumption(); ok {
		t.Error("a share of nothing")
	}
	sum := energy.Sum([]energy.Bucket{b}, []energy.Bucket{{Flags: energy.Gap}})
	if len(sum) != 1 || sum[0].Energy[energy.Production] != amount(10) || sum[0].Energy[energy.BatteryCharge].Known || sum[0].Flags != energy.Gap {
		t.Errorf("sum %+v", sum)
	}
}

func TestADayThatShowsAnotherDaysRowsIsStuck(t *testing.T) {
	t.Parallel()
	flagged := func(samples []energy.Sample) (days []bool) {
		for _, b := range daysOf(t, time.UTC, samples) {
			days = append(days, b.Flags&energy.Stuck != 0)
		}
		return days
	}
	midnight := time.Date(2024, 6, 10, 0, 0, 0, 0, time.UTC)
	again := slices.Concat(day(midnight), day(midnight.AddDate(0, 0, 1)), every(5*time.Minute, midnight.AddDate(0, 0, 2).Add(6*time.Hour), energy.DayTotal, rise(0, 0.04, 145)...), day(midnight.AddDate(0, 0, 3)))
	if got := flagged(again); !slices.Equal(got, []bool{true, true, false, true}) {
		t.Errorf("days that repeat: %v", got)
	}
	if got := flagged(every(5*time.Minute, noon(), energy.ACPower, rise(1234, 0, 40)...)); !got[0] {
		t.Error("power that never changes for three hours is not stuck")
	}
	if got := flagged(every(5*time.Minute, noon(), energy.ACPower, rise(1234, 1, 40)...)); got[0] {
		t.Error("power that changes is stuck")
	}
	if got := flagged(every(5*time.Minute, noon(), energy.ACPower, rise(0, 0, 400)...)); slices.Contains(got, true) {
		t.Error("a night without power is stuck")
	}
}
