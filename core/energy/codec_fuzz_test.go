package energy_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"ampra/core/energy"
)

// busy is a day with everything in it, and the state after it.
func busy() (energy.Day, energy.State) {
	samples := every(5*time.Minute, noon().Add(-11*time.Hour), energy.ProductionTotal, slices.Concat(rise(100, 0.1, 40), []float64{0, 5000}, rise(104, 0.1, 20), rise(7, 0.1, 20), []float64{900})...)
	samples = merge(samples, every(5*time.Minute, noon().Add(-12*time.Hour), energy.GridPower, rise(-900, 50, 80)...),
		every(7*time.Minute, noon().Add(-12*time.Hour), energy.BatteryPower, rise(900, -50, 80)...),
		every(5*time.Minute, noon().Add(-9*time.Hour), energy.DayTotal, slices.Concat(rise(0, 0.1, 40), []float64{0.5})...),
		every(2*time.Hour, noon().Add(-12*time.Hour), energy.GridImportTotal, rise(40, 1, 12)...))
	f := energy.NewFolder(energy.DayOfMillis(noon().UnixMilli()), energy.State{})
	for _, s := range samples {
		f.Add(s)
	}
	return f.Result()
}

func FuzzParseDay(f *testing.F) {
	day, _ := busy()
	data, _ := day.AppendBinary(nil)
	f.Add(data)
	f.Add([]byte{1, 0, 0, 0, 0x7f, 0x7f, 0x7f, 0x7f, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		day, err := energy.ParseDay(data)
		if err != nil {
			return
		}
		once, _ := day.AppendBinary(nil)
		again, err := energy.ParseDay(once)
		if err != nil {
			t.Fatalf("what was taken does not come back: %v", err)
		}
		if twice, _ := again.AppendBinary(nil); !bytes.Equal(once, twice) {
			t.Fatalf("%x comes back as %x", once, twice)
		}
		from := time.UnixMilli(int64(day.Number()) * 86_400_000)
		for _, b := range energy.Buckets([]energy.Day{day}, time.UTC, energy.Hour, from.AddDate(0, 0, -1), from.AddDate(0, 0, 2)) {
			if b.Coverage < 0 {
				t.Fatalf("coverage %f", b.Coverage)
			}
		}
	})
}

func FuzzParseState(f *testing.F) {
	_, state := busy()
	data, _ := state.AppendBinary(nil)
	f.Add(data)
	var none energy.State
	data, _ = none.AppendBinary(nil)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		state, err := energy.ParseState(data)
		if err != nil {
			return
		}
		once, _ := state.AppendBinary(nil)
		again, err := energy.ParseState(once)
		if err != nil {
			t.Fatalf("what was taken does not come back: %v", err)
		}
		if twice, _ := again.AppendBinary(nil); !bytes.Equal(once, twice) {
			t.Fatalf("%x comes back as %x", once, twice)
		}
		folder := energy.NewFolder(energy.DayOfMillis(noon().UnixMilli()), state)
		for _, s := range every(time.Hour, noon().Add(-12*time.Hour), energy.ProductionTotal, rise(5, 1, 20)...) {
			s.Set(energy.GridPower, 700)
			s.Set(energy.DayTotal, 3)
			folder.Add(s)
		}
		day, after := folder.Result()
		dayBytes, _ := day.AppendBinary(nil)
		if _, err := energy.ParseDay(dayBytes); err != nil {
			t.Fatalf("a day from a state that was taken is not: %v", err)
		}
		stateBytes, _ := after.AppendBinary(nil)
		if _, err := energy.ParseState(stateBytes); err != nil {
			t.Fatalf("a state from one that was taken is not: %v", err)
		}
	})
}

func TestBytesThatAreCutOrTooLongAreRefused(t *testing.T) {
	t.Parallel()
	day, state := busy()
	dayBytes, _ := day.AppendBinary(nil)
	stateBytes, _ := state.AppendBinary(nil)
	for n := range dayBytes {
		if _, err := energy.ParseDay(dayBytes[:n]); err == nil {
			t.Errorf("the first %d of a day's %d bytes were taken", n, len(dayBytes))
		}
	}
	for n := range stateBytes {
		if _, err := energy.ParseState(stateBytes[:n]); err == nil {
			t.Errorf("the first %d of a state's %d bytes were taken", n, len(stateBytes))
		}
	}
	if _, err := energy.ParseDay(append(slices.Clone(dayBytes), 0)); err == nil {
		t.Error("a day with a byte too many was taken")
	}
	if _, err := energy.ParseState(append(slices.Clone(stateBytes), 0)); err == nil {
		t.Error("a state with a byte too many was taken")
	}
	for _, data := range [][]byte{{9}, {0}} {
		if _, err := energy.ParseDay(data); err == nil {
			t.Errorf("version %d of a day was taken", data[0])
		}
		if _, err := energy.ParseState(data); err == nil {
			t.Errorf("version %d of a state was taken", data[0])
		}
	}
}
