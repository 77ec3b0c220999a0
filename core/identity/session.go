package identity

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
)

// Session is a browser that signed in.
type Session struct {
	Digest    Digest
	UserID    uuid.UUID
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Sessions keeps sessions.
type Sessions interface {
	Create(ctx context.Context, s Session) error
	// User returns the user of a session that has not expired, else NotFound.
	User(ctx context.Context, digest Digest, now time.Time) (User, Session, error)
	// Extend moves a session's end; one that was ended meanwhile stays so, without
	// an error.
	Extend(ctx context.Context, digest Digest, expiresAt time.Time) error
	// Delete ends a session; an unknown one is no error.
	Delete(ctx context.Context, digest Digest) error
	// DeleteOthers ends all of a user's sessions but one.
	DeleteOthers(ctx context.Context, user uuid.UUID, keep Digest) error
	// Sweep removes what expired before the time.
	Sweep(ctx context.Context, before time.Time) error
}

// Scope is what an API token allows.
type Scope string

// The scopes. Write includes read.
const (
	Read  Scope = "read"
	Write Scope = "write"
)

// Token is a personal API token, without its text.
type Token struct {
	ID         uuid.UUID
	UserID     uuid.UUID
	Name       string
	Scopes     []Scope
	Digest     Digest
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastUsedAt *time.Time
}

// CanWrite reports whether the token may change things.
func (t Token) CanWrite() bool { return slices.Contains(t.Scopes, Write) }

// Validate names every field that breaks a rule, at the time.
func (t Token) Validate(now time.Time) error {
	var f fault.Fields
	n := len([]rune(t.Name))
	f.Check(n >= 1 && n <= MaxName, "name", "must have 1 to 100 characters")
	ok := len(t.Scopes) > 0
	for i, s := range t.Scopes {
		ok = ok && (s == Read || s == Write) && !slices.Contains(t.Scopes[:i], s)
	}
	f.Check(ok, "scopes", `must be a list of "read" and "write", each once`)
	f.Check(t.ExpiresAt.After(now) && t.ExpiresAt.UTC().Year() <= 9999, "expiresAt", "must be a time in the future")
	return f.Err()
}

// Tokens keeps API tokens.
type Tokens interface {
	// Create stores a token.
	Create(ctx context.Context, t Token) error
	// User returns the user of a token that has not expired, else NotFound.
	User(ctx context.Context, digest Digest, now time.Time) (User, Token, error)
	// List returns a user's tokens by creation time, expired ones too.
	List(ctx context.Context, user uuid.UUID) ([]Token, error)
	// Delete removes one of the user's tokens, or NotFound.
	Delete(ctx context.Context, user, id uuid.UUID) error
	// Touch notes that a token was used.
	Touch(ctx context.Context, id uuid.UUID, at time.Time) error
}

// Attempts counts failed sign-ins in a row for an e-mail, known or not, and
// keeps the count over restarts. Only the e-mail's digest is stored.
type Attempts interface {
	// Begin counts an attempt before the password is looked at, so that many at
	// once can't pass. When MaxFailures are counted already and the last is less
	// than LockTime old, it counts nothing and returns how long to wait. A count
	// whose last attempt is older than LockTime begins anew.
	Begin(ctx context.Context, email string, now time.Time) (wait time.Duration, err error)
	// Clear forgets the failures after a success.
	Clear(ctx context.Context, email string) error
	// Sweep removes counts whose last attempt was before the time.
	Sweep(ctx context.Context, before time.Time) error
}

// SetupTokens keeps the digest of the one token by which the first account may
// be made from elsewhere than loopback.
type SetupTokens interface {
	// Put replaces the stored digest.
	Put(ctx context.Context, digest Digest) error
	// Matches reports whether the digest is the stored one.
	Matches(ctx context.Context, digest Digest) (bool, error)
}
