package rollup

import (
	"container/list"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/energy"
)

// DefaultMemory is a good Config.Memory: ten years of 27 sources, in some 35 MB.
const DefaultMemory = 100_000

// memory keeps the local days of sources that were asked for of late.
type memory struct {
	most int

	mu      sync.Mutex
	sources map[remembered]*recollection
	order   *list.List // of *recollection; the one asked for last comes first
	total   int
	// passing is the last revision given to what is not stored.
	passing int64
}

// remembered is what local days are kept by.
type remembered struct {
	source uuid.UUID
	zone   string
}

// recollection is what is kept of one source in one zone.
type recollection struct {
	key  remembered
	size int // as memory counts it
	at   *list.Element

	mu     sync.Mutex
	locals *energy.Locals
}

func newMemory(most int) *memory {
	return &memory{most: most, sources: map[remembered]*recollection{}, order: list.New()}
}

// of returns what is kept of a source, which may be nothing yet.
func (m *memory) of(source uuid.UUID, zone *time.Location) *recollection {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := remembered{source, zone.String()}
	if r, ok := m.sources[key]; ok {
		m.order.MoveToFront(r.at)
		return r
	}
	r := &recollection{key: key, locals: energy.NewLocals(zone)}
	r.at = m.order.PushFront(r)
	m.sources[key] = r
	return r
}

// keep counts what a recollection has come to, and lets go of what was not asked
// for longest.
func (m *memory) keep(r *recollection, size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sources[r.key] != r {
		return // it was let go meanwhile
	}
	m.total += size - r.size
	r.size = size
	for m.total > m.most {
		last, ok := m.order.Remove(m.order.Back()).(*recollection)
		if ok {
			delete(m.sources, last.key)
			m.total -= last.size
		}
	}
}

// pass is a revision that no stored day has, nor any that was given before.
func (m *memory) pass() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passing--
	return m.passing
}
