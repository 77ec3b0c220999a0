package bootstrap

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/metrics"
	"ampra/core/fault"
	"ampra/modules/credentials"
	"ampra/modules/telemetry/ingest"
)

// wireLimits makes what every way in shares: the limits of sources and users, and
// the queue before the journal.
func (a *App) wireLimits(h *house) {
	h.limits = ingest.NewLimits(a.cfg.Limits.config(), steadyClock())
	cfg := ingest.QueueConfig{} //nolint:exhaustruct // the defaults
	if len(a.cfg.KafkaBrokers) == 0 {
		cfg.Readings = 4096 // as many entries as the direct journal has room for
	}
	h.queue = ingest.NewQueue(cfg, steadyClock())
	depth := func(name, help string, which func(away, waiting, limit int) int) {
		a.metrics.Gauge(name, help, func() float64 { return float64(which(h.queue.Depth())) })
	}
	depth("ampra_ingest_queue_readings", "Readings that are at the journal.", func(away, _, _ int) int { return away })
	depth("ampra_ingest_queue_waiting_readings", "Readings that wait for their turn at the journal.", func(_, waiting, _ int) int { return waiting })
	depth("ampra_ingest_queue_limit_readings", "How many readings the journal is given at a time, by how fast it is.", func(_, _, limit int) int { return limit })
	h.throttle = a.metrics.Throttle([]string{"mqtt", "webhook"}, ingest.LimitNames())
}

// owners tells ingest whose a source is, from what the process remembers of it.
type owners struct{ registry *credentials.Registry }

// Owner implements ingest.Owners.
func (o owners) Owner(ctx context.Context, source uuid.UUID) (uuid.UUID, error) {
	access, err := o.registry.Access(ctx, source)
	return access.OwnerID, err
}

// countedLimits are the limits as one way in asks them, with its metrics.
type countedLimits struct {
	limits    *ingest.Limits
	throttle  *metrics.Throttle
	transport string
}

// Wait is ingest.Limits.Wait.
func (c countedLimits) Wait(source, user uuid.UUID) time.Duration {
	wait := c.limits.Wait(source, user)
	if wait > 0 {
		c.throttle.Held(c.transport, nameOf(c.limits.Excess(source, user)), wait)
	}
	return wait
}

// refused counts a delivery that was not taken, if it was for a limit.
func refused(throttle *metrics.Throttle, transport string, err error) {
	if fault.Is(err, fault.TooMany) {
		excess, _ := errors.AsType[*ingest.Excess](err)
		wait := time.Duration(0)
		if e, ok := errors.AsType[*fault.Error](err); ok {
			wait = e.RetryAfter
		}
		throttle.Held(transport, nameOf(excess), wait)
	}
}

// nameOf is the limit's name. Who was over one a moment ago, and is told to stay
// away a little longer, is over none.
func nameOf(excess *ingest.Excess) string {
	if excess == nil {
		return "none"
	}
	return excess.Name()
}
