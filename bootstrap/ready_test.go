package bootstrap

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPartThatDoesNotAnswerIsSaidToBeAwayWhileSomebodyStillWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &App{checks: map[string]func(context.Context) error{
			"well":   func(context.Context) error { return nil },
			"silent": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		}}
		began := time.Now()
		got := a.Ready(t.Context())
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("the answer took %s", took)
		}
		if got["well"] != nil || got["silent"] == nil {
			t.Errorf("got %v", got)
		}
	})
}

func TestTheSteadyClockRunsAsTimePasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, began := steadyClock(), time.Now()
		for _, pause := range []time.Duration{0, time.Millisecond, time.Hour} {
			<-time.After(pause)
			if got, want := c.Now(), time.Now(); !got.Equal(want) || got.Location() != time.UTC {
				t.Errorf("%s after the beginning it says %s, want %s", want.Sub(began), got, want)
			}
		}
	})
}
