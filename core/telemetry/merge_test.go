package telemetry_test

import (
	"maps"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ampra/core/telemetry"
)

func same(a, b telemetry.Reading) bool { return reflect.DeepEqual(a, b) }

// merged lays readings over each other in their order.
func merged(readings ...telemetry.Reading) telemetry.Reading {
	r := readings[0]
	for _, later := range readings[1:] {
		r.Merge(later)
	}
	return r
}

// drawMany draws readings of one identity, each received a second after the
// other.
func drawMany(t *rapid.T, n int) []telemetry.Reading {
	readings := make([]telemetry.Reading, n)
	for i := range readings {
		readings[i] = drawReading(t, source(), received().Add(time.Duration(i)*time.Second))
		readings[i].Timestamp = received()
	}
	return readings
}

func TestMergingKeepsWhatIsOnlyInOne(t *testing.T) {
	t.Parallel()
	early := telemetry.Reading{
		SourceID: source(), Timestamp: received(), ReceivedAt: received(),
		Strings: []telemetry.Line{{PowerWatts: new(1.0)}, {PowerWatts: new(2.0)}}, Phases: []telemetry.Line{{VoltageVolts: new(3.0)}},
		Status: &telemetry.Status{Code: new(int64(7))}, Extra: map[string]float64{"a": 1, "b": 2},
	}
	early.Values.Set(telemetry.ACPowerWatts, 1)
	early.Values.Set(telemetry.LoadPowerWatts, 2)
	later := telemetry.Reading{
		SourceID: source(), Timestamp: received(), ReceivedAt: received().Add(time.Second),
		Strings: []telemetry.Line{{VoltageVolts: new(9.0)}},
		Status:  &telemetry.Status{Text: new("ok")}, Extra: map[string]float64{"b": 20, "c": 30},
	}
	later.Values.Set(telemetry.LoadPowerWatts, 0)
	later.Values.Set(telemetry.GridPowerWatts, -3)

	got := merged(early, later)
	want := receivedAt + ` acPowerWatts=1 gridPowerWatts=-3 loadPowerWatts=0 strings=9/-/- phases=3/-/- status=-,"ok" extra=[a:1 b:20 c:30]`
	if describe(got) != want || !got.ReceivedAt.Equal(later.ReceivedAt) {
		t.Errorf("got  %s, received at %v\nwant %s", describe(got), got.ReceivedAt, want)
	}
	if !maps.Equal(early.Extra, map[string]float64{"a": 1, "b": 2}) || !maps.Equal(later.Extra, map[string]float64{"b": 20, "c": 30}) {
		t.Error("merging changed the extra of what was merged")
	}
}

func TestMergingIsAssociative(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := drawMany(t, 3)
		mustBeSame(t, merged(r[0], merged(r[1], r[2])), merged(merged(r[0], r[1]), r[2]))
	})
}

func TestAReadingMergedWithItselfStaysAsItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := drawMany(t, 1)[0]
		mustBeSame(t, merged(r, r), r)
	})
}

func TestMergingTwiceInTheSameOrderChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := drawMany(t, 3)
		mustBeSame(t, merged(r[0], r[1], r[2], r[0], r[1], r[2]), merged(r[0], r[1], r[2]))
	})
}

func TestALaterReadingStandsAndAnAbsentFieldDoesNot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := drawMany(t, 2)
		early, later, got := r[0], r[1], merged(r[0], r[1])
		for f := range telemetry.Field(telemetry.NumFields) {
			want, known := early.Values.Get(f)
			if number, ok := later.Values.Get(f); ok {
				want, known = number, true
			}
			if number, ok := got.Values.Get(f); ok != known || known && number != want {
				t.Fatalf("%s: got %v, %t, want %v, %t", f, number, ok, want, known)
			}
		}
		whole := func(name string, early, later, got any, absent bool) {
			want := later
			if absent {
				want = early
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: got %+v, want %+v", name, got, want)
			}
		}
		whole("strings", early.Strings, later.Strings, got.Strings, len(later.Strings) == 0)
		whole("phases", early.Phases, later.Phases, got.Phases, len(later.Phases) == 0)
		whole("status", early.Status, later.Status, got.Status, later.Status == nil)
		for name, number := range got.Extra {
			want, ok := later.Extra[name]
			if !ok {
				want, ok = early.Extra[name]
			}
			if !ok || number != want {
				t.Fatalf("extra %q: got %v, want %v, %t", name, number, want, ok)
			}
		}
		for _, from := range []map[string]float64{early.Extra, later.Extra} {
			for name := range from {
				if _, ok := got.Extra[name]; !ok {
					t.Fatalf("extra %q is lost", name)
				}
			}
		}
		if !got.ReceivedAt.Equal(later.ReceivedAt) || !got.Timestamp.Equal(early.Timestamp) || got.SourceID != early.SourceID {
			t.Fatalf("got %+v", got)
		}
	})
}

func TestMergingSharesNoExtra(t *testing.T) {
	t.Parallel()
	first := telemetry.Reading{}
	later := telemetry.Reading{Extra: map[string]float64{"a": 1}}
	first.Merge(later)
	first.Extra["a"] = 2
	if later.Extra["a"] != 1 {
		t.Error("the merged reading's extra is the later one's")
	}
}

func TestValuesKnowOnlyWhatWasSet(t *testing.T) {
	t.Parallel()
	var v telemetry.Values
	if !v.IsEmpty() || v.Mask() != 0 {
		t.Error("the zero value knows something")
	}
	v.Set(telemetry.BatteryDischargeTotalKwh, 0)
	if number, ok := v.Get(telemetry.BatteryDischargeTotalKwh); v.IsEmpty() || !ok || number != 0 || v.Mask() != 1<<16 {
		t.Errorf("got %v, %t, mask %b", number, ok, v.Mask())
	}
	if _, ok := v.Get(telemetry.SolarPowerWatts); ok {
		t.Error("a field is known that was not set")
	}
}
