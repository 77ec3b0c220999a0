package telemetry_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ampra/core/telemetry"
)

func drawEntry(t *rapid.T) telemetry.Entry {
	e := telemetry.Entry{SourceID: source()}
	for range rapid.IntRange(1, 4).Draw(t, "readings") {
		e.Readings = append(e.Readings, drawReading(t, source(), received()))
	}
	return e
}

// sample is an entry that has everything.
func sample() telemetry.Entry {
	r := telemetry.Reading{
		SourceID: source(), Timestamp: received().Add(-5), ReceivedAt: received(),
		Strings: []telemetry.Line{{VoltageVolts: new(344.6), PowerWatts: new(0.0)}, {}}, Phases: []telemetry.Line{{CurrentAmperes: new(-5.5)}},
		Status: &telemetry.Status{Code: new(int64(-7)), Text: new("läuft")}, Extra: map[string]float64{"fanRpm": 1200},
	}
	r.Timestamp = telemetry.Truncate(r.Timestamp)
	for f := range telemetry.Field(telemetry.NumFields) {
		r.Values.Set(f, float64(f)+0.5)
	}
	return telemetry.Entry{SourceID: source(), Readings: []telemetry.Reading{r, {SourceID: source(), Timestamp: received(), ReceivedAt: received()}}}
}

func TestAnEntryComesBackAsItWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawEntry(t)
		prefix := []byte("before")
		data := telemetry.AppendEntry(prefix, want)
		if !bytes.HasPrefix(data, prefix) {
			t.Fatal("AppendEntry does not append")
		}
		got, err := telemetry.DecodeEntry(data[len(prefix):])
		if err != nil {
			t.Fatal(err)
		}
		if got.SourceID != want.SourceID || len(got.Readings) != len(want.Readings) {
			t.Fatalf("got %d readings of %s", len(got.Readings), got.SourceID)
		}
		for i := range want.Readings {
			mustBeSame(t, got.Readings[i], want.Readings[i])
		}
	})
}

func TestAnEntrySharesNothingWithItsBytes(t *testing.T) {
	t.Parallel()
	data := telemetry.AppendEntry(nil, sample())
	got, err := telemetry.DecodeEntry(data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if !reflect.DeepEqual(got, sample()) {
		t.Errorf("got %+v after the buffer was used again", got)
	}
}

func TestACutOrLongerEntryIsRefused(t *testing.T) {
	t.Parallel()
	data := telemetry.AppendEntry(nil, sample())
	for n := range data {
		if _, err := telemetry.DecodeEntry(data[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were taken", n, len(data))
		}
	}
	if _, err := telemetry.DecodeEntry(append(data, 0)); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("got %v for a byte too many", err)
	}
}

// head is an entry's beginning: version, source, received at 0, and a count.
func head(count byte) []byte {
	return append(append([]byte{1}, make([]byte, 16)...), 0, count)
}

func TestWhatAppendEntryDoesNotWriteIsRefused(t *testing.T) {
	t.Parallel()
	float := func(number float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(number)) }
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":                      {nil, "at byte 0: it ends too early"},
		"another version":              {append([]byte{2}, head(0)[1:]...), "version 2 is not known"},
		"a count beyond the bytes":     {head(100), "at byte 19: it ends too early"},
		"an unknown field":             {append(head(1), 0, 0, 0x80, 0x80, 0x08), "at byte 24: an unknown field"},
		"an unknown part of a reading": {append(head(1), 0, 16, 0), "at byte 20: an unknown part"},
		"an unknown part of a string":  {append(head(1), 0, 1, 0, 1, 8), "at byte 23: an unknown part"},
		"an unknown part of a status":  {append(head(1), 0, 4, 0, 4), "at byte 22: an unknown part"},
		"NaN in a field":               {append(append(head(1), 0, 0, 1), float(math.NaN())...), "at byte 22: a number that is not finite"},
		"an infinity in a field":       {append(append(head(1), 0, 0, 1), float(math.Inf(-1))...), "at byte 22: a number that is not finite"},
		"NaN in a string":              {append(append(head(1), 0, 1, 0, 1, 1), float(math.NaN())...), "at byte 24: a number that is not finite"},
		"an infinity in extra":         {append(append(head(1), 0, 8, 0, 1, 1, 'x'), float(math.Inf(1))...), "at byte 25: a number that is not finite"},
		"a varint without end":         {append(head(0)[:17], bytes.Repeat([]byte{0xff}, 20)...), "at byte 17: it ends too early"},
		"a text beyond the bytes":      {append(head(1), 0, 4, 0, 2, 200, 1), "it ends too early"},
	} {
		e, err := telemetry.DecodeEntry(c.data)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
		if e.Readings != nil {
			t.Errorf("%s: got readings beside the error", name)
		}
	}
}

