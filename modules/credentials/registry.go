package credentials

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

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
	sources map[sunsource.ClientKey]*known
	absent  map[sunsource.ClientKey]struct{}
	lookups lookups
}

// NewRegistry returns an empty registry and subscribes it to the feed.
func NewRegistry(d RegistryDeps) *Registry {
	r := &Registry{
		d: d, sources: map[sunsource.ClientKey]*known{}, absent: map[sunsource.ClientKey]struct{}{},
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

// Access returns what opens a source, without the secrets of webhooks, or NotFound.
func (r *Registry) Access(ctx context.Context, source uuid.UUID) (credential.Access, error) {
	found, err := r.findSource(ctx, source)
	if err != nil {
		return credential.Access{}, err
	}
	return found.access, nil
}

// AccessWithSecrets is Access with the secrets of webhooks, for whoever verifies
// with them. They are unsealed when they are asked for first.
func (r *Registry) AccessWithSecrets(ctx context.Context, source uuid.UUID) (credential.Access, error) {
	found, err := r.findSource(ctx, source)
	if err != nil {
		return credential.Access{}, err
	}
	return found.open(r.d.Sealer)
}

// AccessByClient returns what opens the source of an MQTT client id, or NotFound.
func (r *Registry) AccessByClient(ctx context.Context, clientID string) (credential.Access, error) {
	key, ok := sunsource.ParseClientID(clientID)
	if !ok {
		return credential.Access{}, errNoRecord()
	}
	found, err := r.find(ctx, key)
	if err != nil {
		return credential.Access{}, err
	}
	return found.access, nil
}

// known is what is remembered of a source.
type known struct {
	// access has no secret in its keys, sealed has the boxes of them.
	access credential.Access
	sealed []credential.Sealed
	// opened is the access with them, nil until somebody asked.
	opened atomic.Pointer[credential.Access]
}

// is reports whether it is this source; nil is none.
func (k *known) is(source uuid.UUID) bool { return k != nil && k.access.SourceID == source }

// open unseals the secrets, once.
func (k *known) open(sealer credential.Sealer) (credential.Access, error) {
	if len(k.sealed) == 0 {
		return k.access, nil
	}
	if opened := k.opened.Load(); opened != nil {
		return *opened, nil
	}
	access := k.access
	access.Keys = slices.Clone(access.Keys)
	for i, sealed := range k.sealed {
		secret, err := open(sealer, credential.Credential{ID: access.Keys[i].CredentialID, SourceID: access.SourceID, Sealed: sealed})
		if err != nil {
			return credential.Access{}, err
		}
		access.Keys[i].Secret = secret
	}
	k.opened.Store(&access)
	return access, nil
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
		found, remembered := r.recall(sunsource.ClientKeyOf(source))
		if alive[i] = found.is(source); !remembered || !trusted {
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
		alive[unknown[k]] = err == nil && found.is(sources[unknown[k]])
	}
	return alive, nil
}

// findSource returns the source with the id, or NotFound.
func (r *Registry) findSource(ctx context.Context, source uuid.UUID) (*known, error) {
	found, err := r.find(ctx, sunsource.ClientKeyOf(source))
	if err == nil && !found.is(source) { // another's id begins alike
		return nil, errNoRecord()
	}
	return found, err
}

// find returns the source with the key, or NotFound.
func (r *Registry) find(ctx context.Context, key sunsource.ClientKey) (*known, error) {
	if r.d.Feed.Trusted() {
		r.mu.RLock()
		found, remembered := r.recall(key)
		r.mu.RUnlock()
		switch {
		case remembered && found == nil:
			return nil, errNoRecord()
		case remembered:
			return found, nil
		}
	}
	return r.ask(ctx, []sunsource.ClientKey{key})[0].wait(ctx)
}

// recall returns what is remembered of a key, which may be that there is no such
// source: then it is nil. Called with the lock.
func (r *Registry) recall(key sunsource.ClientKey) (found *known, remembered bool) {
	if found, remembered = r.sources[key]; !remembered {
		_, remembered = r.absent[key]
	}
	return found, remembered
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
