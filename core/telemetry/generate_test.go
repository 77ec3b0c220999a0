package telemetry_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"ampra/core/telemetry"
)

// drawReading draws any reading that Decode could have made of one delivery to
// the source at the time; nothing in it at all is allowed too.
func drawReading(t *rapid.T, id uuid.UUID, received time.Time) telemetry.Reading {
	latest := received.Add(telemetry.MaxAhead).UnixMilli()
	r := telemetry.Reading{
		SourceID: id, ReceivedAt: received,
		Timestamp: time.UnixMilli(rapid.Int64Range(telemetry.Earliest().UnixMilli(), latest).Draw(t, "timestamp")).UTC(),
	}
	for f := range telemetry.Field(telemetry.NumFields) {
		if rapid.Bool().Draw(t, "known") {
			r.Values.Set(f, rapid.Float64Range(f.Info().Min, f.Info().Max).Draw(t, "value")+0)
		}
	}
	r.Strings, r.Phases = drawLines(t, "strings"), drawLines(t, "phases")
	code := rapid.Ptr(rapid.Int64(), true).Draw(t, "code")
	text := rapid.Ptr(rapid.StringMatching(`[^\x00]{0,20}`), true).Draw(t, "text")
	if code != nil || text != nil {
		r.Status = &telemetry.Status{Code: code, Text: text}
	}
	names := rapid.StringMatching(`x[a-zäöü0-9./$_ ]{0,8}`)
	if extra := rapid.MapOfN(names, rapid.Float64(), 0, 5).Draw(t, "extra"); len(extra) > 0 {
		for name := range extra {
			extra[name] += 0
		}
		r.Extra = extra
	}
	return r
}

// drawLines draws strings or phases: nil, or some with at least one number.
func drawLines(t *rapid.T, label string) []telemetry.Line {
	number := rapid.Ptr(rapid.Float64Range(-1e6, 1e6), true)
	lines := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) telemetry.Line {
		return telemetry.Line{
			VoltageVolts: number.Draw(t, "voltage"), CurrentAmperes: number.Draw(t, "current"), PowerWatts: number.Draw(t, "power"),
		}
	}), 0, 4).Draw(t, label)
	known := false
	for _, line := range lines {
		for _, part := range []*float64{line.VoltageVolts, line.CurrentAmperes, line.PowerWatts} {
			if part != nil {
				*part += 0
				known = true
			}
		}
	}
	if !known {
		return nil
	}
	return lines
}

// exported is a reading as our own answers have it, absent values and all.
func exported(r telemetry.Reading) string {
	var b strings.Builder
	b.WriteString(`{"sourceId":"` + r.SourceID.String() + `","timestamp":"` + milli(r.Timestamp) + `","receivedAt":"` + milli(r.ReceivedAt) + `"`)
	for f := range telemetry.Field(telemetry.NumFields) {
		number, ok := r.Values.Get(f)
		b.WriteString(`,"` + f.String() + `":` + numberOr(&number, ok))
	}
	b.WriteString(`,"strings":` + exportedLines(r.Strings) + `,"phases":` + exportedLines(r.Phases) + `,"status":`)
	if r.Status == nil {
		b.WriteString("null")
	} else {
		code, text := "null", "null"
		if r.Status.Code != nil {
			code = strconv.FormatInt(*r.Status.Code, 10)
		}
		if r.Status.Text != nil {
			text = quote(*r.Status.Text)
		}
		b.WriteString(`{"code":` + code + `,"text":` + text + `}`)
	}
	members := make([]string, 0, len(r.Extra))
	for name, number := range r.Extra {
		members = append(members, quote(name)+":"+numberOr(&number, true))
	}
	slices.Sort(members)
	b.WriteString(`,"extra":{` + strings.Join(members, ",") + `}}`)
	return b.String()
}

func exportedLines(lines []telemetry.Line) string {
	parts := make([]string, len(lines))
	for i, l := range lines {
		parts[i] = `{"voltageVolts":` + numberOr(l.VoltageVolts, l.VoltageVolts != nil) + `,"currentAmperes":` +
			numberOr(l.CurrentAmperes, l.CurrentAmperes != nil) + `,"powerWatts":` + numberOr(l.PowerWatts, l.PowerWatts != nil) + `}`
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func numberOr(number *float64, known bool) string {
	if !known {
		return "null"
	}
	return strconv.FormatFloat(*number, 'g', -1, 64)
}

func quote(text string) string {
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return `"?"`
	}
	return string(quoted)
}

func received() time.Time { return telemetry.Truncate(intake().ReceivedAt) }

func TestAnExportedReadingImportsAsItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawReading(t, source(), received())
		report, err := telemetry.Decode([]byte(exported(want)), intake())
		if err != nil {
			t.Fatalf("%s: %v", exported(want), err)
		}
		if want.IsEmpty() {
			if len(report.Readings) != 0 {
				t.Fatalf("an empty reading was taken: %+v", report)
			}
			return
		}
		if len(report.Readings) != 1 || len(report.Warnings)+report.DroppedExtra != 0 {
			t.Fatalf("%s: got %+v", exported(want), report)
		}
		mustBeSame(t, report.Readings[0], want)
	})
}

// mustBeSame compares all of two readings.
func mustBeSame(t rapid.TB, got, want telemetry.Reading) {
	t.Helper()
	if !same(got, want) {
		t.Fatalf("got  %s\nwant %s", describe(got), describe(want))
	}
}
