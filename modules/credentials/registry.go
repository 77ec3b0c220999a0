package credentials

import (
	"context"
	"sync"

	"github.com/google/uuid"

	"ampra/core/change"
	"ampra/core/clock"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
)

// Bounds of the registry: about 100 MB at the very most, and none of it before
// sources are used. What is known to be absent is bounded apart, so that a flood
// of made-up ids pushes out nothing but itself.
const (
	maxRemembered = 200_000
	maxAbsent     = 100_000
)

// RegistryDeps are the ports of the registry.
type RegistryDeps struct {
	Records credential.AccessRecords
	Sealer  credential.Sealer
	Feed    change.Feed
	Clock   clock.Clock
}

// Registry answers who a source belongs to and what opens it. It remembers what
// it has read, also that there is no such source, until the change feed says
// that it is no longer true; while the feed is cut off it remembers nothing.
// What it does not know it reads for all who ask at the same time in one go.
//
// It knows a source by its client key: a source's id has one, and an MQTT client
// id is nothing else.
type Registry struct {
	d RegistryDeps

	mu      sync.RWMutex
	sources map[sunsource.ClientKey]credential.Access
	absent  map[sunsource.ClientKey]struct{}
	lookups lookups
}

// NewRegistry returns an empty registry and subscribes it to the feed.
func NewRegistry(d RegistryDeps) *Registry {
	r := &Registry{
		d: d, sources: map[sunsource.ClientKey]credential.Access{}, absent: map[sunsource.ClientKey]struct{}{},
		lookups: lookups{open: map[sunsource.ClientKey]*lookup{}},
	}
	d.Feed.Subscribe(r.forget)
	return r
}

func (r *Registry) forget(_ context.Context, c change.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.Kind == change.Missed { // it may be any source
		clear(r.sources)
		clear(r.absent)
		for key := range r.lookups.open {
			r.lookups.overtake(key)
		}
		return
	}
	key := sunsource.ClientKeyOf(c.SourceID)
	delete(r.sources, key)
	delete(r.absent, key)
	r.lookups.overtake(key)
}

// Access returns what opens a source, or NotFound.
func (r *Registry) Access(ctx context.Context, source uuid.UUID) (credential.Access, error) {
	found, err := r.find(ctx, sunsource.ClientKeyOf(source))
	if err == nil && found.SourceID != source { // another's id begins alike
		return credential.Access{}, errNoRecord()
	}
	return found, err
}

// AccessByClient returns what opens the source of an MQTT client id, or NotFound.
func (r *Registry) AccessByClient(ctx context.Context, clientID string) (credential.Access, error) {
	key, ok := sunsource.ParseClientID(clientID)
	if !ok {
		return credential.Access{}, errNoRecord()
	}
	return r.find(ctx, key)
}

func errNoRecord() error { return fault.New(fault.NotFound, "There is no such sun source.") }

// Alive reports for each source whether it exists. It is an error only when that
// can't be told now.
func (r *Registry) Alive(ctx context.Context, sources []uuid.UUID) ([]bool, error) {
	alive := make([]bool, len(sources))
	var unknown []int
	trusted := r.d.Feed.Trusted()
	r.mu.RLock()
	for i, source := range sources {
		found, known := r.recall(sunsource.ClientKeyOf(source))
		if alive[i] = found.SourceID == source; !known || !trusted {
			unknown = append(unknown, i)
		}
	}
	r.mu.RUnlock()
	if len(unknown) == 0 {
		return alive, nil
	}
	keys := make([]sunsource.ClientKey, len(unknown))
	for k, i := range unknown {
		keys[k] = sunsource.ClientKeyOf(sources[i])
	}
	for k, l := range r.ask(ctx, keys) {
		found, err := l.wait(ctx)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		}
		alive[unknown[k]] = err == nil && found.SourceID == sources[unknown[k]]
	}
	return alive, nil
}

// find returns the source with the key, or NotFound.
func (r *Registry) find(ctx context.Context, key sunsource.ClientKey) (credential.Access, error) {
	if r.d.Feed.Trusted() {
		r.mu.RLock()
		found, known := r.recall(key)
		r.mu.RUnlock()
		switch {
		case known && found.SourceID == uuid.Nil:
			return credential.Access{}, errNoRecord()
		case known:
			return found, nil
		}
	}
	return r.ask(ctx, []sunsource.ClientKey{key})[0].wait(ctx)
}

// recall returns what is remembered of a key, which may be that there is no such
// source: then the Access is empty. Called with the lock.
func (r *Registry) recall(key sunsource.ClientKey) (found credential.Access, known bool) {
	if found, known = r.sources[key]; !known {
		_, known = r.absent[key]
	}
	return found, known
}

// remember keeps an answer, or that there is none. Called with the lock.
func (r *Registry) remember(l *lookup) {
	switch {
	case l.err == nil:
		makeRoom(r.sources, maxRemembered)
		r.sources[l.key] = l.found
		delete(r.absent, l.key)
	case fault.Is(l.err, fault.NotFound):
		makeRoom(r.absent, maxAbsent)
		r.absent[l.key] = struct{}{}
		delete(r.sources, l.key)
	}
}

// makeRoom drops an arbitrary tenth of a full map.
func makeRoom[K comparable, V any](m map[K]V, most int) {
	if len(m) < most {
		return
	}
	drop := most / 10
	for k := range m {
		if drop--; drop < 0 {
			return
		}
		delete(m, k)
	}
}
