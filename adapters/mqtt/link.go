package mqtt

import (
	"context"
	"sync"
	"sync/atomic"
)

// link is what is known of a connection that comes and goes. It counts as
// connected from the moment that the broker has granted its subscription: before
// that, readings pass it by.
type link struct {
	connected *atomic.Int64

	mu      sync.Mutex
	over    context.CancelFunc
	counted bool
}

// begin notes that a connection is up, and returns a context that ends with it.
func (l *link) begin(ctx context.Context) context.Context {
	l.end() // the one before, if its end was not told
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, l.over = context.WithCancel(ctx)
	return ctx
}

// granted counts the connection of that context, unless it is over.
func (l *link) granted(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() == nil && !l.counted {
		l.counted = true
		l.connected.Add(1)
	}
}

// end notes that the connection is down. It may be called again.
func (l *link) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil {
		l.over()
		l.over = nil
	}
	if l.counted {
		l.counted = false
		l.connected.Add(-1)
	}
}
