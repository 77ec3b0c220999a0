package credentials

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
)

// Reveal returns the current secret of a source that the caller has found to be
// the actor's, and leaves an audit entry.
func (s *Service) Reveal(ctx context.Context, who actor.Actor, source uuid.UUID) (credential.Secret, error) {
	all, err := s.d.Credentials.List(ctx, source)
	if err != nil {
		return credential.Secret{}, err
	}
	if len(all) == 0 {
		return credential.Secret{}, fault.New(fault.NotFound, "The sun source has no credential.")
	}
	secret, err := open(s.d.Sealer, all[0])
	if err != nil {
		return credential.Secret{}, err
	}
	if err := s.note(ctx, who, audit.CredentialsShown, source); err != nil {
		return credential.Secret{}, err
	}
	return secret, nil
}

func open(sealer credential.Sealer, c credential.Credential) (credential.Secret, error) {
	plain, err := sealer.Open(c.Sealed, c.AssociatedData())
	if err != nil {
		return credential.Secret{}, fmt.Errorf("opening credential %s: %w", c.ID, err)
	}
	return credential.NewSecret(string(plain)), nil
}

// Status is what an owner may see of a source's credential besides itself.
type Status struct {
	Kind       sunsource.ConnectionType
	CreatedAt  time.Time
	LastUsedAt *time.Time
	// Connected is how many sessions devices have now, in all processes.
	Connected int
	// Previous is the credential before, while a grace keeps it valid.
	Previous *PreviousStatus
}

// PreviousStatus is a replaced credential that is still valid.
type PreviousStatus struct {
	ValidUntil time.Time
	LastUsedAt *time.Time
}

// Status returns the state of the credential of one of the actor's sources.
func (s *Service) Status(ctx context.Context, who actor.Actor, source uuid.UUID) (Status, error) {
	found, err := s.d.Sources.Get(ctx, who.UserID, source)
	if err != nil {
		return Status{}, err
	}
	all, err := s.d.Credentials.List(ctx, source)
	if err != nil {
		return Status{}, err
	}
	now := s.d.Clock.Now()
	status := Status{Kind: found.ConnectionType}
	for i, c := range all {
		switch {
		case i == 0:
			status.CreatedAt, status.LastUsedAt = c.CreatedAt, c.LastUsedAt
		case status.Previous == nil && c.ValidUntil != nil && c.Valid(now):
			status.Previous = &PreviousStatus{ValidUntil: *c.ValidUntil, LastUsedAt: c.LastUsedAt}
		}
	}
	status.Connected, err = s.d.Presence.Connected(ctx, source, now)
	return status, err
}
