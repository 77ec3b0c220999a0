package credentials

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/credential"
)

// lastFlush bounds the flush at the end.
const lastFlush = 2 * time.Second

// UsageDeps are the ports of Usage.
type UsageDeps struct {
	Credentials credential.Repository
	Presence    credential.Presence
	Clock       clock.Clock
	// Process names this process among all.
	Process uuid.UUID
	// Failed is told of a flush that failed; what it held is kept for the next.
	Failed func(error)
}

// Usage gathers which credentials were used and which sources have sessions, and
// writes it to the store at intervals, not at each sign-in.
type Usage struct {
	d UsageDeps

	mu       sync.Mutex
	used     map[uuid.UUID]time.Time
	sessions map[uuid.UUID]int
	changed  map[uuid.UUID]struct{}
}

// NewUsage returns an empty Usage.
func NewUsage(d UsageDeps) *Usage {
	return &Usage{d: d, used: map[uuid.UUID]time.Time{}, sessions: map[uuid.UUID]int{}, changed: map[uuid.UUID]struct{}{}}
}

// Used notes that a credential opened something.
func (u *Usage) Used(credentialID uuid.UUID, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.used[credentialID] = at
}

// Opened notes a new session of a source.
func (u *Usage) Opened(source uuid.UUID) { u.count(source, 1) }

// Closed notes that a session of a source ended.
func (u *Usage) Closed(source uuid.UUID) { u.count(source, -1) }

func (u *Usage) count(source uuid.UUID, by int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sessions[source] += by
	if u.sessions[source] <= 0 {
		delete(u.sessions, source)
	}
	u.changed[source] = struct{}{}
}

// Run flushes at each tick until ctx ends, and once more then.
func (u *Usage) Run(ctx context.Context, tick <-chan time.Time) error {
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			return u.Flush(last)
		case <-tick:
			if err := u.Flush(ctx); err != nil && ctx.Err() == nil {
				u.d.Failed(err)
			}
		}
	}
}

// Flush writes what was gathered. What could not be written is kept.
func (u *Usage) Flush(ctx context.Context) error {
	u.mu.Lock()
	used, changed := u.used, u.changed
	u.used, u.changed = map[uuid.UUID]time.Time{}, map[uuid.UUID]struct{}{}
	counts := make(map[uuid.UUID]int, len(changed))
	for source := range changed {
		counts[source] = u.sessions[source]
	}
	u.mu.Unlock()

	if len(used) > 0 {
		if err := u.d.Credentials.Touch(ctx, used); err != nil {
			u.keep(used, changed)
			return err
		}
	}
	if err := u.d.Presence.Report(ctx, u.d.Process, counts, u.d.Clock.Now()); err != nil {
		u.keep(nil, changed)
		return err
	}
	return nil
}

func (u *Usage) keep(used map[uuid.UUID]time.Time, changed map[uuid.UUID]struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, at := range used {
		if u.used[id].Before(at) {
			u.used[id] = at
		}
	}
	for source := range changed {
		u.changed[source] = struct{}{}
	}
}
