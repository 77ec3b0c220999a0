package fake

import (
	"context"
	"maps"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/identity"
)

var _ identity.Sessions = (*Sessions)(nil)

// Sessions keeps sessions in memory.
type Sessions struct {
	Faults
	r *Records
}

// Create stores a session of a known user.
func (s *Sessions) Create(ctx context.Context, session identity.Session) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		if _, taken := t.sessions[session.Digest]; taken {
			return fault.New(fault.Conflict, "There is such a session already.")
		}
		session.CreatedAt, session.ExpiresAt = instant(session.CreatedAt), instant(session.ExpiresAt)
		t.sessions[session.Digest] = session
		return nil
	})
}

// User returns the user of a session that has not expired, else NotFound.
func (s *Sessions) User(ctx context.Context, digest identity.Digest, now time.Time) (identity.User, identity.Session, error) {
	type pair struct {
		user    identity.User
		session identity.Session
	}
	found, err := read(ctx, s.r, &s.Faults, func(t *tables) (pair, error) {
		session, ok := t.sessions[digest]
		user, known := t.users[session.UserID]
		if !ok || !known || !session.ExpiresAt.After(instant(now)) {
			return pair{}, missing("session")
		}
		return pair{copyUser(user), session}, nil
	})
	return found.user, found.session, err
}

// Extend moves a session's end; an unknown one is no error.
func (s *Sessions) Extend(ctx context.Context, digest identity.Digest, expiresAt time.Time) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		if session, ok := t.sessions[digest]; ok {
			session.ExpiresAt = instant(expiresAt)
			t.sessions[digest] = session
		}
		return nil
	})
}

// Delete ends a session; an unknown one is no error.
func (s *Sessions) Delete(ctx context.Context, digest identity.Digest) error {
	return s.delete(ctx, func(session identity.Session) bool { return session.Digest == digest })
}

// DeleteOthers ends all of a user's sessions but one.
func (s *Sessions) DeleteOthers(ctx context.Context, user uuid.UUID, keep identity.Digest) error {
	return s.delete(ctx, func(session identity.Session) bool { return session.UserID == user && session.Digest != keep })
}

// Sweep removes what expired before the time.
func (s *Sessions) Sweep(ctx context.Context, before time.Time) error {
	return s.delete(ctx, func(session identity.Session) bool { return session.ExpiresAt.Before(instant(before)) })
}

func (s *Sessions) delete(ctx context.Context, which func(identity.Session) bool) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		maps.DeleteFunc(t.sessions, func(_ identity.Digest, session identity.Session) bool { return which(session) })
		return nil
	})
}
