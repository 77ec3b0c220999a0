package payload_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"ampra/core/payload"
)

func options(t testing.TB) payload.Options {
	return payload.Options{Received: received(), Zone: berlin(t)}
}

func normalise(t testing.TB, text string, o payload.Options) payload.Result {
	t.Helper()
	r, err := payload.Normalise([]byte(text), o)
	if err != nil {
		t.Fatalf("%.80s: %v", text, err)
	}
	return r
}

// one is the only sample of a payload.
func one(t testing.TB, text string, o payload.Options) payload.Sample {
	t.Helper()
	r := normalise(t, text, o)
	if len(r.Samples) != 1 || len(r.Rejected) != 0 {
		t.Fatalf("%.80s: got %+v", text, r)
	}
	return r.Samples[0]
}

func fixture(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// want checks fields.
func want(t *testing.T, s payload.Sample, fields map[payload.Field]float64) {
	t.Helper()
	for f, value := range fields {
		if got, ok := s.Get(f); !ok || math.Abs(got-value) > 1e-9 {
			t.Errorf("%s: got %v, %t, want %v", f, got, ok, value)
		}
	}
}

func TestUnitsThatDifferInOneDeviceAreTold(t *testing.T) {
	t.Parallel()
	want(t, one(t, fixture(t, "opendtu/live.json"), options(t)), map[payload.Field]float64{
		payload.EnergyTodayKwh: 1.834, payload.EnergyTotalKwh: 912.473,
	})
	want(t, one(t, fixture(t, "ahoydtu/ch0.json"), options(t)), map[payload.Field]float64{
		payload.EnergyTodayKwh: 0.744, payload.EnergyTotalKwh: 512.087,
	})
}

func TestWholeNumbersBeforeDivisionAreDivided(t *testing.T) {
	t.Parallel()
	want(t, one(t, fixture(t, "grott/buffered.json"), options(t)), map[payload.Field]float64{
		payload.SolarPowerWatts: 1234.5, payload.EnergyTotalKwh: 8120,
	})
	want(t, one(t, fixture(t, "grott/sph.json"), options(t)), map[payload.Field]float64{
		payload.GridFrequencyHertz: 50.01, payload.BatteryStateOfChargePercent: 76,
	})
	// Another layout sends percents as they are.
	s := one(t, `{"device":"x","buffered":"no","values":{"pvserial":"x","SOC":76}}`, options(t))
	want(t, s, map[payload.Field]float64{payload.BatteryStateOfChargePercent: 76})
}

func TestTenthsOfAKelvinAreDegrees(t *testing.T) {
	t.Parallel()
	want(t, one(t, fixture(t, "zendure/report.json"), options(t)), map[payload.Field]float64{
		payload.InverterTemperatureCelsius: 35, payload.BatteryPowerWatts: -412, payload.ACPowerWatts: 240,
	})
	want(t, one(t, fixture(t, "zendure/discharging.json"), options(t)), map[payload.Field]float64{
		payload.InverterTemperatureCelsius: 22, payload.BatteryPowerWatts: 185,
	})
}

// Three packets hold what belongs to one moment.
func TestPacketsOfOneMomentAreOfOneTime(t *testing.T) {
	t.Parallel()
	first, second, third := one(t, fixture(t, "lxp-bridge/inputs_1.json"), options(t)), one(t, fixture(t, "lxp-bridge/inputs_2.json"), options(t)), one(t, fixture(t, "lxp-bridge/inputs_3.json"), options(t))
	if !first.Timed || first.Milli != second.Milli || first.Milli != third.Milli {
		t.Errorf("packets of one moment are of %d, %d and %d", first.Milli, second.Milli, third.Milli)
	}
	want(t, first, map[payload.Field]float64{payload.GridPowerWatts: -1210, payload.BatteryPowerWatts: -500, payload.EnergyTodayKwh: 9.4})
	want(t, second, map[payload.Field]float64{payload.EnergyTotalKwh: 13899.8, payload.GridExportTotalKwh: 4936.6})
	if _, known := second.Get(payload.GridPowerWatts); known {
		t.Error("a packet tells what another one holds")
	}
}

func TestOppositeSignsAreTurned(t *testing.T) {
	t.Parallel()
	for file, grid := range map[string]float64{
		"solax/cloud.json": -912, "sonnen/status.json": -1210, "solaranzeige/gathered.json": -1210.4, "fronius/site.json": -1210.4,
		"solaredge/flow_export.json": -410, "solaredge/flow_import.json": 410, "grott/sph.json": -912, "dsmr/reader.json": -1210,
	} {
		want(t, one(t, fixture(t, file), options(t)), map[payload.Field]float64{payload.GridPowerWatts: grid})
	}
	for file, battery := range map[string]float64{
		"solax/cloud.json": -420, "senec/hex.json": -500, "enphase/live.json": -774, "evcc/gathered.json": -500, "sonnen/status.json": -500,
	} {
		want(t, one(t, fixture(t, file), options(t)), map[payload.Field]float64{payload.BatteryPowerWatts: battery})
	}
	want(t, one(t, fixture(t, "fronius/site.json"), options(t)), map[payload.Field]float64{payload.LoadPowerWatts: 912.3})
}

func TestWhatAMetersPlaceMakesAmbiguousIsNotGuessed(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"fronius/meter_at_load.json", "shelly/em1.json", "shelly/switch_both_ways.json", "solaredge/flow_no_direction.json"} {
		s := one(t, fixture(t, file), options(t))
		if v, ok := s.Get(payload.GridPowerWatts); ok {
			t.Errorf("%s: got grid power %v", file, v)
		}
		if v, ok := s.Get(payload.ACPowerWatts); ok {
			t.Errorf("%s: got AC power %v", file, v)
		}
	}
}

func TestABareMeterIsWhereItsOwnerSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file  string
		meter payload.Meter
		want  map[payload.Field]float64
	}{
		{"tasmota/sensor.json", payload.MeterUnknown, map[payload.Field]float64{payload.ACPowerWatts: 612, payload.EnergyTotalKwh: 812.417}},
		{"tasmota/sensor.json", payload.MeterLoad, map[payload.Field]float64{payload.LoadPowerWatts: 612, payload.LoadTotalKwh: 812.417}},
		{"tasmota/sml.json", payload.MeterUnknown, map[payload.Field]float64{payload.GridPowerWatts: -894, payload.GridExportTotalKwh: 14737.1422}},
		{"tasmota/sml.json", payload.MeterOutput, map[payload.Field]float64{payload.ACPowerWatts: -894, payload.EnergyTotalKwh: 14737.1422}},
		// "aenergy" counts both directions once "ret_aenergy" is there.
		{"shelly/switch_both_ways.json", payload.MeterGrid, map[payload.Field]float64{
			payload.GridPowerWatts: 399.2, payload.GridImportTotalKwh: 2570.466629, payload.GridExportTotalKwh: 4,
		}},
	} {
		o := options(t)
		o.Meter = c.meter
		s := one(t, fixture(t, c.file), o)
		want(t, s, c.want)
		for _, g := range s.Given {
			if g.Assumed != (c.meter == payload.MeterUnknown) && (g.To == payload.Target(payload.ACPowerWatts) || g.To == payload.Target(payload.GridPowerWatts)) {
				t.Errorf("%s: %s is assumed: %t", c.file, g.Field(), g.Assumed)
			}
		}
	}
}

func TestADeltaHasOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	s := one(t, fixture(t, "shelly/notify_delta.json"), options(t))
	if _, ok := s.Get(payload.GridPowerWatts); ok || s.Phases[1].Number[2] != 88.1 || s.Phases[0].Known != [3]bool{} || s.Milli != 1756123456780 {
		t.Errorf("got %+v", s)
	}
}

