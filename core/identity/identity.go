// Package identity is the domain of users: accounts, passwords, sessions and
// personal API tokens. What devices sign in with is in package credential.
package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/fault"
)

// Limits.
const (
	MaxEmail    = 254 // characters, RFC 5321
	MaxName     = 100
	MinPassword = 8
	MaxPassword = 256
	// SessionLifetime slides: each use begins it anew.
	SessionLifetime = 7 * 24 * time.Hour
	// MaxFailures in a row lock an e-mail for LockTime.
	MaxFailures = 5
	LockTime    = 5 * time.Minute
	// MaxTokens is how many API tokens one user may have.
	MaxTokens = 100
)

// User is an account.
type User struct {
	ID           uuid.UUID
	Email        string // as NormalEmail gives it
	PasswordHash string // argon2id in PHC string format
	FirstName    *string
	LastName     *string
	Role         actor.Role
	CreatedAt    time.Time
}

// Validate names every field that breaks a rule. The password is checked by
// CheckPassword.
func (u User) Validate() error {
	var f fault.Fields
	f.Check(validEmail(u.Email), "email", "must be an e-mail address such as name@example.org")
	for name, value := range map[string]*string{"firstName": u.FirstName, "lastName": u.LastName} {
		f.Check(value == nil || utf8.RuneCountInString(*value) <= MaxName, name, "must have at most 100 characters")
	}
	f.Check(u.Role.Valid(), "role", "must be User, Admin or Overseer")
	return f.Err()
}

// NormalEmail is the form in which an e-mail is stored and compared: without
// spaces around it, in lower case.
func NormalEmail(text string) string { return strings.ToLower(strings.TrimSpace(text)) }

func validEmail(e string) bool {
	local, domain, ok := strings.Cut(e, "@")
	if !ok || local == "" || domain == "" || len(e) > MaxEmail || !utf8.ValidString(e) || strings.Contains(domain, "@") {
		return false
	}
	return !strings.ContainsFunc(e, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`"(),:;<>[\]`, r)
	})
}

// CheckPassword demands 8 to 256 characters with an upper-case letter, a
// lower-case letter and a digit. field names the field for the fault.
func CheckPassword(field, password string) error {
	var upper, lower, digit bool
	for _, r := range password {
		upper = upper || unicode.IsUpper(r)
		lower = lower || unicode.IsLower(r)
		digit = digit || unicode.IsDigit(r)
	}
	var f fault.Fields
	n := utf8.RuneCountInString(password)
	f.Check(n >= MinPassword && n <= MaxPassword && upper && lower && digit, field,
		"must have 8 to 256 characters with an upper-case letter, a lower-case letter and a digit")
	return f.Err()
}

// Digest is the SHA-256 of a session's or token's random text: all that is
// stored of it.
type Digest [sha256.Size]byte

// TokenPrefix begins every API token, so that a leaked one can be told by its look.
const TokenPrefix = "ampra_"

// NewOpaque draws 32 random bytes as base64url behind a prefix, and the digest
// under which it is stored.
func NewOpaque(random io.Reader, prefix string) (text string, digest Digest, err error) {
	var b [32]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", Digest{}, fmt.Errorf("drawing a token: %w", err)
	}
	text = prefix + base64.RawURLEncoding.EncodeToString(b[:])
	return text, DigestOf(text), nil
}

// DigestOf is the digest under which an opaque text is stored.
func DigestOf(text string) Digest { return sha256.Sum256([]byte(text)) }

// Users keeps accounts.
type Users interface {
	// Create stores a user; a taken e-mail is a Conflict.
	Create(ctx context.Context, u User) error
	// CreateFirst stores the user only when there is none yet, also when several
	// try at once: the others get a Forbidden.
	CreateFirst(ctx context.Context, u User) error
	// Any reports whether there is an account at all.
	Any(ctx context.Context) (bool, error)
	// ByID and ByEmail return one user or NotFound.
	ByID(ctx context.Context, id uuid.UUID) (User, error)
	ByEmail(ctx context.Context, email string) (User, error)
	// List returns users by creation time, then id.
	List(ctx context.Context) ([]User, error)
	// SetPassword replaces the hash.
	SetPassword(ctx context.Context, id uuid.UUID, hash string) error
}

// Hasher makes and checks password hashes. Verify takes the same time whether
// the password is right or not.
type Hasher interface {
	Hash(password string) (string, error)
	// Verify reports whether the password is the hash's. An empty hash stands for
	// an unknown user: it takes as long as a known one's and is never right.
	Verify(hash, password string) (bool, error)
}
