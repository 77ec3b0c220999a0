package live

import (
	"slices"
	"strings"
	"testing"

	"ampra/core/live"
)

func TestACursorIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]cursor{
		"without a journal": {at: 1_780_000_000_123, process: 7, seq: 1 << 40},
		"with a journal":    {at: 1, process: 1<<32 - 1, seq: 0, journal: live.Position{0, 5, 1 << 50}},
	} {
		got, ok := parseCursor(c.String())
		if !ok || got.at != c.at || got.process != c.process || got.seq != c.seq || !slices.Equal(got.journal, c.journal) {
			t.Errorf("%s: %+v (%t), want %+v", name, got, ok, c)
		}
	}
	long := cursor{journal: make(live.Position, maxPartitions+1)}
	if got, ok := parseCursor(long.String()); !ok || got.journal != nil {
		t.Errorf("with too many partitions: %d of them (%t), want an id without", len(got.journal), ok)
	}
}

func FuzzACursorFromOutsideIsRefusedOrTheSame(f *testing.F) {
	f.Add(cursor{at: 5, process: 6, seq: 7, journal: live.Position{1, 2}}.String())
	f.Add("AQ")
	f.Add(strings.Repeat("A", 5000))
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := parseCursor(text)
		if !ok {
			return
		}
		again, ok := parseCursor(c.String())
		if !ok || again.at != c.at || again.seq != c.seq || !slices.Equal(again.journal, c.journal) {
			t.Errorf("%q is %+v and then %+v", text, c, again)
		}
	})
}
