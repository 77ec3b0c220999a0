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
