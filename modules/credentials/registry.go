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

// maxRemembered bounds the registry: about 100 MB at the very most, and none of
// it before sources are used.
const maxRemembered = 200_000

// RegistryDeps are the ports of the registry.
type RegistryDeps struct {
	Records credential.AccessRecords
	Sealer  credential.Sealer
	Feed    change.Feed
	Clock   clock.Clock
}

// Registry answers who a source belongs to and what opens it. It remembers what
// it has read until the change feed says that it is no longer true; while the
// feed is cut off it remembers nothing.
type Registry struct {
	d RegistryDeps

	mu      sync.RWMutex
	sources map[uuid.UUID]credential.Access
	clients map[string]uuid.UUID
	// epoch counts changes, so that what was read before a change is not
	// remembered after it.
	epoch uint64
}

// NewRegistry returns an empty registry and subscribes it to the feed.
func NewRegistry(d RegistryDeps) *Registry {
	r := &Registry{d: d, sources: map[uuid.UUID]credential.Access{}, clients: map[string]uuid.UUID{}}
	d.Feed.Subscribe(r.forget)
	return r
}

func (r *Registry) forget(_ context.Context, c change.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch++
	if c.Kind == change.Missed { // it may be any source
		clear(r.sources)
		clear(r.clients)
		return
	}
	delete(r.sources, c.SourceID)
	delete(r.clients, sunsource.ClientID(c.SourceID))
}

// Access returns what opens a source, or NotFound.
func (r *Registry) Access(ctx context.Context, source uuid.UUID) (credential.Access, error) {
	trusted := r.d.Feed.Trusted()
	r.mu.RLock()
	known, ok := r.sources[source]
	epoch := r.epoch
	r.mu.RUnlock()
	if ok && trusted {
		return known, nil
	}
	read, err := r.read(ctx, source)
	if err != nil {
		return credential.Access{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.epoch == epoch && trusted {
		makeRoom(r.sources)
		r.sources[source] = read
	}
	return read, nil
}

// Alive reports whether the source exists. It is an error only when that can't
// be told now.
func (r *Registry) Alive(ctx context.Context, source uuid.UUID) (bool, error) {
	_, err := r.Access(ctx, source)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// AccessByClient returns what opens the source of an MQTT client id, or NotFound.
func (r *Registry) AccessByClient(ctx context.Context, clientID string) (credential.Access, error) {
	trusted := r.d.Feed.Trusted()
	r.mu.RLock()
	source, ok := r.clients[clientID]
	epoch := r.epoch
	r.mu.RUnlock()
	if !ok || !trusted {
		var err error
		if source, err = r.d.Records.SourceByClientID(ctx, clientID); err != nil {
			return credential.Access{}, err
		}
		r.mu.Lock()
		if r.epoch == epoch && trusted {
			makeRoom(r.clients)
			r.clients[clientID] = source
		}
		r.mu.Unlock()
	}
	return r.Access(ctx, source)
}

func (r *Registry) read(ctx context.Context, source uuid.UUID) (credential.Access, error) {
	found, credentials, err := r.d.Records.AccessBySource(ctx, source, r.d.Clock.Now())
	if err != nil {
		return credential.Access{}, err
	}
	access := credential.Access{
		SourceID: found.ID, OwnerID: found.OwnerID, Type: found.ConnectionType, Active: found.IsActive,
		Keys: make([]credential.AccessKey, 0, len(credentials)),
	}
	for _, c := range credentials {
		key := credential.AccessKey{CredentialID: c.ID, Version: c.Version, Digest: c.Digest, ValidUntil: c.ValidUntil}
		if c.Kind == sunsource.Webhook {
			if key.Secret, err = open(r.d.Sealer, c); err != nil {
				return credential.Access{}, err
			}
		}
		access.Keys = append(access.Keys, key)
	}
	return access, nil
}

// makeRoom drops an arbitrary tenth of a full map.
func makeRoom[K comparable, V any](m map[K]V) {
	if len(m) < maxRemembered {
		return
	}
	drop := maxRemembered / 10
	for k := range m {
		if drop--; drop < 0 {
			return
		}
		delete(m, k)
	}
}
