package sqldb

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

func TestANumberIsReadAsItWasWrittenAndTakesFewBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		number float64
		most   int // bytes
	}{
		{0, 1},
		{1, 1},
		{-1, 1},
		{76, 2},
		{231.4, 3},
		{49.98, 3},
		{-5421.7, 3},
		{12345.678, 4},
		{1e8, 5},
		{123456.789012, 7},
		{1e10, 6},
		{0.000001, 1},
		{0.1, 1},
		{1 << 45, 8},
		{math.Pi, 9},
		{0.1 + 0.2, 9},
		{math.Copysign(0, -1), 9},
		{1e-7, 9},
		{1e300, 9},
		{-1e300, 9},
		{math.SmallestNonzeroFloat64, 9},
		{math.MaxFloat64, 9},
		{math.Inf(1), 9},
		{1<<45 + 2, 9},
		{float64(float32(231.4)), 9},
	} {
		data := appendNumber(nil, c.number)
		d := rowDecoder{data: data}
		got := d.number()
		if d.err != nil || math.Float64bits(got) != math.Float64bits(c.number) || d.at != len(data) {
			t.Errorf("%v is read as %v (%v)", c.number, got, d.err)
		}
		if len(data) > c.most {
			t.Errorf("%v takes %d bytes, want at most %d", c.number, len(data), c.most)
		}
	}
}

func TestABelievableReadingTakesFewBytes(t *testing.T) {
	t.Parallel()
	r := measured(uuid.New(), time.Date(2026, 6, 21, 11, 7, 13, 0, time.UTC))
	if data := appendRow(nil, &r.Reading); len(data) > 32 {
		t.Errorf("ten values take %d bytes, want at most 32", len(data))
	}
}

func FuzzNumber(f *testing.F) {
	for _, number := range []float64{0, -0.5, 231.4, 1e10, math.Pi, math.NaN()} {
		f.Add(math.Float64bits(number))
	}
	f.Fuzz(func(t *testing.T, bits uint64) {
		data := appendNumber(nil, math.Float64frombits(bits))
		d := rowDecoder{data: data}
		if got := math.Float64bits(d.number()); d.err != nil || got != bits || d.at != len(data) || len(data) > 9 {
			t.Errorf("%x is read as %x (%v) from %d bytes", bits, got, d.err, len(data))
		}
	})
}

func FuzzArchiveRow(f *testing.F) {
	code, text, volts := int64(-3), "läuft", 231.4
	full := measured(uuid.New(), time.Now()).Reading
	full.Strings = []telemetry.Line{{VoltageVolts: &volts}, {}}
	full.Phases = []telemetry.Line{{PowerWatts: &volts, CurrentAmperes: &volts}}
	full.Status = &telemetry.Status{Code: &code, Text: &text}
	full.Extra = map[string]float64{"b": 1, "a": math.Pi}
	f.Add(appendRow(nil, &full))
	f.Add(appendRow(nil, &telemetry.Reading{}))
	f.Add([]byte{rowVersion, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		var r telemetry.Reading
		if decodeRow(data, &r) != nil {
			return
		}
		// What was read is written and read as the same.
		var again telemetry.Reading
		first := appendRow(nil, &r)
		if err := decodeRow(first, &again); err != nil {
			t.Fatalf("what was read can't be read again: %v", err)
		}
		if second := appendRow(nil, &again); !bytes.Equal(first, second) {
			t.Fatalf("one content has two encodings: %x and %x", first, second)
		}
	})
}
