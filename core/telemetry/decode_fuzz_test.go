package telemetry_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// FuzzDecode feeds payloads, as deliveries and as values of a topic of their
// own, and holds every report to what is true of all.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		usual, small, "[" + small + "," + small + "]", ``, `NaN`, `52.3`, `"52.3"`, `online`, `null`, `{}`, `[]`, `[{},1,null]`,
		`{"P_PV":null,"E_Day":8120,"Head":{"Timestamp":"2026-06-14T12:00:05+02:00"}}`, `{"value":936}`, `{"Power":[8.1,0],"Time":"2026-06-14T12:00:05"}`,
		`{"ts":1756123456000,"values":{"pv_power":2622.7}}`, `{"time":1756123456,"power1":100,"acPowerWatts":1e400}`,
		`{"status":{"code":7,"text":"ok"},"strings":[{"powerWatts":1},null,7],"phases":[{"voltageVolts":"x"}],"extra":{"a":-0}}`,
		"{\"status\":\"\xff\"}", `{"ts":1.7e9,"time":1700000000000,"acPowerWatts":1}`, `{"status":"` + strings.Repeat("ä", 300) + `"}`,
	} {
		f.Add([]byte(text), "")
		f.Add([]byte(text), "acPowerWatts")
		f.Add([]byte(text), "status")
		f.Add([]byte(text), "own/topic")
	}
	files, err := filepath.Glob("../payload/testdata/*/*.[jt][sx]*")
	if err != nil || len(files) < 40 {
		f.Fatal(len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "")
	}
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		in := intake()
		in.Name = name
		report, err := telemetry.Decode(data, in)
		if err != nil {
			if code := fault.CodeOf(err); code != fault.Invalid && code != fault.TooLarge {
				t.Fatalf("%q: %v", data, err)
			}
			if len(report.Readings)+len(report.Rejected)+len(report.Warnings)+report.DroppedExtra > 0 {
				t.Fatalf("%q: a report beside an error", data)
			}
			return
		}
		mustBeSound(t, report, in)
		// Formats put elements together or take them apart.
		if got, want := len(report.Readings)+len(report.Rejected), elements(t, data, name, report); report.Format == "" && got != want {
			t.Fatalf("%q: %d elements are accounted for, of %d", data, got, want)
		}
		entry := telemetry.Entry{SourceID: source(), Readings: report.Readings}
		again, err := telemetry.DecodeEntry(telemetry.AppendEntry(nil, entry))
		if err != nil {
			t.Fatalf("%q does not pass the journal: %v", data, err)
		}
		for i, r := range again.Readings {
			if !same(r, report.Readings[i]) {
				t.Fatalf("%q comes out of the journal as %s, want %s", data, describe(r), describe(report.Readings[i]))
			}
		}
	})
}

// elements is how many readings a payload that was taken has, by the count of
// another parser.
func elements(t *testing.T, data []byte, name string, report telemetry.Report) int {
	t.Helper()
	value := jsontext.Value(data)
	if !value.IsValid() {
		if name == "" && report.Format == "" {
			t.Fatalf("%q was taken and is not JSON", data)
		}
		return 1
	}
	decoder := jsontext.NewDecoder(strings.NewReader(string(data)))
	if first, err := decoder.ReadToken(); err != nil || first.Kind() != '[' {
		return 1
	}
	n := 0
	for decoder.PeekKind() != ']' {
		if err := decoder.SkipValue(); err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}
