package emqx

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"ampra/core/credential"
)

func TestAnOldEMQXIsToldOnce(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		p, r := newPretended(t), newRegistry()
		p.old = old
		var said bytes.Buffer
		c, err := NewCutter(CutterConfig{
			URL: credential.NewSecret(p.url()), Timeout: time.Second, Every: time.Millisecond, Retry: time.Millisecond,
		}, CutterDeps{Sources: r, Clock: ticking{}, Log: slog.New(slog.NewTextHandler(&said, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = c.Run(ctx) })
		for deadline := time.Now().Add(10 * time.Second); c.Swept() < 3 && time.Now().Before(deadline); {
			<-time.After(time.Millisecond)
		}
		stop()
		running.Wait()
		text := said.String()
		if n := strings.Count(text, "EMQX is older than 5.8"); (n == 1) != old || n > 1 || old && !strings.Contains(text, "version=5.0.26") {
			t.Errorf("old %t: the log says %d times: %s", old, n, text)
		}
	}
}

// ticking is the system's clock.
type ticking struct{}

func (ticking) Now() time.Time { return time.Now() }

func TestVersionsThatCannotBeReadAreNotOld(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"5.0.26": true, "5.7.2": true, "4.4.19": true, "v5.1.0": true, "5.8.0": false, "5.8.0-rc.1": false, "5.10.1": false, "6.2.0": false,
		"": false, "5": false, "x.y": false, "enterprise": false,
	} {
		if got := older(version); got != want {
			t.Errorf("%q is old: %t", version, got)
		}
	}
}