// TestACountThatPromisesMuchTakesNoMemory gives counts as large as the bytes
// behind them allow, with nothing of worth in those bytes.
func TestACountThatPromisesMuchTakesNoMemory(t *testing.T) {
	const size = 1 << 20
	huge := func(begin []byte) []byte {
		data := binary.AppendUvarint(begin, size/16)
		return append(data, bytes.Repeat([]byte{0xff}, size)...)
	}
	for name, data := range map[string][]byte{
		"readings": huge(head(0)[:18]),
		"strings":  huge(append(head(1), 0, 1, 0)),
		"phases":   huge(append(head(1), 0, 2, 0)),
		"extra":    huge(append(head(1), 0, 8, 0)),
		"text":     huge(append(head(1), 0, 4, 0, 2))[:size/16],
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := telemetry.DecodeEntry(data); err == nil {
			t.Errorf("%s: no error", name)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 256<<10 {
			t.Errorf("%s: took %d bytes", name, took)
		}
	}
}

// TestAnEntryTakesMemoryForWhatItHolds reads the densest entry that there can
// be: readings of three bytes each.
func TestAnEntryTakesMemoryForWhatItHolds(t *testing.T) {
	const readings = 10_000
	data := binary.AppendUvarint(head(0)[:18], readings)
	data = append(data, make([]byte, 3*readings)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	entry, err := telemetry.DecodeEntry(data)
	runtime.ReadMemStats(&after)
	if err != nil || len(entry.Readings) != readings {
		t.Fatalf("got %d readings, %v", len(entry.Readings), err)
	}
	each := uint64(reflect.TypeFor[telemetry.Reading]().Size())
	if took := after.TotalAlloc - before.TotalAlloc; took > 6*readings*each {
		t.Errorf("took %d bytes for %d readings of %d", took, readings, each)
	}
}

// FuzzDecodeEntry looks for bytes that make it panic, and for entries that don't
// come back as they are.
func FuzzDecodeEntry(f *testing.F) {
	f.Add(telemetry.AppendEntry(nil, sample()))
	f.Add(telemetry.AppendEntry(nil, telemetry.Entry{SourceID: source()}))
	f.Add(append(head(1), 0, 15, 0, 1, 7))
	f.Add(append(head(2), 0, 4, 0, 3, 14, 2, 'o', 'k', 0, 8, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		entry, err := telemetry.DecodeEntry(data)
		if err != nil {
			return
		}
		for _, r := range entry.Readings {
			for field := range telemetry.Field(telemetry.NumFields) {
				if number, _ := r.Values.Get(field); math.IsNaN(number) || math.IsInf(number, 0) {
					t.Fatalf("%s is %v", field, number)
				}
			}
		}
		again, err := telemetry.DecodeEntry(telemetry.AppendEntry(nil, entry))
		if err != nil {
			t.Fatalf("what was taken does not come back: %v", err)
		}
		if len(again.Readings) != len(entry.Readings) || again.SourceID != entry.SourceID {
			t.Fatalf("got %d readings, want %d", len(again.Readings), len(entry.Readings))
		}
		for i := range entry.Readings {
			if describe(again.Readings[i]) != describe(entry.Readings[i]) {
				t.Fatalf("got %s, want %s", describe(again.Readings[i]), describe(entry.Readings[i]))
			}
		}
	})
}
