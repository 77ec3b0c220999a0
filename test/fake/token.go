package fake

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/identity"
)

var _ identity.Tokens = (*Tokens)(nil)

// Tokens keeps API tokens in memory.
type Tokens struct {
	Faults
	r *Records
}

func copyToken(k identity.Token) identity.Token {
	k.Scopes, k.LastUsedAt = slices.Clone(k.Scopes), copiedInstant(k.LastUsedAt)
	k.CreatedAt, k.ExpiresAt = instant(k.CreatedAt), instant(k.ExpiresAt)
	return k
}

// Create stores a token.
func (s *Tokens) Create(ctx context.Context, token identity.Token) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		for _, have := range t.tokens {
			if have.ID == token.ID || have.Digest == token.Digest {
				return fault.New(fault.Conflict, "There is such a token already.")
			}
		}
		t.tokens[token.ID] = copyToken(token)
		return nil
	})
}

// User returns the user of a token that has not expired, else NotFound.
func (s *Tokens) User(ctx context.Context, digest identity.Digest, now time.Time) (identity.User, identity.Token, error) {
	type pair struct {
		user  identity.User
		token identity.Token
	}
	found, err := read(ctx, s.r, &s.Faults, func(t *tables) (pair, error) {
		for _, token := range t.tokens {
			user, known := t.users[token.UserID]
			if known && token.Digest == digest && token.ExpiresAt.After(instant(now)) {
				return pair{copyUser(user), copyToken(token)}, nil
			}
		}
		return pair{}, missing("token")
	})
	return found.user, found.token, err
}

// List returns a user's tokens by creation time, expired ones too.
func (s *Tokens) List(ctx context.Context, user uuid.UUID) ([]identity.Token, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]identity.Token, error) {
		var list []identity.Token
		for _, token := range t.tokens {
			if token.UserID == user {
				list = append(list, copyToken(token))
			}
		}
		return inOrder(list, func(k identity.Token) (time.Time, uuid.UUID) { return k.CreatedAt, k.ID }), nil
	})
}

// Delete removes one of the user's tokens, or NotFound.
func (s *Tokens) Delete(ctx context.Context, user, id uuid.UUID) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		if token, ok := t.tokens[id]; !ok || token.UserID != user {
			return missing("token")
		}
		delete(t.tokens, id)
		return nil
	})
}

// Touch notes that a token was used; a later use stays.
func (s *Tokens) Touch(ctx context.Context, id uuid.UUID, used time.Time) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		token, ok := t.tokens[id]
		if ok && (token.LastUsedAt == nil || token.LastUsedAt.Before(used)) {
			token.LastUsedAt = copiedInstant(&used)
			t.tokens[id] = token
		}
		return nil
	})
}