func TestTimesOfEveryForm(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, time.June, 14, 10, 0, 5, 0, time.UTC)
	for text, want := range map[string]time.Time{
		`1781431205`:                  noon,
		`1781431205.25`:               noon.Add(250 * time.Millisecond),
		`"1781431205"`:                noon,
		`1781431205250`:               noon.Add(250 * time.Millisecond),
		`1781431205250000000`:         noon.Add(250 * time.Millisecond),
		`"2026-06-14T12:00:05+02:00"`: noon,
		`"2026-06-14T10:00:05.5Z"`:    noon.Add(500 * time.Millisecond),
		`"2026-06-14T12:00:05"`:       noon,
		`"2026-06-14 12:00:05"`:       noon,
		`"2026-06-14T12:00:05+0200"`:  noon,
		`"2026-01-14T12:00:05"`:       time.Date(2026, time.January, 14, 11, 0, 5, 0, time.UTC),
		`12345`:                       time.Unix(12345, 0),
		`2461449600`:                  time.Unix(2461449600, 0),
	} {
		s := one(t, `{"time":`+text+`,"pv_power":1}`, options(t))
		if !s.Timed || s.Milli != want.UnixMilli() {
			t.Errorf("%s: got %v, %t, want %v", text, time.UnixMilli(s.Milli).UTC(), s.Timed, want.UTC())
		}
	}
}

func TestALocalTimeWithoutTheSitesZoneIsNotTakenForUTC(t *testing.T) {
	t.Parallel()
	o := payload.Options{Received: received()}
	for _, file := range []string{"tasmota/sensor.json", "sbfspot/day_first.json", "solaredge/overview.json", "pvoutput/status.txt"} {
		r := normalise(t, fixture(t, file), o)
		if len(r.Samples) != 1 || r.Samples[0].Timed || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0].Reason, "local time without a zone") {
			t.Errorf("%s: got %+v", file, r)
		}
	}
	// What was stored for hours did not happen now.
	r := normalise(t, fixture(t, "grott/buffered.json"), o)
	if len(r.Samples) != 0 || len(r.Rejected) != 1 || !strings.Contains(r.Rejected[0].Reason, "stored by the device") {
		t.Errorf("got %+v", r)
	}
}

func TestTheHourThatTheClockShowsTwiceIsTheOneNearerToNow(t *testing.T) {
	t.Parallel()
	for _, received := range []time.Time{
		time.Date(2026, time.October, 25, 0, 30, 20, 0, time.UTC), time.Date(2026, time.October, 25, 1, 30, 20, 0, time.UTC),
	} {
		o := payload.Options{Received: received, Zone: berlin(t)}
		s := one(t, `{"Time":"2026-10-25T02:30:00","ENERGY":{"Power":1}}`, o)
		if got := time.UnixMilli(s.Milli); !got.Equal(received.Add(-20 * time.Second)) {
			t.Errorf("received %v: got %v", received, got.UTC())
		}
	}
}

func TestADayFirstDateIsNotTakenForAMonth(t *testing.T) {
	t.Parallel()
	s := one(t, fixture(t, "sbfspot/metering.json"), options(t))
	if got := time.UnixMilli(s.Milli).UTC(); got.Month() != time.June || got.Day() != 3 {
		t.Errorf("got %v", got)
	}
	// Where nobody says so, such a date is not understood.
	r := normalise(t, `{"time":"03/06/2026 12:00:05","pv_power":1}`, options(t))
	if len(r.Samples) != 1 || r.Samples[0].Timed || len(r.Warnings) != 1 {
		t.Errorf("got %+v", r)
	}
}

func TestWhatIsNoNumberIsNoValue(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`"NaN"`, `"nan"`, `"inf"`, `"-Infinity"`, `"None"`, `""`, `"online"`, `null`, `1e400`, `"1e400"`, `"0x10"`, `"1.2.3"`, `"1,234.5"`, `true`, `"fl_7FC00000"`, `"12 kg"`} {
		r := normalise(t, `{"P_AC":`+text+`,"YieldTotal":5}`, options(t))
		if len(r.Samples) != 1 {
			t.Errorf("%s: got %+v", text, r)
			continue
		}
		if v, ok := r.Samples[0].Get(payload.ACPowerWatts); ok {
			t.Errorf("%s: got %v", text, v)
		}
	}
	for text, number := range map[string]float64{
		`"52.30"`: 52.3, `"0,5"`: 0.5, `" -7 "`: -7, `"+7"`: 7, `"1e3"`: 1000, `"1.5 kW"`: 1500, `"612W"`: 612, `"fl_43A12345"`: 322.2755432128906,
	} {
		s := one(t, `{"P_AC":`+text+`,"YieldTotal":5}`, options(t))
		if got, ok := s.Get(payload.ACPowerWatts); !ok || math.Abs(got-number) > 1e-9 {
			t.Errorf("%s: got %v, %t", text, got, ok)
		}
	}
}

