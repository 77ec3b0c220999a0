// Package sunsources holds the use cases of sun sources: list, get, create,
// update and delete, with what hangs on each of them.
package sunsources

import (
	"context"
	"io"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/change"
	"ampra/core/clock"
	"ampra/core/credential"
	"ampra/core/powergroup"
	"ampra/core/sunsource"
	"ampra/core/tariff"
	"ampra/core/transaction"
)

// Credentials is what sources need of their credentials.
type Credentials interface {
	// Issue stores the first credential of a new source in the context's
	// transaction; custom is a secret of the owner's own, or zero.
	Issue(ctx context.Context, source uuid.UUID, kind sunsource.ConnectionType, custom credential.Secret) error
	// Reveal returns the current secret and leaves an audit entry.
	Reveal(ctx context.Context, who actor.Actor, source uuid.UUID) (credential.Secret, error)
	// RotateNow replaces the key in the context's transaction at once; the
	// caller settles the returned seq after the commit.
	RotateNow(ctx context.Context, who actor.Actor, source uuid.UUID, kind sunsource.ConnectionType) (seq int64, err error)
}

// Groups is what sources need of the power groups.
type Groups interface {
	// Get returns one of the owner's groups, or NotFound.
	Get(ctx context.Context, owner, id uuid.UUID) (powergroup.PowerGroup, error)
}

// Telemetry is what deleting needs of the archive.
type Telemetry interface {
	// Erase removes all readings of a source.
	Erase(ctx context.Context, source uuid.UUID) error
}

// Deps are the ports that the use cases stand on.
type Deps struct {
	Sources      sunsource.Repository
	Groups       Groups
	Erasures     sunsource.Erasures
	Prices       tariff.Repository
	Credentials  Credentials
	Telemetry    Telemetry
	Transactions transaction.Runner
	Outbox       change.Outbox
	Feed         change.Feed
	Audit        audit.Log
	Clock        clock.Clock
	// Random is a cryptographic source of bytes.
	Random io.Reader
	// Deferred is told of an erasure that failed now and will be tried again.
	Deferred func(error)
}

// Service has the use cases.
type Service struct{ d Deps }

// New returns the use cases on their ports.
func New(d Deps) *Service { return &Service{d: d} }

// Revealed is a source, with its secret when that was asked for.
type Revealed struct {
	sunsource.SunSource
	// Secret is zero when it was not asked for.
	Secret credential.Secret
}

// List returns the actor's sources.
func (s *Service) List(ctx context.Context, who actor.Actor, filter sunsource.Filter, page sunsource.Page) ([]sunsource.SunSource, error) {
	return s.d.Sources.List(ctx, who.UserID, filter, page)
}

// Get returns one of the actor's sources, with its secret when reveal is set
// (an audit entry stays).
func (s *Service) Get(ctx context.Context, who actor.Actor, id uuid.UUID, reveal bool) (Revealed, error) {
	found, err := s.d.Sources.Get(ctx, who.UserID, id)
	if err != nil {
		return Revealed{}, err
	}
	return s.reveal(ctx, who, found, reveal)
}

func (s *Service) reveal(ctx context.Context, who actor.Actor, found sunsource.SunSource, reveal bool) (Revealed, error) {
	r := Revealed{SunSource: found}
	if !reveal {
		return r, nil
	}
	var err error
	if r.Secret, err = s.d.Credentials.Reveal(ctx, who, found.ID); err != nil {
		return Revealed{}, err
	}
	return r, nil
}
