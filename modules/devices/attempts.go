package devices

import (
	"container/list"
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
	order   *list.List // of *knocks, the latest first
	sources map[uuid.UUID]*list.Element
}

type knocks struct {
	source uuid.UUID
	last   []device.Attempt // in order, at most keptAttempts
}

// NewAttempts returns an empty Attempts.
func NewAttempts() *Attempts {
	return &Attempts{order: list.New(), sources: map[uuid.UUID]*list.Element{}}
}

// Note keeps an attempt.
func (a *Attempts) Note(attempt device.Attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.sources[attempt.SourceID]
	if known == nil {
		if len(a.sources) >= keptSources {
			oldest := a.order.Back()
			delete(a.sources, oldest.Value.(*knocks).source) //nolint:forcetypeassert // nothing else is in it
			a.order.Remove(oldest)
		}
		known = a.order.PushFront(&knocks{source: attempt.SourceID})
		a.sources[attempt.SourceID] = known
	}
	a.order.MoveToFront(known)
	k := known.Value.(*knocks) //nolint:forcetypeassert // nothing else is in it
	if len(k.last) == keptAttempts {
		k.last = slices.Delete(k.last, 0, 1)
	}
	k.last = append(k.last, attempt)
}

// List returns a source's, the last first.
func (a *Attempts) List(source uuid.UUID) []device.Attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.sources[source]
	if known == nil {
		return nil
	}
	last := slices.Clone(known.Value.(*knocks).last) //nolint:forcetypeassert // nothing else is in it
	slices.Reverse(last)
	return last
}

// Forget drops a source's.
func (a *Attempts) Forget(source uuid.UUID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.sources[source]; known != nil {
		a.order.Remove(known)
		delete(a.sources, source)
	}
}
