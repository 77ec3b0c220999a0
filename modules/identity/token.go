package identity

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/fault"
	"ampra/core/identity"
)

// NewToken is what an API token is made of.
type NewToken struct {
	Name      string
	Scopes    []identity.Scope
	ExpiresAt time.Time
	// Unreadable is as in Registration.
	Unreadable fault.Fields
}

// CreateToken makes an API token for the actor and returns its text, which is
// never shown again.
func (s *Service) CreateToken(ctx context.Context, who actor.Actor, n NewToken) (identity.Token, string, error) {
	id, err := s.newID()
	if err != nil {
		return identity.Token{}, "", err
	}
	text, digest, err := identity.NewOpaque(s.d.Random, identity.TokenPrefix)
	if err != nil {
		return identity.Token{}, "", err
	}
	now := s.d.Clock.Now()
	token := identity.Token{
		ID: id, UserID: who.UserID, Name: n.Name, Scopes: slices.Clone(n.Scopes), Digest: digest,
		CreatedAt: now, ExpiresAt: n.ExpiresAt.UTC(),
	}
	if err := n.Unreadable.With(token.Validate(now)); err != nil {
		return identity.Token{}, "", err
	}
	err = s.d.Transactions.Run(ctx, func(ctx context.Context) error {
		own, err := s.d.Tokens.List(ctx, who.UserID)
		if err != nil {
			return err
		}
		if len(own) >= identity.MaxTokens {
			return fault.New(fault.Conflict, "You have %d API tokens already. Delete one first.", len(own))
		}
		if err := s.d.Tokens.Create(ctx, token); err != nil {
			return err
		}
		return s.note(ctx, who, audit.TokenCreated, id, "")
	})
	if err != nil {
		return identity.Token{}, "", err
	}
	return token, text, nil
}

// Tokens lists the actor's API tokens.
func (s *Service) Tokens(ctx context.Context, who actor.Actor) ([]identity.Token, error) {
	return s.d.Tokens.List(ctx, who.UserID)
}

// RevokeToken ends one of the actor's API tokens.
func (s *Service) RevokeToken(ctx context.Context, who actor.Actor, id uuid.UUID) error {
	return s.d.Transactions.Run(ctx, func(ctx context.Context) error {
		if err := s.d.Tokens.Delete(ctx, who.UserID, id); err != nil {
			return err
		}
		return s.note(ctx, who, audit.TokenRevoked, id, "")
	})
}