func TestMalformedTextsAreRefusedWithTheByte(t *testing.T) {
	t.Parallel()
	for text, at := range map[string]int{
		``: 0, `{"P_AC":NaN}`: 8, `{"P_AC":1,"P_AC":2}`: 10, "{\"x\":\"\xff\"}": 6, `[{"ts":1},]`: 10, `hello`: 0, `a=1 b`: 0, `{"Device A":[{"ts":1,"values":{"a":1}}`: 38,
		strings.Repeat("[", 100): 32,
	} {
		_, err := payload.Normalise([]byte(text), options(t))
		var syntax *payload.SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != at {
			t.Errorf("%q: got %v, want an error at byte %d", text, err, at)
		}
	}
}

func TestALargePayloadIsReadWithinTheLimits(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"pv_power":7`)
	for i := 0; b.Len() < 64<<10; i++ {
		fmt.Fprintf(&b, `,"some_name_%d":%d`, i, i)
	}
	r := normalise(t, b.String()+"}", options(t))
	if len(r.Samples) != 1 || len(r.Samples[0].Extra) != 64 || r.Dropped < 1000 {
		t.Errorf("got %d extras, %d dropped", len(r.Samples[0].Extra), r.Dropped)
	}
	want(t, r.Samples[0], map[payload.Field]float64{payload.SolarPowerWatts: 7})
	long := strings.Repeat("x", 30<<10)
	r = normalise(t, `{"`+long+`":{"`+long+`":[1,2,3]},"pv_power":7}`, options(t))
	if len(r.Samples) != 1 || len(r.Samples[0].Extra) != 0 || r.Dropped != 3 {
		t.Errorf("got %+v", r)
	}
	many := "[" + strings.Repeat("1,", payload.MaxSamples) + "1]"
	var tooMany *payload.TooManyError
	if _, err := payload.Normalise([]byte(many), options(t)); !errors.As(err, &tooMany) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoSampleIsRejectedWithItsReason(t *testing.T) {
	t.Parallel()
	for file, reason := range map[string]string{
		"homeassistant/discovery.json": "discovery message", "homeassistant/abbreviated.json": "discovery message",
		"fronius/error.json": "error instead of a sample: Transfer timeout", "victron/null.json": "nothing in it",
	} {
		r := normalise(t, fixture(t, file), options(t))
		if len(r.Samples) != 0 || len(r.Rejected) != 1 || !strings.Contains(r.Rejected[0].Reason, reason) {
			t.Errorf("%s: got %+v", file, r)
		}
	}
}

func TestDevicesOfOneMessageAreNotMixed(t *testing.T) {
	t.Parallel()
	s := one(t, fixture(t, "opendtu/two_inverters.json"), options(t))
	if _, ok := s.Get(payload.InverterTemperatureCelsius); ok || len(s.Strings) > 0 {
		t.Errorf("got %+v", s)
	}
	for _, s := range normalise(t, fixture(t, "thingsboard/gateway.json"), options(t)).Samples {
		if s.Recognised() || len(s.Extra) != 1 {
			t.Errorf("got %+v", s)
		}
	}
}

func TestNothingIsDerivedFromHalfOfAPair(t *testing.T) {
	t.Parallel()
	s := one(t, `{"battery_charge_power":500,"grid_export_power_w":20}`, options(t))
	if s.Recognised() || len(s.Extra) != 2 || len(s.Given) != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestARuleIsNamedForEachField(t *testing.T) {
	t.Parallel()
	s := one(t, fixture(t, "general/units_in_names.json"), options(t))
	for f := range payload.Field(payload.NumFields) {
		_, known := s.Get(f)
		given := false
		for _, g := range s.Given {
			given = given || g.Field() == f.String() && g.Rule != "" && g.From != ""
		}
		if known != given {
			t.Errorf("%s: known %t, given %t", f, known, given)
		}
	}
}
