package telemetry_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/payload"
	"ampra/core/telemetry"
)

func decided(list ...payload.Override) telemetry.Intake {
	return telemetry.Intake{
		SourceID: uuid.New(), ReceivedAt: time.Date(2026, time.June, 14, 10, 0, 30, 0, time.UTC), Overrides: payload.NewOverrides(list),
	}
}

func TestOverridesHoldForCanonicalNamesToo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data string
		o    payload.Override
		want float64
	}{
		"a sign that the device has the other way round": {`{"gridPowerWatts":300}`, payload.Override{Field: "gridPowerWatts", From: "gridPowerWatts", Invert: true}, -300},
		"a member beside canonical ones":                 {`{"acPowerWatts":1,"p":2}`, payload.Override{Field: "gridPowerWatts", From: "p", Unit: "kW"}, 2000},
		"a member of extra":                              {`{"acPowerWatts":1,"extra":{"p":2}}`, payload.Override{Field: "gridPowerWatts", From: "extra.p"}, 2},
		"what would be refused otherwise":                {`{"timestamp":"2026-06-14T10:00:00Z","gridPowerWatts":"1,2 kW"}`, payload.Override{Field: "gridPowerWatts", From: "gridPowerWatts"}, 1200},
	} {
		report, err := telemetry.Decode([]byte(c.data), decided(c.o))
		if err != nil || len(report.Readings) != 1 || len(report.Warnings) != 0 {
			t.Errorf("%s: %v, %+v", name, err, report)
			continue
		}
		if got, ok := report.Readings[0].Values.Get(telemetry.GridPowerWatts); !ok || got != c.want {
			t.Errorf("%s: %v, %v, want %v", name, got, ok, c.want)
		}
		explained := telemetry.Explain(&report.Readings[0], report.Given[0], time.Time{})
		for _, e := range explained {
			if want := map[bool]string{true: "override"}[e.Field == "gridPowerWatts"]; e.Rule != want {
				t.Errorf("%s: %s by %q, want %q", name, e.Field, e.Rule, want)
			}
		}
	}
}

func TestOverridesHoldForEachReadingOfAList(t *testing.T) {
	t.Parallel()
	in := decided(payload.Override{Field: "loadPowerWatts", From: "p"}, payload.Override{Field: "timestamp", From: "at"})
	report, err := telemetry.Decode([]byte(`[{"acPowerWatts":1,"p":5,"at":1781431200},7,{"acPowerWatts":2,"p":6,"at":1781431260}]`), in)
	if err != nil || len(report.Readings) != 2 || len(report.Rejected) != 1 || len(report.Given) != 2 {
		t.Fatalf("%v, %+v", err, report)
	}
	for i, want := range []float64{5, 6} {
		r := report.Readings[i]
		if got, _ := r.Values.Get(telemetry.LoadPowerWatts); got != want || r.Timestamp.Unix() != 1781431200+60*int64(i) || len(r.Extra) != 0 {
			t.Errorf("reading %d: %v at %v, extra %v", i, got, r.Timestamp, r.Extra)
		}
	}
}

func TestAValueOfATopicOfItsOwnIsOverriddenByItsTopic(t *testing.T) {
	t.Parallel()
	in := decided(payload.Override{Field: "gridPowerWatts", From: "meter.total", Invert: true})
	var d telemetry.Decoder
	report := d.DecodeTopics([]payload.Value{{Topic: "meter/total", Payload: []byte("1.5 kW")}}, in)
	if len(report.Readings) != 1 {
		t.Fatalf("%+v", report)
	}
	if got, ok := report.Readings[0].Values.Get(telemetry.GridPowerWatts); !ok || got != -1500 {
		t.Errorf("%v, %v", got, ok)
	}
}

func TestAPinDecidesWhoReads(t *testing.T) {
	t.Parallel()
	in := decided()
	in.Profile = payload.Canonical
	report, err := telemetry.Decode([]byte(`{"pv_power":5}`), in)
	if err != nil || report.Readings[0].Extra["pv_power"] != 5 {
		t.Errorf("canonical: %v, %+v", err, report)
	}
	for _, text := range []string{
		`[{"bn":"d:","n":"pv_power","v":5},{"n":"acPowerWatts","v":6}]`, `[[0,"roof",{"pv_power":5,"acPowerWatts":6}]]`,
		`{"ts":1781431200000,"values":{"pv_power":5,"acPowerWatts":6}}`, `m pv_power=5,acPowerWatts=6`,
	} {
		report, err = telemetry.Decode([]byte(text), in)
		if err != nil || len(report.Readings) != 1 {
			t.Fatalf("%s: %v, %+v", text, err, report)
		}
		if got, ok := report.Readings[0].Values.Get(telemetry.ACPowerWatts); !ok || got != 6 || report.Readings[0].Extra["pv_power"] != 5 {
			t.Errorf("%s: %+v", text, report.Readings[0])
		}
	}
	in.Profile = "grott"
	report, err = telemetry.Decode([]byte(`{"acPowerWatts":5,"values":{"pvpowerin":100}}`), in)
	if err != nil || report.Format != "grott" {
		t.Fatalf("grott: %v, %+v", err, report)
	}
	if got, _ := report.Readings[0].Values.Get(telemetry.SolarPowerWatts); got != 10 {
		t.Errorf("grott reads %v", got)
	}
}

func FuzzDecidedDecode(f *testing.F) {
	f.Add(`{"gridPowerWatts":"1 kW","x":[1]}`, "gridPowerWatts", "gridPowerWatts")
	f.Add(`[{"acPowerWatts":1,"strings":[{"powerWatts":2}]},{"y":"3"}]`, "strings[2].powerWatts", "strings.0.powerWatts")
	f.Add(`{"acPowerWatts":1,`, "extra", "acPowerWatts")
	f.Fuzz(func(t *testing.T, data, field, from string) {
		in := decided(payload.Override{Field: field, From: from})
		report, err := telemetry.Decode([]byte(data), in)
		if err != nil {
			return
		}
		if report.Given != nil && len(report.Given) != len(report.Readings) {
			t.Errorf("%d readings, %d explanations", len(report.Readings), len(report.Given))
		}
		for _, r := range report.Readings {
			if r.IsEmpty() {
				t.Errorf("an empty reading of %q", data)
			}
		}
	})
}
