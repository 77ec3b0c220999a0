package telemetry_test

import (
	"math"
	"testing"
	"time"

	"ampra/core/telemetry"
)

// TestTheFieldsAndTheirOrder holds the names and their numbers, which are
// written in journals: a new field goes to the end.
func TestTheFieldsAndTheirOrder(t *testing.T) {
	t.Parallel()
	want := []string{
		"solarPowerWatts", "acPowerWatts", "gridPowerWatts", "loadPowerWatts", "batteryPowerWatts", "batteryStateOfChargePercent",
		"batteryVoltageVolts", "gridVoltageVolts", "gridFrequencyHertz", "inverterTemperatureCelsius", "energyTodayKwh",
		"energyTotalKwh", "loadTotalKwh", "gridImportTotalKwh", "gridExportTotalKwh", "batteryChargeTotalKwh", "batteryDischargeTotalKwh",
	}
	if telemetry.NumFields != len(want) {
		t.Fatalf("there are %d fields, want %d", telemetry.NumFields, len(want))
	}
	for i, name := range want {
		if got := telemetry.Field(i).String(); got != name {
			t.Errorf("field %d is %s, want %s", i, got, name)
		}
		if f, ok := telemetry.FieldNamed(name); !ok || f != telemetry.Field(i) {
			t.Errorf("%s is field %d, %t, want %d", name, f, ok, i)
		}
	}
	for _, name := range []string{"", "ACPowerWatts", "acpowerwatts", "acPowerWatts ", "strings", "timestamp"} {
		if f, ok := telemetry.FieldNamed(name); ok {
			t.Errorf("%q is the field %s", name, f)
		}
	}
}

func TestAFieldIsPossibleWithinItsBounds(t *testing.T) {
	t.Parallel()
	for f := range telemetry.Field(telemetry.NumFields) {
		info := f.Info()
		if info.Unit == "" || info.Min >= info.Max {
			t.Errorf("%s has the unit %q and the bounds %v and %v", f, info.Unit, info.Min, info.Max)
		}
		for value, want := range map[float64]bool{
			info.Min: true, info.Max: true, 0: true, (info.Min + info.Max) / 2: true,
			math.Nextafter(info.Min, -math.MaxFloat64): false, math.Nextafter(info.Max, math.MaxFloat64): false,
			math.Inf(1): false, math.Inf(-1): false, math.MaxFloat64: false,
		} {
			if got := f.Possible(value); got != want {
				t.Errorf("%s: %v is possible: %t", f, value, got)
			}
		}
		if f.Possible(math.NaN()) {
			t.Errorf("%s may be NaN", f)
		}
	}
}

func TestTimesAreTruncatedToMillisecondsInUTC(t *testing.T) {
	t.Parallel()
	in := intake()
	if got := milli(telemetry.Truncate(in.Default)); got != defaultTime {
		t.Errorf("got %s", got)
	}
	if got := telemetry.Truncate(in.ReceivedAt); got.Nanosecond() != 123_000_000 {
		t.Errorf("got %v", got)
	}
}

func TestALaterPlaceStandsOverAnEarlier(t *testing.T) {
	t.Parallel()
	at := func(partition int32, offset int64, index int32, seconds int) telemetry.Placed {
		p := telemetry.Placed{Position: telemetry.Position{Partition: partition, Offset: offset, Index: index}}
		p.ReceivedAt = received().Add(time.Duration(seconds) * time.Second)
		return p
	}
	for name, c := range map[string]struct {
		a, b telemetry.Placed
		want bool
	}{
		"a higher offset, though received before":   {at(1, 6, 0, 0), at(1, 5, 9, 5), true},
		"a lower offset, though received after":     {at(1, 5, 9, 5), at(1, 6, 0, 0), false},
		"the same offset and a higher index":        {at(1, 5, 2, 0), at(1, 5, 1, 0), true},
		"the same place":                            {at(1, 5, 1, 9), at(1, 5, 1, 0), false},
		"another partition, received after":         {at(1, 5, 0, 1), at(2, 9, 0, 0), true},
		"another partition, received before":        {at(1, 9, 0, 0), at(2, 5, 0, 1), false},
		"without a journal, received after":         {at(telemetry.Direct, 0, 0, 1), at(telemetry.Direct, 7, 7, 0), true},
		"without a journal, received at once":       {at(telemetry.Direct, 7, 7, 0), at(telemetry.Direct, 0, 0, 0), false},
		"without a journal, after one that had one": {at(telemetry.Direct, 0, 0, 1), at(0, 7, 7, 0), true},
	} {
		if got := c.a.Later(c.b); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
