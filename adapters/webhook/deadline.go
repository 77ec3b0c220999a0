package webhook

import (
	"context"
	"sync"
	"time"
)

// step is by how much more than its time a request may have.
const step = time.Second

// deadlines gives requests a context that ends after their time. All that come
// within a step share one: a timer for each, and a place in its parent's list,
// which one lock guards, cost more than checking a signature.
type deadlines struct {
	mu     sync.Mutex
	latest shared
}

type shared struct {
	parent, ctx context.Context //nolint:containedctx // it is what is shared
	// until is the last moment at which a request may come to share it.
	until time.Time
	// cancel is never called: the deadline frees what the context holds.
	cancel context.CancelFunc
}

// context returns a context that ends with parent, or when at least the time has
// passed from now on, and at most a step more.
func (d *deadlines) context(parent context.Context, now time.Time, limit time.Duration) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.latest.ctx == nil || d.latest.parent != parent || now.After(d.latest.until) {
		d.latest.parent, d.latest.until = parent, now.Add(step)
		d.latest.ctx, d.latest.cancel = context.WithDeadline(parent, now.Add(limit+step)) //nolint:gosec // see shared.cancel
	}
	return d.latest.ctx
}
