package mongodb

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"pgregory.net/rapid"

	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/test/stack"
)

// The names are on disk.
func TestTheNamesOfFieldsNeverChange(t *testing.T) {
	t.Parallel()
	want := []string{"sp", "ap", "gp", "lp", "bp", "bs", "bv", "gv", "gf", "it", "ed", "et", "lt", "gi", "ge", "bc", "bd"}
	if !slices.Equal(fieldNames[:len(want)], want) {
		t.Errorf("the names are %v", fieldNames)
	}
	taken := map[string]bool{"timestamp": true, "meta": true, "_id": true, "r": true, "p": true, "o": true, "i": true, "s": true, "ph": true, "st": true, "x": true, "xn": true}
	for f, name := range fieldNames {
		if name == "" || taken[name] {
			t.Errorf("the name %q of %s is empty or taken", name, telemetry.Field(f))
		}
		taken[name] = true
	}
}

func TestRowsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawReading(t)
		row := bson.Raw(appendRow(nil, &want))
		if err := row.Validate(); err != nil {
			t.Fatalf("the row is no BSON: %v", err)
		}
		hot := appendHotRow(nil, &want)
		if same := appendSeriesRow(nil, hot); !bytes.Equal(same, row) && len(want.Extra) < 2 { // whose order is any
			t.Fatalf("a row of hot becomes %v, want %v", bson.Raw(same), row)
		}
		if !isHotRow(hot) || isHotRow(row) {
			t.Fatal("rows of hot are not told from others")
		}
		if rapid.Bool().Draw(t, "hot") {
			row = hot
		}
		got, err := decodeRow(row, want.SourceID)
		if err != nil {
			t.Fatalf("decoding: %v", err)
		}
		if got.Position != want.Position || !got.Timestamp.Equal(want.Timestamp) || !got.ReceivedAt.Equal(want.ReceivedAt) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		if got.Values != want.Values || len(got.Extra) != len(want.Extra) || len(got.Strings) != len(want.Strings) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		for name, number := range want.Extra {
			if have, ok := got.Extra[name]; !ok || math.Float64bits(have) != math.Float64bits(number) {
				t.Fatalf("extra %q is %v, want %v", name, have, number)
			}
		}
	})
}

func drawReading(t *rapid.T) telemetry.Placed {
	var r telemetry.Placed
	copy(r.SourceID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "source"))
	r.Timestamp = time.UnixMilli(rapid.Int64Range(946684800000, 4102444800000).Draw(t, "time")).UTC()
	r.ReceivedAt = time.UnixMilli(rapid.Int64Range(946684800000, 4102444800000).Draw(t, "received")).UTC()
	r.Position = telemetry.Position{
		Partition: rapid.Int32Min(-1).Draw(t, "partition"), Offset: rapid.Int64().Draw(t, "offset"), Index: rapid.Int32Min(0).Draw(t, "index"),
	}
	for f := range telemetry.Field(telemetry.NumFields) {
		if rapid.Bool().Draw(t, "known") {
			r.Values.Set(f, rapid.Float64().Draw(t, "number"))
		}
	}
	r.Extra = rapid.MapOfN(rapid.String(), rapid.Float64(), 0, 5).Draw(t, "extra")
	for range rapid.IntRange(0, 3).Draw(t, "strings") {
		volts := rapid.Float64().Draw(t, "volts")
		r.Strings = append(r.Strings, telemetry.Line{VoltageVolts: &volts})
	}
	return r
}

