package telemetry_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"ampra/core/fault"
	"ampra/core/payload"
	"ampra/core/telemetry"
)

func TestAPayloadMayHaveAsManySamplesAsADeliveryReadings(t *testing.T) {
	t.Parallel()
	if payload.MaxSamples != telemetry.MaxReadings {
		t.Errorf("%d samples there, %d readings here", payload.MaxSamples, telemetry.MaxReadings)
	}
}

func TestAVendorsPayloadBecomesAReading(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, format, want string }{
		{
			`{"P_AC":303.9,"YieldDay":744,"YieldTotal":512.087,"ts":1782043190}`, "ahoydtu",
			"2026-06-21T11:59:50.000Z acPowerWatts=303.9 energyTodayKwh=0.744 energyTotalKwh=512.087",
		},
		{
			`{"Head":{"Status":{"Code":0},"Timestamp":"2026-06-21T13:59:50+02:00"},"Body":{"Data":{"Site":{"P_PV":null,"P_Grid":310.4,"P_Load":-310.4}}}}`, "fronius",
			"2026-06-21T11:59:50.000Z gridPowerWatts=310.4 loadPowerWatts=310.4",
		},
		{`{"ts":1782043190000,"values":{"acPowerWatts":5,"fanRpm":7}}`, "thingsboard", "2026-06-21T11:59:50.000Z acPowerWatts=5 extra=[fanRpm:7]"},
		{
			`{"pv_power_w":"2622,7","pv1_voltage":341.2,"status":"ok"}`, "",
			defaultTime + ` solarPowerWatts=2622.7 strings=341.2/-/- status=-,"ok"`,
		},
		{`{"status":7,"time":null,"pv_power":5,"x":{"acPowerWatts":6}}`, "", defaultTime + " solarPowerWatts=5 acPowerWatts=6 status=7,-"},
		{`pv,site=roof pv_power=2622.7 1782043190000000000`, "influx line", "2026-06-21T11:59:50.000Z solarPowerWatts=2622.7"},
		{
			`[{"bn":"x","bt":1782043190,"n":"pv_power","u":"kW","v":2.6},{"n":"soc","u":"%EL","v":76}]`, "senml",
			"2026-06-21T11:59:50.000Z solarPowerWatts=2600 batteryStateOfChargePercent=76",
		},
	} {
		report := decode(t, c.text, intake())
		if got := only(t, report); got != c.want || report.Format != c.format {
			t.Errorf("%s:\ngot  %s (%s)\nwant %s (%s)", c.text, got, report.Format, c.want, c.format)
		}
		if len(report.Given) != 1 || len(report.Given[0]) == 0 {
			t.Errorf("%s: no rule is named: %+v", c.text, report.Given)
		}
	}
}

