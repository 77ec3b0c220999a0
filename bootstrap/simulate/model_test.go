package simulate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"ampra/core/telemetry"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestTheSunStandsWhereAlmanacsPutIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                string
		at                  string
		latitude, longitude float64
		elevation           float64 // degrees
		azimuth             float64 // degrees from north, negative where not given
	}{
		// The worked example of I. Reda and A. Andreas, "Solar Position Algorithm
		// for Solar Radiation Applications" (NREL, 2003): zenith 50.112.
		{"Golden, Colorado", "2003-10-17T19:30:30Z", 39.742476, -105.1786, 39.888, 194.340},
		// Published sunrises and sunsets: the sun's centre is 0.83 below the horizon.
		{"London, sunrise at midsummer", "2024-06-20T03:43:00Z", 51.5074, -0.1278, -0.83, -1},
		{"London, sunset at midsummer", "2024-06-20T20:21:00Z", 51.5074, -0.1278, -0.83, -1},
		{"Sydney, sunrise at midsummer", "2024-12-20T18:41:00Z", -33.8688, 151.2093, -0.83, -1},
		{"Sydney, sunset at midsummer", "2024-12-21T09:05:00Z", -33.8688, 151.2093, -0.83, -1},
	} {
		elevation, azimuth := sunPosition(at(c.at), c.latitude, c.longitude)
		if got := degrees(elevation); math.Abs(got-c.elevation) > 0.5 {
			t.Errorf("%s: elevation %.2f, want %.2f", c.name, got, c.elevation)
		}
		if got := degrees(azimuth); c.azimuth >= 0 && math.Abs(got-c.azimuth) > 0.5 {
			t.Errorf("%s: azimuth %.2f, want %.2f", c.name, got, c.azimuth)
		}
	}
}

// fleetDays calls check with each reading of some days of some sites, and the
// one before it.
func fleetDays(t *testing.T, start string, span, interval time.Duration, check func(site Site, before, r Reading)) {
	t.Helper()
	for index := range 12 {
		site := NewSite(42, index)
		first := at(start)
		plant := NewPlant(site, int64(index), first)
		var before Reading
		for now := first; now.Before(first.Add(span)); now = now.Add(interval) {
			r := plant.Step(now)
			if !before.Timestamp.IsZero() {
				check(site, before, r)
			}
			before = r
		}
	}
}

func value(n *float64) float64 {
	if n == nil {
		return 0
	}
	return *n
}

func TestPowersAndCountersBalanceAtEveryStep(t *testing.T) {
	t.Parallel()
	for interval, span := range map[time.Duration]time.Duration{10 * time.Second: 6 * time.Hour, time.Minute: 10 * time.Hour, 17 * time.Minute: 66 * time.Hour} {
		fleetDays(t, "2026-03-28T12:00:00Z", span, interval, func(site Site, _, r Reading) {
			in := *r.ACPowerWatts + *r.GridPowerWatts + value(r.BatteryPowerWatts)
			if math.Abs(in-*r.LoadPowerWatts) > 1e-6 {
				t.Fatalf("%s %s: %g W come in and %g W are used", site.Place, r.Timestamp, in, *r.LoadPowerWatts)
			}
			counted := *r.EnergyTotalKwh + *r.GridImportTotalKwh - *r.GridExportTotalKwh + value(r.BatteryDischargeTotalKwh) - value(r.BatteryChargeTotalKwh)
			if math.Abs(counted-*r.LoadTotalKwh) > 0.0031 { // each counter is rounded to 1 Wh
				t.Fatalf("%s %s: counters give %g kWh, the load's is %g", site.Place, r.Timestamp, counted, *r.LoadTotalKwh)
			}
			if *r.ACPowerWatts > *r.SolarPowerWatts || *r.ACPowerWatts > site.InverterWatts {
				t.Fatalf("%s %s: %g W of %g W DC from an inverter of %g W", site.Place, r.Timestamp, *r.ACPowerWatts, *r.SolarPowerWatts, site.InverterWatts)
			}
		})
	}
}

func TestStringsAndPhasesAddUp(t *testing.T) {
	t.Parallel()
	fleetDays(t, "2026-06-20T00:00:00Z", 24*time.Hour, time.Minute, func(site Site, _, r Reading) {
		sum := func(lines []Line) (watts float64) {
			for _, l := range lines {
				watts += *l.PowerWatts
			}
			return watts
		}
		if math.Abs(sum(r.Strings)-*r.SolarPowerWatts) > 1e-6 || math.Abs(sum(r.Phases)-*r.ACPowerWatts) > 1e-6 {
			t.Fatalf("%s %s: strings %g of %g, phases %g of %g", site.Place, r.Timestamp, sum(r.Strings), *r.SolarPowerWatts, sum(r.Phases), *r.ACPowerWatts)
		}
	})
}

