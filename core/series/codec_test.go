package series_test

import (
	"bytes"
	"testing"
	"time"

	"ampra/core/series"
	"ampra/core/telemetry"
)

func TestAFieldIsReadWithoutTheOthers(t *testing.T) {
	t.Parallel()
	minutes, _ := fold(home(time.Minute, 10))
	data := encoded(t, minutes)
	for f := range telemetry.Field(telemetry.NumFields) {
		one, err := series.ParseDay(data, 1<<f)
		if err != nil {
			t.Fatal(err)
		}
		if got := one.Fields(); got != minutes.Fields()&(1<<f) {
			t.Errorf("asked for %s: got the fields %b", f, got)
		}
		for slot := range series.Minutes.Slots() {
			if one.Stat(f, slot) != minutes.Stat(f, slot) {
				t.Fatalf("%s in slot %d: got %+v, want %+v", f, slot, one.Stat(f, slot), minutes.Stat(f, slot))
			}
		}
	}
}

func TestACutLongerOrForeignDayIsRefused(t *testing.T) {
	t.Parallel()
	minutes, _ := fold(home(time.Hour, 1))
	data := encoded(t, minutes)
	for n := 1; n < len(data); n++ {
		if _, err := series.ParseDay(data[:n], series.AllFields); err == nil {
			t.Errorf("the first %d of %d bytes were taken", n, len(data))
		}
	}
	if _, err := series.ParseDay(append(bytes.Clone(data), 0), series.AllFields); err == nil {
		t.Error("a byte too many was taken")
	}
	for name, at := range map[string]int{"another version": 0, "another tier": 1} {
		other := bytes.Clone(data)
		other[at] = 9
		if _, err := series.ParseDay(other, series.AllFields); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestATierThatIsGoneTakesNothing(t *testing.T) {
	t.Parallel()
	var gone series.Day
	if data := encoded(t, gone); len(data) != 0 {
		t.Errorf("it takes %d bytes", len(data))
	}
	if d := parsed(t, nil); d.Tier() != series.Raw || !d.IsEmpty() {
		t.Errorf("nothing is read as a day of %s", d.Tier())
	}
	// A day without any value is known to have none.
	minutes, _ := fold(nil)
	if d := parsed(t, encoded(t, minutes)); d.Tier() != series.Minutes {
		t.Errorf("an empty day is read as one of %s", d.Tier())
	}
}

func TestTheExtremesOfAllFieldsComeBack(t *testing.T) {
	t.Parallel()
	var readings []telemetry.Reading
	for i := range 2000 {
		r := telemetry.Reading{Timestamp: midnight().Add(time.Duration(i) * time.Second)}
		for f := range telemetry.Field(telemetry.NumFields) {
			if value := f.Info().Max; i%2 == 0 {
				r.Values.Set(f, value)
			} else {
				r.Values.Set(f, f.Info().Min)
			}
		}
		readings = append(readings, r)
	}
	minutes, hours := fold(readings)
	for _, d := range []series.Day{minutes, hours} {
		got := parsed(t, encoded(t, d))
		for f := range telemetry.Field(telemetry.NumFields) {
			if s := got.Stat(f, 0); s != d.Stat(f, 0) || s.Min != f.Info().Min || s.Max != f.Info().Max {
				t.Errorf("%s: got %+v, want %+v", f, s, d.Stat(f, 0))
			}
		}
	}
}

// FuzzParseDay looks for bytes that make it panic, and for days that don't come
// back as they are.
func FuzzParseDay(f *testing.F) {
	minutes, hours := fold(home(17*time.Minute, 10))
	f.Add(encoded(f, minutes))
	f.Add(encoded(f, hours))
	f.Add([]byte{1, 2, 1, 1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := series.ParseDay(data, series.AllFields)
		if err != nil {
			return
		}
		again := parsed(t, encoded(t, d))
		for field := range telemetry.Field(telemetry.NumFields) {
			for slot := range d.Tier().Slots() {
				s := d.Stat(field, slot)
				if s != again.Stat(field, slot) {
					t.Fatalf("%s in slot %d: %+v became %+v", field, slot, s, again.Stat(field, slot))
				}
				if s.Count > 0 && (s.Min > s.Last || s.Last > s.Max || s.Mean() < s.Min || s.Mean() > s.Max) {
					t.Fatalf("%s in slot %d is out of order: %+v", field, slot, s)
				}
			}
		}
		if !bytes.Equal(encoded(t, d), encoded(t, again)) {
			t.Fatal("one content has two encodings")
		}
	})
}

func BenchmarkParseOneFieldOfADay(b *testing.B) {
	minutes, _ := fold(home(10*time.Second, 1))
	data := encoded(b, minutes)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := series.ParseDay(data, 1<<telemetry.SolarPowerWatts); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFoldADay(b *testing.B) {
	readings := home(10*time.Second, 1)
	b.ReportAllocs()
	for b.Loop() {
		minutes, _ := fold(readings)
		encoded(b, minutes)
	}
}
