package csvimport_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ampra/core/csvimport"
	"ampra/core/telemetry"
)

func halfHours(columns map[string]*csvimport.Column) csvimport.Options {
	return csvimport.Options{Interval: "PT30M", Columns: columns}
}

func use() map[string]*csvimport.Column {
	return map[string]*csvimport.Column{"use": {Field: "loadPowerWatts", Unit: "kW", Kind: csvimport.Mean}}
}

// counters are what a counter says at which time.
func counters(list []telemetry.Reading, f telemetry.Field, z *time.Location) string {
	var b strings.Builder
	for _, r := range list {
		if v, ok := r.Values.Get(f); ok {
			fmt.Fprintf(&b, "%s=%g ", r.Timestamp.In(z).Format("15:04-07"), v)
		}
	}
	return strings.TrimSpace(b.String())
}

func TestMeansBecomeCountersAtTheEndsOfTheirIntervals(t *testing.T) {
	t.Parallel()
	r := readAll(t, "time,use\n2026-06-01 10:00,1\n2026-06-01 10:30,2\n2026-06-01 12:00,4\n", halfHours(use()), time.UTC)
	if got, want := counters(r.slots, telemetry.LoadTotalKwh, time.UTC), "10:00+00=0 10:30+00=0.5 11:00+00=1.5 12:00+00=1.5 12:30+00=3.5"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := counters(r.slots, telemetry.LoadPowerWatts, time.UTC); got != "10:30+00=1000 11:00+00=2000 12:30+00=4000" {
		t.Errorf("the means are %s", got)
	}
	if len(r.readings) != 0 || len(r.rows) != 3 || !r.rows[0].Interval {
		t.Errorf("at the rows' times stand %v", r.readings)
	}
}

func TestTheSignOfAMeanSaysWhichCounterItAddsTo(t *testing.T) {
	t.Parallel()
	o := halfHours(map[string]*csvimport.Column{
		"grid": {Field: "gridPowerWatts", Kind: csvimport.Mean}, "bat": {Field: "batteryPowerWatts", Kind: csvimport.Mean},
		"pv": {Field: "solarPowerWatts", Kind: csvimport.Mean},
	})
	r := readAll(t, "time,grid,bat,pv\n2026-06-01 10:00,1000,-500,-2\n2026-06-01 10:30,-400,,10\n", o, time.UTC)
	for f, want := range map[telemetry.Field]string{
		telemetry.GridImportTotalKwh: "10:00+00=0 10:30+00=0.5 11:00+00=0.5", telemetry.GridExportTotalKwh: "10:00+00=0 10:30+00=0 11:00+00=0.2",
		telemetry.BatteryChargeTotalKwh: "10:00+00=0 10:30+00=0.25", telemetry.BatteryDischargeTotalKwh: "10:00+00=0 10:30+00=0",
		telemetry.EnergyTotalKwh: "10:00+00=0 10:30+00=0 11:00+00=0.005",
	} {
		if got := counters(r.slots, f, time.UTC); got != want {
			t.Errorf("%s: got %s, want %s", f, got, want)
		}
	}
	if r.warnings[csvimport.WarnNegativeEnergy] != 1 {
		t.Errorf("the warnings are %v", r.warnings)
	}
}

func TestACounterInTheFileIsNotAddedUpFromMeansAsWell(t *testing.T) {
	t.Parallel()
	o := halfHours(map[string]*csvimport.Column{"use": {Field: "loadPowerWatts", Kind: csvimport.Mean}, "total": {Field: "loadTotalKwh"}})
	r := readAll(t, "time,use,total\n2026-06-01 10:00,1000,7\n", o, time.UTC)
	if got := counters(append(r.readings, r.slots...), telemetry.LoadTotalKwh, time.UTC); got != "10:00+00=7" {
		t.Errorf("got %s", got)
	}
}

func TestTimesThatDoNotExistMoveAndLoseNothing(t *testing.T) {
	t.Parallel()
	sydney := zone(t, "Australia/Sydney")
	r := readAll(t, "time,use\n2011-10-02 01:30,1\n2011-10-02 02:00,2\n2011-10-02 02:30,3\n2011-10-02 03:00,4\n2011-10-02 03:30,5\n2011-10-02 04:00,6\n", halfHours(use()), sydney)
	want := "01:30+10=0 03:00+11=0.5 03:30+11=3.5 04:00+11=7.5 04:30+11=10.5"
	if got := counters(r.slots, telemetry.LoadTotalKwh, sydney); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if r.warnings[csvimport.WarnNonexistentTime] != 2 || r.warnings[csvimport.WarnAmbiguousTime] != 0 {
		t.Errorf("the warnings are %v", r.warnings)
	}
}

func TestTimesThatExistTwiceFollowTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	local := []string{"01:30", "02:00", "02:30", "02:00", "02:30", "03:00"}
	want := []string{"23:30", "00:00", "00:30", "01:00", "01:30", "02:00"} // in UTC
	for _, newestFirst := range []bool{false, true} {
		var rows []string
		for i, at := range local {
			rows = append(rows, fmt.Sprintf("2011-10-30 %s,%d", at, i))
		}
		if newestFirst {
			slices.Reverse(rows)
		}
		o := csvimport.Options{Columns: map[string]*csvimport.Column{"P": {Field: "acPowerWatts"}}}
		r := readAll(t, "time,P\n"+strings.Join(rows, "\n")+"\n", o, berlin)
		for _, reading := range r.readings {
			i := int(value(t, reading, telemetry.ACPowerWatts))
			if got := reading.Timestamp.Format("15:04"); got != want[i] {
				t.Errorf("newest first %t: %s number %d is %s, want %s", newestFirst, local[i], i, got, want[i])
			}
		}
		if r.warnings[csvimport.WarnAmbiguousTime] != 4 {
			t.Errorf("the warnings are %v", r.warnings)
		}
	}
}

