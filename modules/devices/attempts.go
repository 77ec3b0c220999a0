package devices

import (
	"slices"
	"sync"

	"github.com/google/uuid"

	"ampra/core/device"
)

// What is kept of attempts: the last of each source, of so many sources. Those of
// the source that has been quiet for longest are forgotten first.
const (
	keptAttempts = 20
	keptSources  = 10_000
)

// Attempts keeps in memory how devices knocked in vain.
type Attempts struct {
	mu      sync.Mutex
	sources map[uuid.UUID]*knocks
	ring    knocks // begins and ends the ring: next is who knocked last, before is who has been quiet for longest
}

type knocks struct {
	source       uuid.UUID
	last         []device.Attempt // in order, at most keptAttempts
	before, next *knocks
}

// NewAttempts returns an empty Attempts.
func NewAttempts() *Attempts {
	a := &Attempts{sources: map[uuid.UUID]*knocks{}}
	a.ring.before, a.ring.next = &a.ring, &a.ring
	return a
}

// Note keeps an attempt.
func (a *Attempts) Note(attempt device.Attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.sources[attempt.SourceID]
	if k == nil {
		if len(a.sources) >= keptSources {
			a.drop(a.ring.before)
		}
		k = &knocks{source: attempt.SourceID}
		a.sources[attempt.SourceID] = k
	} else {
		k.leave()
	}
	k.before, k.next = &a.ring, a.ring.next
	k.before.next, k.next.before = k, k
	if len(k.last) == keptAttempts {
		k.last = slices.Delete(k.last, 0, 1)
	}
	k.last = append(k.last, attempt)
}

// List returns a source's, the last first.
func (a *Attempts) List(source uuid.UUID) []device.Attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.sources[source]
	if k == nil {
		return nil
	}
	last := slices.Clone(k.last)
	slices.Reverse(last)
	return last
}

// Forget drops a source's.
func (a *Attempts) Forget(source uuid.UUID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if k := a.sources[source]; k != nil {
		a.drop(k)
	}
}

func (a *Attempts) drop(k *knocks) {
	k.leave()
	delete(a.sources, k.source)
}

// leave takes it out of the ring.
func (k *knocks) leave() { k.before.next, k.next.before = k.next, k.before }