func FuzzDecodingARowNeverPanics(f *testing.F) {
	full := telemetry.Placed{Reading: telemetry.Reading{
		SourceID: uuid.New(), Timestamp: time.UnixMilli(1), Extra: map[string]float64{"a\x00": 1},
		Strings: []telemetry.Line{{}}, Status: &telemetry.Status{},
	}}
	f.Add(appendRow(nil, &full))
	f.Add(appendHotRow(nil, &full))
	f.Add([]byte{5, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, row []byte) {
		if _, err := decodeRow(bson.Raw(row), uuid.Nil); err != nil && !errors.Is(err, errRow) {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestTheServersErrorForARowIsThatRowsAlone(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(url))
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("disconnecting: %v", err)
		}
	})
	db := client.Database(name)
	if err := setup(t.Context(), db); err != nil {
		t.Fatalf("setting up: %v", err)
	}
	for name, c := range map[string]struct {
		rows    string // g: good, b: one that has no time
		refused []int
	}{
		"the first":         {"bgg", []int{0}},
		"one in the middle": {"ggbgg", []int{2}},
		"several":           {"gbgbbg", []int{1, 3, 4}},
		"the last":          {"ggb", []int{2}},
		"all":               {"bbb", []int{0, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			source := uuid.New()
			ins := &inserter{db: db, into: collection, result: &answers{n: len(c.rows)}, readings: make([]telemetry.Placed, len(c.rows))}
			for i, kind := range c.rows {
				r := telemetry.Placed{Reading: telemetry.Reading{SourceID: source, Timestamp: time.UnixMilli(int64(1e12) + int64(i)).UTC()}}
				row := appendRow(nil, &r)
				if kind == 'b' {
					row = binary.LittleEndian.AppendUint32(nil, 5)
					row = append(row, 0)
				}
				from := len(ins.rows)
				ins.rows = append(ins.rows, row...)
				ins.spans = append(ins.spans, span{from, len(ins.rows), []place{{index: i}}})
			}
			ins.insert(t.Context(), ins.spans)
			for i := range c.rows {
				err := ins.result.errs[i]
				if refused := slices.Contains(c.refused, i); refused != (err != nil) || fault.Passing(err) {
					t.Errorf("row %d is answered with %v", i, err)
				}
			}
			stored, err := db.Collection(collection).CountDocuments(t.Context(), bson.D{{Key: "meta.source", Value: sourceValue(source)}})
			if err != nil || int(stored) != len(c.rows)-len(c.refused) {
				t.Errorf("%d rows are stored, %v", stored, err)
			}
		})
	}
}

func TestErrorsAreSortedIntoPassingAndLasting(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err        error
		passing    bool
		ofDocument bool
	}{
		"no primary":        {mongo.CommandError{Code: 10107}, true, false},
		"a network error":   {mongo.CommandError{Labels: []string{"NetworkError"}}, true, false},
		"a time limit":      {mongo.CommandError{Code: 50}, true, false},
		"a label":           {mongo.CommandError{Code: 1, Labels: []string{"RetryableWriteError"}}, true, false},
		"no rights":         {mongo.CommandError{Code: 13}, false, false},
		"too large":         {mongo.CommandError{Code: 10334}, false, true},
		"a bad value":       {mongo.WriteError{Code: 2}, false, true},
		"stepping down":     {mongo.WriteError{Code: 189}, true, false},
		"an unknown code":   {mongo.WriteError{Code: 256}, false, false},
		"no geometry":       {mongo.WriteError{Code: 16755}, false, false},
		"a double identity": {mongo.WriteError{Code: codeDuplicateKey}, false, false},
		"the deadline":      {context.DeadlineExceeded, true, false},
		"something unknown": {errors.New("broken pipe"), true, false},
	} {
		if got := passing(c.err); got != c.passing {
			t.Errorf("%s: passing is %v", name, got)
		}
		if got := ofDocument(c.err); got != c.ofDocument {
			t.Errorf("%s: of the document is %v", name, got)
		}
	}
}

func TestSlotsBeginEveryTenMinutes(t *testing.T) {
	t.Parallel()
	for at, want := range map[int64]int64{0: 0, 599_999: 0, 600_000: 600_000, -1: -600_000, -600_000: -600_000, 1_700_000_123_456: 1_699_999_800_000} {
		if got := slotOf(at); got != want {
			t.Errorf("the slot of %d is %d, want %d", at, got, want)
		}
	}
}

// TestRowsOfOneMomentMergeInTheirOrderWhereverTheyAre has the first and the last
// row where they wait, and the one between them in the series.
func TestRowsOfOneMomentMergeInTheirOrderWhereverTheyAre(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 21, 12, 0, 0, 0, time.UTC)
	row := func(offset int64, field telemetry.Field, value float64) telemetry.Placed {
		r := telemetry.Placed{Reading: telemetry.Reading{Timestamp: at, ReceivedAt: at}, Position: telemetry.Position{Offset: offset}}
		r.Values.Set(field, value)
		return r
	}
	waiting := &waiting{group: newGroup(telemetry.OldestFirst, 1)}
	waiting.add(row(1, telemetry.LoadPowerWatts, 1))
	waiting.add(row(3, telemetry.GridPowerWatts, 3))
	waiting.settle()
	series := newGroup(telemetry.OldestFirst, 1)
	series.add(row(2, telemetry.LoadPowerWatts, 2))
	waiting.give(maxMS, series)
	found := series.flush(nil, 1)
	if len(found) != 1 {
		t.Fatalf("one moment is %d readings", len(found))
	}
	for field, want := range map[telemetry.Field]float64{telemetry.LoadPowerWatts: 2, telemetry.GridPowerWatts: 3} {
		if got, _ := found[0].Values.Get(field); got != want {
			t.Errorf("%v is %v, want %v", field, got, want)
		}
	}
}
