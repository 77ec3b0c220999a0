package series_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ampra/core/series"
	"ampra/core/telemetry"
)

const day = 20_600

func midnight() time.Time { return time.Unix(day*86_400, 0).UTC() }

func reading(at time.Time, values map[telemetry.Field]float64) telemetry.Reading {
	r := telemetry.Reading{Timestamp: at}
	for f, value := range values {
		r.Values.Set(f, value)
	}
	return r
}

// drawReadings draws some of a day, in order, with values of two decimals.
func drawReadings(t *rapid.T) []telemetry.Reading {
	times := rapid.SliceOfNDistinct(rapid.Int64Range(0, series.DayMillis-1), 0, 60, rapid.ID).Draw(t, "times")
	slices.Sort(times)
	readings := make([]telemetry.Reading, len(times))
	for i, ms := range times {
		readings[i].Timestamp = midnight().Add(time.Duration(ms) * time.Millisecond)
		for f := range telemetry.Field(telemetry.NumFields) {
			if rapid.Bool().Draw(t, "known") {
				info := f.Info()
				whole := rapid.Int64Range(int64(max(info.Min, -1e8)), int64(info.Max*100)).Draw(t, "value")
				readings[i].Values.Set(f, float64(whole)/100)
			}
		}
	}
	return readings
}

func fold(readings []telemetry.Reading) (minutes, hours series.Day) {
	f := series.NewFolder(day)
	for _, r := range readings {
		f.Add(r)
	}
	return f.Result()
}

func encoded(t interface{ Fatal(args ...any) }, d series.Day) []byte {
	data, err := d.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parsed(t interface{ Fatal(args ...any) }, data []byte) series.Day {
	d, err := series.ParseDay(data, series.AllFields)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// plain makes a slot's statistic the slow way.
func plain(readings []telemetry.Reading, f telemetry.Field, from, to time.Time) series.Stat {
	var s series.Stat
	for _, r := range readings {
		if value, ok := r.Values.Get(f); ok && !r.Timestamp.Before(from) && r.Timestamp.Before(to) {
			s.Add(value)
		}
	}
	return s
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

func TestASlotHasTheLeastTheGreatestTheMeanAndTheLastOfItsReadings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		readings := drawReadings(t)
		minutes, hours := fold(readings)
		for _, d := range []series.Day{parsed(t, encoded(t, minutes)), parsed(t, encoded(t, hours))} {
			length := time.Duration(d.Tier().SlotMillis()) * time.Millisecond
			for f := range telemetry.Field(telemetry.NumFields) {
				for slot := range d.Tier().Slots() {
					from := midnight().Add(time.Duration(slot) * length)
					want, got := plain(readings, f, from, from.Add(length)), d.Stat(f, slot)
					if got.Count != want.Count || got.Min != want.Min || got.Max != want.Max || got.Last != want.Last || !near(got.Mean(), want.Mean()) {
						t.Fatalf("%s in slot %d of %s: got %+v, want %+v", f, slot, d.Tier(), got, want)
					}
				}
			}
		}
	})
}

func TestADayFoldedInPartsIsTheDayFoldedAtOnceToTheByte(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		readings := drawReadings(t)
		minutes, hours := fold(readings)
		cut := rapid.IntRange(0, len(readings)).Draw(t, "cut")
		first, _ := fold(readings[:cut])
		f := series.Resume(day, parsed(t, encoded(t, first)))
		for _, r := range readings[cut:] {
			f.Add(r)
		}
		gotMinutes, gotHours := f.Result()
		if !bytes.Equal(encoded(t, gotMinutes), encoded(t, minutes)) || !bytes.Equal(encoded(t, gotHours), encoded(t, hours)) {
			t.Fatal("the parts give other tiers than the whole")
		}
	})
}

func TestReadingsOfOtherDaysAreLeftOut(t *testing.T) {
	t.Parallel()
	values := map[telemetry.Field]float64{telemetry.SolarPowerWatts: 1}
	minutes, hours := fold([]telemetry.Reading{reading(midnight().Add(-time.Millisecond), values), reading(midnight().Add(24*time.Hour), values)})
	if !minutes.IsEmpty() || !hours.IsEmpty() {
		t.Error("a day has readings of its neighbours")
	}
}

