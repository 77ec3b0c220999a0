package rollup_test

import (
	"testing"
	"time"

	"ampra/core/rollup"
)

func TestADayBeginsAndEndsAtMidnightUTC(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int32{
		"1970-01-01T00:00:00Z": 0, "1970-01-01T23:59:59.999Z": 0, "1970-01-02T00:00:00Z": 1,
		"1969-12-31T23:59:59.999Z": -1, "1969-12-31T00:00:00Z": -1, "1969-12-30T23:59:59.999Z": -2,
		"2026-06-14T12:00:00Z": 20618,
	} {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		got := rollup.DayOf(at.UnixMilli())
		if got != want {
			t.Errorf("%s is in day %d, want %d", text, got, want)
		}
		if ms := at.UnixMilli(); ms < rollup.Start(got) || ms >= rollup.End(got) {
			t.Errorf("%s is not between the day's start and end", text)
		}
	}
}

func TestDigestsTellStatesApart(t *testing.T) {
	t.Parallel()
	if rollup.DigestOf(nil) != rollup.DigestOf([]byte{}) {
		t.Error("no state has two digests")
	}
	if rollup.DigestOf(nil) == rollup.DigestOf([]byte{0}) || rollup.DigestOf([]byte{1}) == rollup.DigestOf([]byte{2}) {
		t.Error("two states have one digest")
	}
}
