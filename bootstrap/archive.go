package bootstrap

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"ampra/core/telemetry"
)

// toldInterval is how often at most it is logged that storing fails: it is tried
// with every reading.
const toldInterval = 10 * time.Second

// told is an archive that logs when storing fails. Without a journal before it
// nobody else would: devices only see that no acknowledgement comes.
type told struct {
	telemetry.Archive
	log *slog.Logger

	mu   sync.Mutex
	last time.Time
}

// Write implements telemetry.Archive.
func (a *told) Write(ctx context.Context, readings []telemetry.Placed) []error {
	errs := a.Archive.Write(ctx, readings)
	for _, err := range errs {
		if err != nil {
			a.tell(ctx, err)
			break
		}
	}
	return errs
}

func (a *told) tell(ctx context.Context, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); now.Sub(a.last) >= toldInterval {
		a.last = now
		a.log.WarnContext(ctx, "readings could not be stored", "error", err)
	}
}