func TestAClosedDayIsFilledWhereItHasNothingAndNowhereElse(t *testing.T) {
	t.Parallel()
	at := func(minute int, f telemetry.Field, value float64) telemetry.Reading {
		return reading(midnight().Add(time.Duration(minute)*time.Minute), map[telemetry.Field]float64{f: value})
	}
	minutes, hours := fold([]telemetry.Reading{at(0, telemetry.SolarPowerWatts, 100), at(7, telemetry.SolarPowerWatts, 200)})
	late := []telemetry.Reading{
		at(1, telemetry.SolarPowerWatts, 9_000), at(2, telemetry.LoadPowerWatts, 50),
		at(12, telemetry.SolarPowerWatts, 400), at(13, telemetry.SolarPowerWatts, 500), at(70, telemetry.SolarPowerWatts, 1),
	}
	for name, c := range map[string]struct {
		minutes         series.Day
		filled, dropped int
		inHour          series.Stat
	}{
		"with its minutes":           {minutes, 4, 1, series.Stat{Count: 4, Min: 100, Max: 500, Last: 500, Sum: 1200}},
		"when only the hours remain": {series.Day{}, 2, 3, series.Stat{Count: 2, Min: 100, Max: 200, Last: 200, Sum: 300}},
	} {
		before, hours := c.minutes, parsed(t, encoded(t, hours))
		if before.Tier() == series.Minutes {
			before = parsed(t, encoded(t, before))
		}
		f := series.Fill(day, before, hours)
		for _, r := range late {
			f.Add(r)
		}
		if got := f.Late(); got.Filled != c.filled || got.Dropped != c.dropped {
			t.Errorf("%s: got %+v, want %d filled and %d dropped", name, got, c.filled, c.dropped)
		}
		gotMinutes, gotHours := f.Result()
		if got := gotHours.Stat(telemetry.SolarPowerWatts, 0); got != c.inHour {
			t.Errorf("%s: the first hour is %+v, want %+v", name, got, c.inHour)
		}
		if got := gotHours.Stat(telemetry.SolarPowerWatts, 1); got.Count != 1 || got.Max != 1 {
			t.Errorf("%s: the second hour is %+v", name, got)
		}
		if got := gotHours.Stat(telemetry.LoadPowerWatts, 0); got.Last != 50 {
			t.Errorf("%s: the load is %+v", name, got)
		}
		if gotMinutes.Tier() != c.minutes.Tier() {
			t.Errorf("%s: got minutes of the tier %s", name, gotMinutes.Tier())
		}
		// What was filled once stands when it comes again.
		again := series.Fill(day, gotMinutes, gotHours)
		for _, r := range late {
			again.Add(r)
		}
		if got := again.Late(); got.Filled != 0 {
			t.Errorf("%s: %d values were filled twice", name, got.Filled)
		}
	}
}

// home is a usual day of a home: an inverter with a battery that tells all fields
// every few seconds.
func home(every time.Duration, decimals float64) []telemetry.Reading {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same day each time
	var readings []telemetry.Reading
	cloud, base, total := 1.0, 300.0, 12_345.0
	round := func(v float64) float64 { return math.Round(v*decimals) / decimals }
	for at := time.Duration(0); at < 24*time.Hour; at += every {
		cloud = min(max(cloud+random.NormFloat64()*0.05, 0.2), 1)
		if random.IntN(200) == 0 {
			base = 200 + random.Float64()*2500
		}
		solar := max(0, 5000*math.Sin((at.Hours()-6)/12*math.Pi)) * cloud
		load := base + random.NormFloat64()*15
		grid := load - solar
		total += solar * every.Hours() / 1000
		readings = append(readings, reading(midnight().Add(at), map[telemetry.Field]float64{
			telemetry.SolarPowerWatts: round(solar), telemetry.ACPowerWatts: round(solar * 0.97), telemetry.GridPowerWatts: round(grid),
			telemetry.LoadPowerWatts: max(0, round(load)), telemetry.BatteryPowerWatts: round(random.NormFloat64() * 20),
			telemetry.BatteryStateOfChargePercent: math.Round(50 + at.Hours()), telemetry.BatteryVoltageVolts: math.Round(514+random.NormFloat64()*3) / 10,
			telemetry.GridVoltageVolts: math.Round(2310+random.NormFloat64()*10) / 10, telemetry.GridFrequencyHertz: math.Round(5000+random.NormFloat64()*2) / 100,
			telemetry.InverterTemperatureCelsius: math.Round(350+100*cloud) / 10,
			telemetry.EnergyTodayKwh:             math.Round((total-12_345)*10) / 10, telemetry.EnergyTotalKwh: math.Round(total*10) / 10,
			telemetry.GridImportTotalKwh: math.Round(total*50) / 100, telemetry.GridExportTotalKwh: math.Round(total*70) / 100,
			telemetry.BatteryChargeTotalKwh: math.Round(total*20) / 100, telemetry.BatteryDischargeTotalKwh: math.Round(total*15) / 100,
		}))
	}
	return readings
}

func TestAUsualDayTakesFewBytes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		readings []telemetry.Reading
		most     int
	}{
		"every 10 s, whole watts":  {home(10*time.Second, 1), 15_000},
		"every 10 s, tenths":       {home(10*time.Second, 10), 15_000},
		"every minute":             {home(time.Minute, 1), 13_000},
		"every 5 min":              {home(5*time.Minute, 1), 6_000},
		"solar alone, every 5 min": {onlySolar(home(5*time.Minute, 1)), 1_000},
	} {
		minutes, hours := fold(c.readings)
		first, second := len(encoded(t, minutes)), len(encoded(t, hours))
		t.Logf("%s: %d bytes of minutes, %d of hours", name, first, second)
		if first > c.most || second > 2_100 {
			t.Errorf("%s: %d bytes of minutes, want %d at the most; %d of hours", name, first, c.most, second)
		}
	}
}

func onlySolar(readings []telemetry.Reading) []telemetry.Reading {
	for i, r := range readings {
		solar, _ := r.Values.Get(telemetry.SolarPowerWatts)
		readings[i] = reading(r.Timestamp, map[telemetry.Field]float64{telemetry.SolarPowerWatts: solar})
	}
	return readings
}