func TestLifetimeCountersOnlyGrowAndByThePowersTheyCount(t *testing.T) {
	t.Parallel()
	fleetDays(t, "2026-06-20T00:00:00Z", 30*time.Hour, time.Minute, func(site Site, before, r Reading) {
		for _, c := range []struct {
			name      string
			was, is   *float64
			meanWatts float64
		}{
			{"energyTotalKwh", before.EnergyTotalKwh, r.EnergyTotalKwh, *r.ACPowerWatts},
			{"loadTotalKwh", before.LoadTotalKwh, r.LoadTotalKwh, *r.LoadPowerWatts},
			{"gridImportTotalKwh", before.GridImportTotalKwh, r.GridImportTotalKwh, max(*r.GridPowerWatts, 0)},
			{"gridExportTotalKwh", before.GridExportTotalKwh, r.GridExportTotalKwh, max(-*r.GridPowerWatts, 0)},
			{"batteryChargeTotalKwh", before.BatteryChargeTotalKwh, r.BatteryChargeTotalKwh, max(-value(r.BatteryPowerWatts), 0)},
			{"batteryDischargeTotalKwh", before.BatteryDischargeTotalKwh, r.BatteryDischargeTotalKwh, max(value(r.BatteryPowerWatts), 0)},
		} {
			gained := value(c.is) - value(c.was)
			if gained < 0 || math.Abs(gained-c.meanWatts/1000/60) > 0.00101 {
				t.Fatalf("%s %s: %s went from %g to %g in a minute of %g W", site.Place, r.Timestamp, c.name, value(c.was), value(c.is), c.meanWatts)
			}
		}
	})
}

func TestTodaysCounterBeginsAnewAtLocalMidnight(t *testing.T) {
	t.Parallel()
	resets := map[string][]string{}
	days := map[string]float64{}
	fleetDays(t, "2026-06-20T00:30:00Z", 48*time.Hour, time.Minute, func(site Site, before, r Reading) {
		if *r.EnergyTodayKwh < *before.EnergyTodayKwh {
			resets[site.Place] = append(resets[site.Place], r.Timestamp.In(site.Zone).Format("15:04"))
			days[site.Place] = max(days[site.Place], *before.EnergyTodayKwh/site.CapacityWatts()*1000)
		}
	})
	if len(resets) != len(places()) {
		t.Fatalf("only %d places had a reset", len(resets))
	}
	for place, times := range resets {
		if !slices.Equal(times, []string{"00:00", "00:00"}) {
			t.Errorf("%s: begun anew at %v", place, times)
		}
		if days[place] < 0.3 || days[place] > 9 {
			t.Errorf("%s: the better day gave %.2f kWh per kW of panels", place, days[place])
		}
	}
}

func TestABatteryStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	low, high, batteries := 100.0, 0.0, 0
	fleetDays(t, "2026-06-18T00:00:00Z", 96*time.Hour, 3*time.Minute, func(site Site, before, r Reading) {
		if site.Battery == nil {
			if r.BatteryPowerWatts != nil || r.BatteryStateOfChargePercent != nil {
				t.Fatalf("%s has no battery and reports one", site.Place)
			}
			return
		}
		batteries++
		soc, watts := *r.BatteryStateOfChargePercent, *r.BatteryPowerWatts
		low, high = min(low, soc), max(high, soc)
		if soc < 100*batteryLow-0.1 || soc > 100 || math.Abs(watts) > site.Battery.PowerWatts {
			t.Fatalf("%s %s: charge %g %%, power %g W", site.Place, r.Timestamp, soc, watts)
		}
		if gained := soc - *before.BatteryStateOfChargePercent; gained*watts > 0 && math.Abs(gained) > 0.11 {
			t.Fatalf("%s %s: the charge went by %g %% at %g W", site.Place, r.Timestamp, gained, watts)
		}
	})
	if batteries == 0 || low > 15 || high < 90 {
		t.Errorf("%d readings of batteries between %g %% and %g %%: they are not used", batteries, low, high)
	}
}

func TestNothingIsProducedAtNightAndMuchOnSummerDays(t *testing.T) {
	t.Parallel()
	best := map[string]float64{}
	fleetDays(t, "2026-06-01T00:00:00Z", 10*24*time.Hour, 10*time.Minute, func(site Site, _, r Reading) {
		elevation, _ := sunPosition(r.Timestamp, site.Latitude, site.Longitude)
		if degrees(elevation) < -1 && *r.SolarPowerWatts > 0 {
			t.Fatalf("%s %s: %g W with the sun at %.1f degrees", site.Place, r.Timestamp, *r.SolarPowerWatts, degrees(elevation))
		}
		best[site.Place] = max(best[site.Place], *r.ACPowerWatts/site.CapacityWatts())
	})
	for place, share := range best {
		if share < 0.4 {
			t.Errorf("%s never gave more than %.0f %% of its panels' power in ten days of June", place, share*100)
		}
	}
}

