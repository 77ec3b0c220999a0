package mqttbroker

import (
	"context"
	"sync"
	"time"

	"ampra/core/change"
)

const (
	// confirmTime bounds a question to the gate about a session that is there.
	confirmTime = 2 * time.Second
	// confirmers is how many sessions are asked for at a time when all are.
	confirmers = 32
)

// Apply is the broker's listener on the change feed: when it returns, no session
// that the change revoked takes or gives anything any more. It has to hear of a
// change after the gate did. A session of which it can't be told whether it may
// go on is ended.
func (b *Broker) Apply(ctx context.Context, c change.Change) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Handshake)
	defer cancel()
	var concerned []*session
	b.mu.Lock()
	switch c.Kind {
	case change.Missed: // it may be any source
		for _, s := range b.sessions {
			concerned = append(concerned, s)
		}
	case change.SourceDeleted:
		delete(b.parked, c.SourceID)
		fallthrough
	default:
		if s := b.sessions[c.SourceID]; s != nil {
			concerned = append(concerned, s)
		}
	}
	b.mu.Unlock()
	b.check(ctx, concerned)
}

// check ends the sessions that no longer hold, and those of which that can't be
// told.
func (b *Broker) check(ctx context.Context, sessions []*session) {
	var workers sync.WaitGroup
	next := make(chan *session)
	for range min(confirmers, len(sessions)) {
		workers.Go(func() {
			for s := range next {
				if holds, err := b.confirm(ctx, s); err != nil || !holds {
					b.revoke(s)
				}
			}
		})
	}
	for _, s := range sessions {
		next <- s
	}
	close(next)
	workers.Wait()
}

// confirm asks the gate whether a session may go on, and until when: a rotation
// with a grace bounds a session that had no bound.
func (b *Broker) confirm(ctx context.Context, s *session) (holds bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, confirmTime)
	defer cancel()
	if holds, err = b.d.Gate.Holds(ctx, s.identity); err != nil || !holds {
		return false, err
	}
	until, err := b.d.Gate.ValidUntil(ctx, s.identity)
	if err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bound(s, until)
	return true, nil
}

// revoke ends a session for good: also its state and its will.
func (b *Broker) revoke(s *session) {
	b.mu.Lock()
	s.revoked = true
	b.mu.Unlock()
	s.end(administrativeAction)
}

func (b *Broker) isRevoked(s *session) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return s.revoked
}

// sweepTime is how often the broker looks at what ends by itself.
const sweepTime = time.Second

// sweep ends sessions whose credential's grace is over, drops states that have
// waited too long for their device, and publishes wills that are due.
func (b *Broker) sweep(ctx, base context.Context) {
	ticker := time.NewTicker(sweepTime)
	defer ticker.Stop()
	var publishing sync.WaitGroup
	defer publishing.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			over, due := b.expired(now)
			var ended sync.WaitGroup
			for _, s := range over {
				ended.Go(func() { b.revoke(s) })
			}
			for _, left := range due {
				publishing.Go(func() { b.publishWill(base, left) })
			}
			ended.Wait()
		}
	}
}

// expired finds what is over at the time.
func (b *Broker) expired(now time.Time) (over []*session, due []*legacy) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.ending {
		if !now.Before(*s.validUntil) {
			over = append(over, s)
		}
	}
	for source, st := range b.parked {
		if !now.Before(st.expiresAt) {
			delete(b.parked, source)
		}
	}
	for source, left := range b.wills {
		if !now.Before(left.due) {
			delete(b.wills, source)
			due = append(due, left)
		}
	}
	return over, due
}