func TestOneCanonicalNameMakesAPayloadCanonical(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"pv_power":5,"acPowerWatts":6}`:           "acPowerWatts=6 extra=[pv_power:5]",
		`{"P_AC":5,"YieldTotal":6,"extra":{"a":1}}`: "extra=[P_AC:5 YieldTotal:6 a:1]",
		`{"pv_power":5,"acPowerWatts":null}`:        "extra=[pv_power:5]",
		`{"a":1,"b":{"c":[1,{}]},"fan":2}`:          "extra=[a:1 fan:2]",
		`{"load_power_w":-5}`:                       "extra=[load_power_w:-5]",
		`{"value":936}`:                             "extra=[value:936]",
	} {
		report := decode(t, text, intake())
		if got := only(t, report); got != defaultTime+" "+want || report.Given != nil || report.Format != "" {
			t.Errorf("%s: got %s, %+v", text, got, report)
		}
	}
	report := decode(t, `[{"ts":1782000000,"pv_power":5},{"loadPowerWatts":6}]`, intake())
	if len(report.Readings) != 2 || report.Given != nil || report.Readings[0].Extra["pv_power"] != 5 {
		t.Errorf("got %+v", report)
	}
}

func TestAPayloadWithManyNamesIsLookedThroughOnce(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 100 {
		b.WriteString(`"n` + strconv.Itoa(i) + `":null,`)
	}
	if got := only(t, decode(t, `{`+b.String()+`"acPowerWatts":5}`, intake())); got != defaultTime+" acPowerWatts=5" {
		t.Errorf("got %s", got)
	}
	if got := only(t, decode(t, `{`+b.String()+`"pv_power":5}`, intake())); got != defaultTime+" solarPowerWatts=5" {
		t.Errorf("got %s", got)
	}
	_, err := telemetry.Decode([]byte(`{`+b.String()+`"n7":1,"pv_power":5}`), intake())
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "stands twice") {
		t.Errorf("got %v", err)
	}
}

func TestADevicesClockThatIsFarOffIsRefusedWithTheRange(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"P_AC":1,"YieldTotal":2,"ts":12345}`, `{"P_AC":1,"YieldTotal":2,"ts":2461449600}`,
		`{"Time":"1970-01-01T00:00:07+00:00","ENERGY":{"Power":5}}`, `pv pv_power=1 2461449600000000000`,
	} {
		report := decode(t, text, intake())
		if len(report.Readings) != 0 || len(report.Rejected) != 1 || len(report.Given) != 0 ||
			!strings.Contains(report.Rejected[0].Reason, "is out of the allowed range, 2000-01-01T00:00:00Z until 2026-06-21T12:15:00.123Z") {
			t.Errorf("%s: got %+v", text, report)
		}
	}
}

func TestALocalTimeIsTheSites(t *testing.T) {
	t.Parallel()
	const text = `{"Time":"2026-06-21T13:59:50","ENERGY":{"Power":612}}`
	in := intake()
	report := decode(t, text, in)
	if got := only2(t, report, 1); got != defaultTime+" acPowerWatts=612" || !strings.Contains(report.Warnings[0].Reason, "local time without a zone") {
		t.Errorf("got %s, %+v", got, report.Warnings)
	}
	in.Zone = time.FixedZone("", 7200)
	if got := only(t, decode(t, text, in)); got != "2026-06-21T11:59:50.000Z acPowerWatts=612" {
		t.Errorf("got %s", got)
	}
}

func TestALocalTimeBesideNothingThatIsKnownIsTheSitesOrWarnedOf(t *testing.T) {
	t.Parallel()
	for text, local := range map[string]bool{
		`{"time":"2026-06-21T13:59:50","foo":12}`: true, `{"Time":"2026-06-21 13:59:50","foo":12}`: true, `{"time":"13:59","foo":12}`: false,
	} {
		in := intake()
		report := decode(t, text, in)
		if got := only2(t, report, 1); got != defaultTime+" extra=[foo:12]" || local != strings.Contains(report.Warnings[0].Reason, "local time without a zone") {
			t.Errorf("%s without a zone: got %s, %+v", text, got, report.Warnings)
		}
		if in.Zone = time.FixedZone("", 7200); !local {
			continue
		}
		report = decode(t, text, in)
		if got := only(t, report); got != "2026-06-21T11:59:50.000Z extra=[foo:12]" || report.Given[0][0].Field() != "timestamp" {
			t.Errorf("%s: got %s, %+v", text, got, report.Given)
		}
	}
}

// only2 is the only reading of a report with this many warnings.
func only2(t *testing.T, report telemetry.Report, warnings int) string {
	t.Helper()
	if len(report.Readings) != 1 || len(report.Rejected) != 0 || len(report.Warnings) != warnings {
		t.Fatalf("got %+v", report)
	}
	return describe(report.Readings[0])
}

func TestWhatAVendorSendsAndCannotBeIsLeftOut(t *testing.T) {
	t.Parallel()
	report := decode(t, `{"P_AC":1,"YieldTotal":-5,"F_AC":5001}`, intake())
	if got := only2(t, report, 2); got != defaultTime+" acPowerWatts=1" {
		t.Errorf("got %s", got)
	}
}

func TestWhatIsNoSampleIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"name":"PV","uniq_id":"x","stat_t":"a/b","unit_of_meas":"W","qos":1}`: "Home Assistant",
		`{"Head":{"Status":{"Code":12,"Reason":"Timeout"}},"Body":{"Data":{}}}`: "error instead of a sample: Timeout",
	} {
		report := decode(t, text, intake())
		if len(report.Readings) != 0 || len(report.Rejected) != 1 || !strings.Contains(report.Rejected[0].Reason, want) {
			t.Errorf("%s: got %+v", text, report)
		}
		if report.Harmless != (want == "Home Assistant") {
			t.Errorf("%s: harmless %t", text, report.Harmless)
		}
	}
}

func TestInAListOneSampleMayLackATime(t *testing.T) {
	t.Parallel()
	report := decode(t, `[{"pv_power":1},7,{"pv_power":2},{"pv_power":3,"ts":1782000000}]`, intake())
	if len(report.Readings) != 2 || len(report.Given) != 2 || len(report.Rejected) != 2 ||
		report.Rejected[0].Index != 1 || report.Rejected[1].Index != 2 {
		t.Errorf("got %+v", report)
	}
}

func TestATopicsTextMayBeALineOfAFormat(t *testing.T) {
	t.Parallel()
	const line = `pv pv_power=5 1782043190000000000`
	if got := only(t, decode(t, line, named("telegraf"))); got != "2026-06-21T11:59:50.000Z solarPowerWatts=5" {
		t.Errorf("got %s", got)
	}
	if got := only(t, decode(t, line, named("status"))); got != defaultTime+` status=-,"`+line+`"` {
		t.Errorf("got %s", got)
	}
	if got := only(t, decode(t, `{"value":-310}`, named("system/0/Dc/Battery/Power"))); got != defaultTime+" batteryPowerWatts=310" {
		t.Errorf("got %s", got)
	}
}

func TestAVendorsReadingKeepsNothingOfThePayload(t *testing.T) {
	t.Parallel()
	data := []byte(`{"pv_power":5,"status":"running","fan":7,"n":{"a":1}}`)
	report, err := telemetry.Decode(data, intake())
	if err != nil {
		t.Fatal(err)
	}
	want := describe(report.Readings[0]) + report.Given[0][0].From
	for i := range data {
		data[i] = 'x'
	}
	if got := describe(report.Readings[0]) + report.Given[0][0].From; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkDecodeVendors(b *testing.B) {
	for _, file := range []string{"ahoydtu/ch0.json", "grott/sph.json", "opendtu/live.json", "fronius/site.json", "tasmota/sensor.json", "general/units_in_names.json"} {
		b.Run(file, func(b *testing.B) {
			data, err := os.ReadFile("../payload/testdata/" + file)
			if err != nil {
				b.Fatal(err)
			}
			in := benchmarkIntake()
			in.Zone = time.UTC
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var d telemetry.Decoder // as ingest has one
			for b.Loop() {
				if report, err := d.Decode(data, in); err != nil || len(report.Readings) != 1 {
					b.Fatal(report, err)
				}
			}
		})
	}
}

func TestAUsualVendorsPayloadTakesFewAllocations(t *testing.T) {
	for _, file := range []string{"ahoydtu/ch0.json", "fronius/site.json", "tasmota/sensor.json", "sbfspot/day_first.json", "grott/sph.json", "opendtu/live.json"} {
		data, err := os.ReadFile("../payload/testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		in := benchmarkIntake()
		in.Zone = time.UTC
		allocs := testing.AllocsPerRun(50, func() {
			if _, err := telemetry.Decode(data, in); err != nil {
				t.Fatal(err)
			}
		})
		if allocs > 20 {
			t.Errorf("%s: got %.0f allocations, want at most 20", file, allocs)
		}
	}
}
