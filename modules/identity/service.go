// Package identity holds the use cases of accounts: register, sign in and out,
// sessions, passwords, API tokens, and who may make accounts.
package identity

import (
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/clock"
	"ampra/core/identity"
	"ampra/core/transaction"
)

// Config holds the settings of the use cases.
type Config struct {
	// OpenRegistration lets anybody make an account after the first one.
	OpenRegistration bool
}

// Deps are the ports that the use cases stand on.
type Deps struct {
	Users        identity.Users
	Sessions     identity.Sessions
	Tokens       identity.Tokens
	Attempts     identity.Attempts
	Setup        identity.SetupTokens
	Hasher       identity.Hasher
	Transactions transaction.Runner
	Audit        audit.Log
	Clock        clock.Clock
	// Random is a cryptographic source of bytes.
	Random io.Reader
}

// Service has the use cases.
type Service struct {
	cfg Config
	d   Deps
}

// New returns the use cases on their ports.
func New(cfg Config, d Deps) *Service { return &Service{cfg: cfg, d: d} }

// SignedIn is a user with a fresh session.
type SignedIn struct {
	User identity.User
	// Session is the text that the browser keeps; only its digest is stored.
	Session string
}

func (s *Service) newSession(ctx context.Context, user identity.User) (SignedIn, error) {
	text, digest, err := identity.NewOpaque(s.d.Random, "")
	if err != nil {
		return SignedIn{}, err
	}
	now := s.d.Clock.Now()
	session := identity.Session{Digest: digest, UserID: user.ID, CreatedAt: now, ExpiresAt: now.Add(identity.SessionLifetime)}
	if err := s.d.Sessions.Create(ctx, session); err != nil {
		return SignedIn{}, err
	}
	return SignedIn{User: user, Session: text}, nil
}

func (s *Service) newID() (uuid.UUID, error) {
	id, err := uuid.NewRandomFromReader(s.d.Random)
	if err != nil {
		return uuid.Nil, fmt.Errorf("drawing an id: %w", err)
	}
	return id, nil
}

func (s *Service) note(ctx context.Context, who actor.Actor, act audit.Act, subject uuid.UUID, detail string) error {
	return s.d.Audit.Append(ctx, audit.Entry{At: s.d.Clock.Now(), ActorID: who.UserID, Act: act, Subject: subject, Detail: detail})
}
