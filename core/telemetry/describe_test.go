package telemetry_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

// The moment at which the tests' payloads come in, and the time of readings that
// have none.
const (
	receivedAt  = "2026-06-21T12:00:00.123Z"
	defaultTime = "2026-06-21T11:59:58.000Z"
)

func source() uuid.UUID { return uuid.UUID{15: 7} }

func intake() telemetry.Intake {
	return telemetry.Intake{
		SourceID:   source(),
		ReceivedAt: time.Date(2026, time.June, 21, 12, 0, 0, 123_456_789, time.UTC),
		Default:    time.Date(2026, time.June, 21, 13, 59, 58, 999_999, time.FixedZone("", 7200)),
	}
}

// describe puts all of a reading into one line.
func describe(r telemetry.Reading) string {
	var b strings.Builder
	b.WriteString(milli(r.Timestamp))
	for f := range telemetry.Field(telemetry.NumFields) {
		if number, ok := r.Values.Get(f); ok {
			fmt.Fprintf(&b, " %s=%v", f, number)
		}
	}
	for i, lines := range [][]telemetry.Line{r.Strings, r.Phases} {
		if lines != nil {
			b.WriteString([]string{" strings=", " phases="}[i] + describeLines(lines))
		}
	}
	if r.Status != nil {
		b.WriteString(" status=" + or(r.Status.Code, "%d") + "," + or(r.Status.Text, "%q"))
	}
	if r.Extra != nil {
		b.WriteString(" extra=" + strings.TrimPrefix(fmt.Sprint(r.Extra), "map"))
	}
	return b.String()
}

func describeLines(lines []telemetry.Line) string {
	parts := make([]string, len(lines))
	for i, l := range lines {
		parts[i] = or(l.VoltageVolts, "%v") + "/" + or(l.CurrentAmperes, "%v") + "/" + or(l.PowerWatts, "%v")
	}
	return strings.Join(parts, ";")
}

func or[T any](v *T, format string) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf(format, *v)
}

func milli(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z07:00") }

// decode reads a payload that is no fault, and holds the report to what is true
// of every report.
func decode(t *testing.T, text string, in telemetry.Intake) telemetry.Report {
	t.Helper()
	report, err := telemetry.Decode([]byte(text), in)
	if err != nil {
		t.Fatalf("%.100s: %v", text, err)
	}
	mustBeSound(t, report, in)
	return report
}

// mustBeSound checks what is true of every report, whatever came in.
func mustBeSound(t *testing.T, report telemetry.Report, in telemetry.Intake) {
	t.Helper()
	rejected := map[int]bool{}
	for _, r := range report.Rejected {
		if rejected[r.Index] || r.Index < 0 || r.Reason == "" {
			t.Fatalf("rejected twice, or without an index or reason: %+v", r)
		}
		rejected[r.Index] = true
	}
	for _, w := range report.Warnings {
		if rejected[w.Index] || w.Field == "" || w.Reason == "" {
			t.Fatalf("a warning of a rejected reading, or one that says nothing: %+v", w)
		}
	}
	for _, r := range report.Readings {
		soundReading(t, r, in)
	}
}

func soundReading(t *testing.T, r telemetry.Reading, in telemetry.Intake) {
	t.Helper()
	switch latest := in.ReceivedAt.Add(telemetry.MaxAhead); {
	case r.SourceID != in.SourceID, r.IsEmpty():
		t.Fatalf("a reading without a source or without anything: %+v", r)
	case r.Timestamp.Location() != time.UTC, r.ReceivedAt.Location() != time.UTC:
		t.Fatalf("a reading that is not in UTC: %v, %v", r.Timestamp, r.ReceivedAt)
	case r.Timestamp.Nanosecond()%1e6 != 0, !r.ReceivedAt.Equal(telemetry.Truncate(in.ReceivedAt)):
		t.Fatalf("times that are not milliseconds: %v, %v", r.Timestamp, r.ReceivedAt)
	case r.Timestamp.Before(telemetry.Earliest()), r.Timestamp.After(latest):
		t.Fatalf("a time out of its range: %v", r.Timestamp)
	case len(r.Extra) > telemetry.MaxExtra, len(r.Strings) > telemetry.MaxLines, len(r.Phases) > telemetry.MaxLines:
		t.Fatalf("more than there may be: %+v", r)
	case r.Status != nil && r.Status.Code == nil && r.Status.Text == nil:
		t.Fatal("a status that says nothing")
	}
	for f := range telemetry.Field(telemetry.NumFields) {
		if number, ok := r.Values.Get(f); ok && !f.Possible(number) {
			t.Fatalf("%s is %v", f, number)
		}
	}
	for name, number := range r.Extra {
		if math.IsNaN(number) || math.IsInf(number, 0) || name == "" || len([]rune(name)) > telemetry.MaxExtraName {
			t.Fatalf("extra has %q: %v", name, number)
		}
	}
}

// only returns the one reading of a report that has nothing else.
func only(t *testing.T, report telemetry.Report) string {
	t.Helper()
	if len(report.Readings) != 1 || len(report.Rejected) != 0 || len(report.Warnings) != 0 {
		t.Fatalf("got %+v, want one reading and nothing else", report)
	}
	return describe(report.Readings[0])
}