func TestHoursOfAChangeThatExistTwiceAreBothTaken(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	o := csvimport.Options{Columns: map[string]*csvimport.Column{"P": {Field: "acPowerWatts"}}}
	r := readAll(t, "time,P\n2011-10-30 01:00,1\n2011-10-30 02:00,2\n2011-10-30 02:00,3\n2011-10-30 03:00,4\n", o, berlin)
	var got []string
	for _, reading := range r.readings {
		got = append(got, reading.Timestamp.Format("15:04"))
	}
	if strings.Join(got, " ") != "23:00 00:00 01:00 02:00" {
		t.Errorf("got %v", got)
	}
}

func TestTheOrderOfRowsDoesNotMatterForIntervals(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(rt, "rows")
		begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		var rows []string
		exact := int64(0)
		for i := range n {
			if rapid.IntRange(0, 9).Draw(rt, "gap") == 0 {
				continue
			}
			watts := rapid.Int64Range(0, 1_000_000).Draw(rt, "milliwatts")
			exact += watts
			rows = append(rows, fmt.Sprintf("%s,%d.%03d", begin.Add(time.Duration(i)*30*time.Minute).Format("2006-01-02 15:04"), watts/1000, watts%1000))
		}
		if len(rows) == 0 {
			return
		}
		o := halfHours(map[string]*csvimport.Column{"use": {Field: "loadPowerWatts", Kind: csvimport.Mean}})
		say := func(rows []string) string {
			r := readAll(t, "time,use\n"+strings.Join(rows, "\n")+"\n", o, time.UTC)
			return counters(r.slots, telemetry.LoadTotalKwh, time.UTC)
		}
		first := say(rows)
		total := float64(exact) / 2 / 1e6
		if at := strings.LastIndex(first, "="); math.Abs(number(t, first[at+1:])-total) > 1e-6 {
			rt.Fatalf("the last of %s is not %g", first, total)
		}
		if again := say(rapid.Permutation(rows).Draw(rt, "order")); again != first {
			rt.Fatalf("in another order it is %s, was %s", again, first)
		}
	})
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	var v float64
	if _, err := fmt.Sscan(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestASolarLogsMinutesAreReadAsItWroteThem(t *testing.T) {
	t.Parallel()
	file := "m[mi++]=\"27.03.11 07:25:00|33;53;7;310|0;24;26;0;335;384\"\r\nm[mi++]=\"27.03.11 07:20:00|25;47;4;340|0;26;19;0;359;321\"\r\nm[mi++]=\"27.03.11 07:15:00|9;1220;2\"\r\n"
	o := csvimport.Options{Columns: map[string]*csvimport.Column{
		"inverter2.pac_w": {Field: "acPowerWatts"}, "inverter1.day_wh": {Field: "energyTodayKwh", Unit: "Wh"},
		"inverter2.udc2_v": {Field: "strings[1].voltageVolts"},
	}}
	r := readAll(t, file, o, zone(t, "Europe/Berlin"))
	if len(r.readings) != 3 || !r.readings[0].Timestamp.Equal(stamp("2011-03-27T05:25:00Z")) || value(t, r.readings[0], telemetry.EnergyTodayKwh) != 0.007 ||
		*r.readings[1].Strings[1].VoltageVolts != 321 {
		t.Errorf("got %+v", r.readings)
	}
	if broken := readAll(t, file+"nonsense\r\n", o, time.UTC); broken.rows[3].Problem == "" || broken.rows[3].Line != 4 {
		t.Errorf("got %+v", broken.rows[3])
	}
}

func TestDurationsAreISO8601(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"PT30M": 30 * time.Minute, "PT1H": time.Hour, "PT1H30M": 90 * time.Minute, "P1D": 24 * time.Hour, "PT90S": 90 * time.Second, "PT24H": 24 * time.Hour,
		"": 0, "P": 0, "PT": 0, "30M": 0, "PT30": 0, "P30M": 0, "PT1M1H": 0, "P2D": 0, "PT0S": 0, "P1DT1S": 0, "PT-5M": 0, "PT1.5H": 0, "pt5m": 0, "PT5MT5S": 0, "P1DT": 0,
	} {
		got, err := csvimport.ParseInterval(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %s, %v", text, got, err)
		}
	}
}

func TestGuardedTextsAreHarmlessAndComeBack(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", "=1+1", "+1", "-1", "@x", "\tx", "\rx", "'", "''", "'=1", "'a", "a=1"} {
		guarded := csvimport.Guard(text)
		if back := csvimport.Unguard(guarded); back != text {
			t.Errorf("%q came back as %q", text, back)
		}
		if guarded != "" && strings.IndexByte("=+-@\t\r", guarded[0]) >= 0 {
			t.Errorf("%q is a formula", guarded)
		}
	}
	if csvimport.Unguard("'a") != "'a" {
		t.Error("a text that nobody guarded was changed")
	}
}
