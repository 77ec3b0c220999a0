package contract

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

// noon is the moment around which the suites' readings lie.
func noon() time.Time { return time.Date(2026, time.June, 21, 12, 0, 0, 0, time.UTC) }

// newSource draws a source, so that suites can share a store.
func newSource() uuid.UUID { return uuid.New() }

// power is a reading of one value.
func power(source uuid.UUID, at time.Time, watts float64) telemetry.Reading {
	r := telemetry.Reading{SourceID: source, Timestamp: at, ReceivedAt: at.Add(time.Second)}
	r.Values.Set(telemetry.SolarPowerWatts, watts)
	return r
}

// complete is a reading that has everything that a reading can have. seed varies
// its numbers.
func complete(source uuid.UUID, at time.Time, seed float64) telemetry.Reading {
	r := telemetry.Reading{SourceID: source, Timestamp: at, ReceivedAt: at.Add(1234 * time.Millisecond)}
	for f := range telemetry.Field(telemetry.NumFields) {
		r.Values.Set(f, seed+float64(f)*1.25+0.1)
	}
	r.Values.Set(telemetry.GridPowerWatts, -seed-2500.75)
	r.Values.Set(telemetry.BatteryPowerWatts, -0.001)
	r.Strings = []telemetry.Line{
		{VoltageVolts: new(612.4), CurrentAmperes: new(8.25), PowerWatts: new(seed)},
		{VoltageVolts: new(0.0)},
		{},
	}
	r.Phases = []telemetry.Line{{PowerWatts: new(-1200.5)}, {VoltageVolts: new(231.0), CurrentAmperes: new(-5.5)}}
	r.Status = &telemetry.Status{Code: new(int64(-7)), Text: new("läuft – „normal“")}
	r.Extra = map[string]float64{"fanRpm": seed, "a.b": -1, "$price": 0.25, "mit Leerzeichen": 1e-9, "κ": 3, "_id": 4}
	return r
}

// placed puts readings into one partition, one record each, from offset on.
func placed(partition int32, offset int64, readings ...telemetry.Reading) []telemetry.Placed {
	out := make([]telemetry.Placed, len(readings))
	for i, r := range readings {
		out[i] = telemetry.Placed{Reading: r, Position: telemetry.Position{Partition: partition, Offset: offset + int64(i)}}
	}
	return out
}

// Difference says in what two readings differ, or "" when they are the same.
// Times count in milliseconds; an empty list is no list.
func Difference(got, want telemetry.Reading) string {
	switch {
	case got.SourceID != want.SourceID:
		return fmt.Sprintf("source is %s, want %s", got.SourceID, want.SourceID)
	case !got.Timestamp.Equal(telemetry.Truncate(want.Timestamp)):
		return fmt.Sprintf("timestamp is %s, want %s", got.Timestamp, want.Timestamp)
	case !got.ReceivedAt.Equal(telemetry.Truncate(want.ReceivedAt)):
		return fmt.Sprintf("receivedAt is %s, want %s", got.ReceivedAt, want.ReceivedAt)
	}
	for f := range telemetry.Field(telemetry.NumFields) {
		have, ok := got.Values.Get(f)
		number, known := want.Values.Get(f)
		if ok != known || (ok && math.Float64bits(have+0) != math.Float64bits(number+0)) {
			return fmt.Sprintf("%s is %v (%t), want %v (%t)", f, have, ok, number, known)
		}
	}
	switch {
	case !slices.EqualFunc(got.Strings, want.Strings, sameLine):
		return fmt.Sprintf("strings are %s, want %s", lines(got.Strings), lines(want.Strings))
	case !slices.EqualFunc(got.Phases, want.Phases, sameLine):
		return fmt.Sprintf("phases are %s, want %s", lines(got.Phases), lines(want.Phases))
	case !sameStatus(got.Status, want.Status):
		return fmt.Sprintf("status is %s, want %s", statusText(got.Status), statusText(want.Status))
	case !maps.Equal(got.Extra, want.Extra):
		return fmt.Sprintf("extra is %v, want %v", got.Extra, want.Extra)
	}
	return ""
}

// checkReading fails the test when the readings differ.
func checkReading(t *testing.T, got, want telemetry.Reading) {
	t.Helper()
	if d := Difference(got, want); d != "" {
		t.Errorf("reading at %s: %s", want.Timestamp.Format(time.RFC3339Nano), d)
	}
	if got.Timestamp.Location() != time.UTC || got.ReceivedAt.Location() != time.UTC {
		t.Errorf("times of a reading are in %s and %s, want UTC", got.Timestamp.Location(), got.ReceivedAt.Location())
	}
}

// checkReadings fails the test when the lists differ.
func checkReadings(t *testing.T, got, want []telemetry.Reading) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d readings, want %d", len(got), len(want))
	}
	for i := range got {
		checkReading(t, got[i], want[i]) //nolint:gosec // G602: they are of one length
	}
}

func samePointer[T comparable](a, b *T) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}

func sameLine(a, b telemetry.Line) bool {
	return samePointer(a.VoltageVolts, b.VoltageVolts) &&
		samePointer(a.CurrentAmperes, b.CurrentAmperes) && samePointer(a.PowerWatts, b.PowerWatts)
}

func sameStatus(a, b *telemetry.Status) bool {
	return (a == nil) == (b == nil) && (a == nil || (samePointer(a.Code, b.Code) && samePointer(a.Text, b.Text)))
}

func lines(list []telemetry.Line) string {
	var text strings.Builder
	for _, l := range list {
		fmt.Fprintf(&text, "[%s %s %s]", value(l.VoltageVolts), value(l.CurrentAmperes), value(l.PowerWatts))
	}
	return text.String()
}

func statusText(s *telemetry.Status) string {
	if s == nil {
		return "none"
	}
	return value(s.Code) + " " + value(s.Text)
}

func value[T any](p *T) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprint(*p)
}
