package restapi_test

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/google/uuid"

	"ampra/adapters/httpapi"
	"ampra/core/clock"
	"ampra/core/identity"
	"ampra/modules/credentials"
	accounts "ampra/modules/identity"
	"ampra/modules/live"
)

// rights tell a hub whose sources are, and who still is signed in.
type rights struct {
	registry *credentials.Registry
	accounts *accounts.Service
}

func (r rights) Owner(ctx context.Context, source uuid.UUID) (uuid.UUID, error) {
	access, err := r.registry.Access(ctx, source)
	return access.OwnerID, err
}

func (r rights) Holds(ctx context.Context, key live.Key) error {
	if key.Token {
		return r.accounts.TokenHolds(ctx, identity.Digest(key.Digest))
	}
	return r.accounts.SessionHolds(ctx, identity.Digest(key.Digest))
}

// liveOf is a hub that runs, of a process that is alone.
func liveOf(t *testing.T, s stores, r rights, now clock.Clock) *live.Hub {
	t.Helper()
	hub, err := live.New(live.Config{Streams: 0, PerUser: 0, RingBytes: 0}, live.Deps{
		Sources: s.sources, Owners: r, Keys: r, Feed: s.feed, Bus: nil, Tail: nil, Encode: httpapi.EncodeLive,
		Clock: now, Random: rand.Reader, Failed: func(err error) { t.Errorf("live events: %v", err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, hub.Run)
	return hub
}
