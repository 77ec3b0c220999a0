// Package credentials holds the use cases around what devices sign in with:
// issuing, showing, rotating and checking it. Every process keeps what it has
// read in a Registry, which the change feed keeps true.
package credentials

import (
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"

	"ampra/core/audit"
	"ampra/core/change"
	"ampra/core/clock"
	"ampra/core/credential"
	"ampra/core/sunsource"
	"ampra/core/transaction"
)

// Deps are the ports that the use cases stand on.
type Deps struct {
	Sources      sunsource.Repository
	Credentials  credential.Repository
	Sealer       credential.Sealer
	Presence     credential.Presence
	Transactions transaction.Runner
	Outbox       change.Outbox
	Feed         change.Feed
	Audit        audit.Log
	Clock        clock.Clock
	// Random is a cryptographic source of bytes.
	Random io.Reader
}

// Service has the use cases.
type Service struct{ d Deps }

// New returns the use cases on their ports.
func New(d Deps) *Service { return &Service{d: d} }

// Issue stores the first credential of a new source, in the context's
// transaction. custom is a webhook secret of the owner's own, or zero to draw
// one.
func (s *Service) Issue(ctx context.Context, source uuid.UUID, kind sunsource.ConnectionType, custom credential.Secret) error {
	next, _, err := s.make(source, kind, 1, custom)
	if err != nil {
		return err
	}
	return s.d.Credentials.Add(ctx, next)
}

// make draws (or takes) a secret and seals it into a credential.
func (s *Service) make(source uuid.UUID, kind sunsource.ConnectionType, version int, custom credential.Secret) (credential.Credential, credential.Secret, error) {
	id, err := uuid.NewRandomFromReader(s.d.Random)
	if err != nil {
		return credential.Credential{}, credential.Secret{}, fmt.Errorf("drawing an id: %w", err)
	}
	secret := custom
	if secret.IsZero() {
		draw := credential.NewWebhookSecret
		if kind == sunsource.MQTT {
			draw = credential.NewMQTTKey
		}
		if secret, err = draw(s.d.Random); err != nil {
			return credential.Credential{}, credential.Secret{}, err
		}
	}
	c := credential.Credential{ID: id, SourceID: source, Kind: kind, Version: version, CreatedAt: s.d.Clock.Now()}
	if kind == sunsource.MQTT {
		c.Digest = credential.DigestOf(secret)
	}
	if c.Sealed, err = s.d.Sealer.Seal([]byte(secret.Reveal()), c.AssociatedData()); err != nil {
		return credential.Credential{}, credential.Secret{}, fmt.Errorf("sealing a credential: %w", err)
	}
	return c, secret, nil
}
