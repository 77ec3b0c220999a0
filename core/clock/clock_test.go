package clock_test

import (
	"testing"
	"time"

	"ampra/core/clock"
)

func TestAClockTellsTheTimeInUTC(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.June, 21, 14, 0, 0, 1, time.FixedZone("CEST", 7200))
	var c clock.Clock = clock.Func(func() time.Time { return at })
	if got := c.Now(); got.Location() != time.UTC || !got.Equal(at) {
		t.Errorf("got %v", got)
	}
}
