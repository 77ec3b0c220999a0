package xlsx

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

// opened is what another program finds in a workbook.
func opened(t *testing.T, data []byte) map[string][][]string {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("the workbook can't be opened: %v", err)
	}
	defer f.Close()
	found := map[string][][]string{}
	for _, name := range f.GetSheetList() {
		rows, err := f.GetRows(name, excelize.Options{RawCellValue: true})
		if err != nil {
			t.Fatal(err)
		}
		found[name] = rows
	}
	return found
}

func written(t *testing.T, w *Writer, b *bytes.Buffer, rows ...[]any) []byte {
	t.Helper()
	for _, row := range rows {
		if err := w.Row(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAnotherProgramReadsWhatWasWritten(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	got := opened(t, written(
		t, New(&b, `A [B] "C" & é`), &b, []any{"time", "power W", "text"},
		[]any{"2026-06-21T12:00:00+02:00", 1234.5678901234567, "=1+1 <&> \"é\"\ttwo\nlines  "}, []any{nil, -1e-7, true}, []any{math.NaN(), 0.3, int64(9007199254740993)},
		[]any{"only \x01 what \ufffe XML takes", 7},
	))
	want := map[string][][]string{`A -B- "C" & é`: {
		{"time", "power W", "text"},
		{"2026-06-21T12:00:00+02:00", "1234.5678901234567", "=1+1 <&> \"é\"\ttwo\nlines  "},
		{"", "-1e-07", "1"},
		{"", "0.3", "9007199254740993"},
		{"only  what  XML takes", "7"},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatDoesNotFitInASheetGoesOnInAnotherUnderTheSameHeader(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := New(&b, "raw")
	w.most = 3
	got := opened(t, written(t, w, &b, []any{"n"}, []any{1}, []any{2}, []any{3}, []any{4}, []any{5}))
	want := map[string][][]string{"raw": {{"n"}, {"1"}, {"2"}}, "raw 2": {{"n"}, {"3"}, {"4"}}, "raw 3": {{"n"}, {"5"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAWorkbookWithoutRowsIsOne(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if got := opened(t, written(t, New(&b, ""), &b)); len(got) != 1 || len(got["data"]) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestColumnsHaveTheLettersThatSpreadsheetsGiveThem(t *testing.T) {
	t.Parallel()
	for i := range 2000 {
		want, err := excelize.ColumnNumberToName(i + 1)
		if err != nil || column(i) != want {
			t.Fatalf("column %d is %s, want %s, %v", i, column(i), want, err)
		}
	}
}

type failing struct{ after int }

var errFull = errors.New("full")

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWhatCanNotBeWrittenIsAnErrorOfTheRowOrTheEnd(t *testing.T) {
	t.Parallel()
	for _, after := range []int{0, 100, 20_000} {
		w := New(&failing{after}, "raw")
		var err error
		for i := 0; i < 100_000 && err == nil; i++ {
			err = w.Row(float64(i)*math.Pi, strings.Repeat("x", i%50))
		}
		if err == nil {
			err = w.Close()
		}
		if !errors.Is(err, errFull) {
			t.Errorf("after %d bytes: %v", after, err)
		}
	}
	if err := New(io.Discard, "").Row(struct{}{}); err == nil {
		t.Error("a cell was written that can't be one")
	}
}

func TestMemoryDoesNotGrowWithTheRows(t *testing.T) { //nolint:paralleltest // it measures the process
	w := New(io.Discard, "raw")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 50_000 {
		if err := w.Row("2026-06-21T12:00:00+02:00", float64(i), float64(i)/7, nil); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("50,000 rows hold %d bytes", grown)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