func TestCloudsPassTheyDoNotFlicker(t *testing.T) {
	t.Parallel()
	var steps, swings []float64
	fleetDays(t, "2026-06-20T00:00:00Z", 24*time.Hour, 20*time.Second, func(site Site, before, r Reading) {
		if *r.SolarPowerWatts > 0.1*site.CapacityWatts() {
			steps = append(steps, math.Abs(*r.SolarPowerWatts-*before.SolarPowerWatts)/site.CapacityWatts())
			swings = append(swings, *r.SolarPowerWatts/site.CapacityWatts())
		}
	})
	slices.Sort(steps)
	slices.Sort(swings)
	if median := steps[len(steps)/2]; median == 0 || median > 0.03 {
		t.Errorf("half of all 20 s steps are over %.1f %% of the panels' power", median*100)
	}
	if wide := swings[len(swings)*9/10] - swings[len(swings)/10]; wide < 0.2 {
		t.Errorf("by day the power stays within %.0f %%", wide*100)
	}
}

func TestTheSameSeedGivesTheSameDayAndAnotherGivesAnother(t *testing.T) {
	t.Parallel()
	day := func(seed int64) string {
		var all strings.Builder
		plant := NewPlant(NewSite(seed, 3), seed, at("2026-05-01T08:00:00Z"))
		for i := range 500 {
			fmt.Fprintln(&all, plant.Step(at("2026-05-01T08:00:00Z").Add(time.Duration(i)*time.Minute)).fingerprint())
		}
		return all.String()
	}
	if once, again := day(1), day(1); once != again {
		t.Error("one seed gave two days")
	}
	if day(1) == day(2) {
		t.Error("two seeds gave one day")
	}
}

func TestEveryNumberHasACanonicalNameAndIsPossible(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	fleetDays(t, "2026-11-01T00:00:00Z", 48*time.Hour, 5*time.Minute, func(site Site, _, r Reading) {
		for _, n := range r.numbers()[:telemetry.NumFields] {
			field, ok := telemetry.FieldNamed(n.name)
			if !ok {
				t.Fatalf("%s is no field", n.name)
			}
			if n.value != nil {
				known[n.name] = true
				if !field.Possible(*n.value) {
					t.Fatalf("%s %s: %s is %g", site.Place, r.Timestamp, n.name, *n.value)
				}
			}
		}
	})
	if len(known) != telemetry.NumFields {
		t.Errorf("only %d of %d fields are ever sent", len(known), telemetry.NumFields)
	}
}

func TestAPayloadIsReadBackAsTheReadingItWas(t *testing.T) {
	t.Parallel()
	fleetDays(t, "2026-06-20T10:00:00.250Z", time.Hour, time.Minute, func(_ Site, _, r Reading) {
		payload, err := r.payload()
		if err != nil {
			t.Fatal(err)
		}
		var back Reading
		if err := json.Unmarshal(payload, &back); err != nil {
			t.Fatal(err)
		}
		if back.Extra != nil {
			t.Fatalf("a device sends no extra: %s", payload)
		}
		var own struct {
			Signal *float64 `json:"wifiSignalDbm"`
		}
		if err := json.Unmarshal(payload, &own); err != nil || own.Signal == nil {
			t.Fatalf("its own number is not there (%v): %s", err, payload)
		}
		back.Extra = map[string]float64{"wifiSignalDbm": *own.Signal}
		if back.fingerprint() != r.fingerprint() || !back.Timestamp.Equal(r.Timestamp) {
			t.Fatalf("sent %s, which differs in %v", payload, differences(r, back))
		}
	})
}

func TestAFingerprintSeesEveryNumber(t *testing.T) {
	t.Parallel()
	fresh := func() Reading {
		return NewPlant(NewSite(42, 0), 1, at("2026-06-20T10:00:00Z")).Step(at("2026-06-20T10:00:00Z"))
	}
	sent := fresh()
	for i, n := range sent.numbers() {
		if n.value == nil || strings.HasPrefix(n.name, "extra.") || n.name == "status.code" {
			continue
		}
		got := fresh()
		*got.numbers()[i].value += 0.001
		if got.fingerprint() == sent.fingerprint() {
			t.Errorf("%s may change unseen", n.name)
		}
		if names := differences(sent, got); !slices.Equal(names, []string{n.name}) {
			t.Errorf("%s changed and %v is named", n.name, names)
		}
	}
	for name, change := range map[string]func(*Reading){
		"status.code":         func(r *Reading) { *r.Status.Code++ },
		"status.text":         func(r *Reading) { r.Status.Text = new("Fault") },
		"extra.wifiSignalDbm": func(r *Reading) { r.Extra["wifiSignalDbm"]++ },
		"extra.more":          func(r *Reading) { r.Extra["more"] = 1 },
		"loadPowerWatts":      func(r *Reading) { r.LoadPowerWatts = nil },
	} {
		got := fresh()
		change(&got)
		if names := differences(sent, got); got.fingerprint() == sent.fingerprint() || !slices.Equal(names, []string{name}) {
			t.Errorf("%s changed: fingerprint differs %v, named %v", name, got.fingerprint() != sent.fingerprint(), names)
		}
	}
}
