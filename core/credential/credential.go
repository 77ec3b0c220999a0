package credential

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/sunsource"
)

// MaxGrace is the longest time that a replaced credential may stay valid.
const MaxGrace = 7 * 24 * time.Hour

// Limits of a webhook secret that an owner chooses, in characters.
const (
	MinCustomSecret = 16
	MaxCustomSecret = 256
)

// Sealed is a secret encrypted at rest. It opens only with the key that sealed
// it and the associated data of its own row.
type Sealed struct {
	// KeyID names the key in the key file.
	KeyID string
	// Box is nonce and ciphertext.
	Box []byte
}

// Credential is one version of what a source's device signs in with.
type Credential struct {
	ID       uuid.UUID
	SourceID uuid.UUID
	Kind     sunsource.ConnectionType
	// Version counts a source's credentials from 1. The highest is the current.
	Version int
	// Digest is set for MQTT keys only.
	Digest    Digest
	Sealed    Sealed
	CreatedAt time.Time
	// ValidUntil is when a replaced credential ends; nil for the current one.
	ValidUntil *time.Time
	LastUsedAt *time.Time
}

// Valid reports whether the credential opens anything at the time.
func (c Credential) Valid(now time.Time) bool {
	return c.ValidUntil == nil || now.Before(*c.ValidUntil)
}

// AssociatedData binds a sealed secret to its row: one that is copied to another
// row does not open there.
func (c Credential) AssociatedData() []byte {
	return []byte("ampra/credential/" + c.SourceID.String() + "/" + c.ID.String())
}

// CheckCustomSecret validates a webhook secret that the owner chose.
func CheckCustomSecret(text string) error {
	var f fault.Fields
	n := utf8.RuneCountInString(text)
	f.Check(n >= MinCustomSecret && n <= MaxCustomSecret, "webhookSecret", "must have 16 to 256 characters")
	if _, err := signingKey(text); err != nil && text != "" {
		f.Add("webhookSecret", err.Error())
	}
	return f.Err()
}

// Repository keeps credentials.
type Repository interface {
	// Add stores the first credential of a source.
	Add(ctx context.Context, c Credential) error
	// List returns a source's credentials, the newest version first, ended ones
	// included until Sweep.
	List(ctx context.Context, source uuid.UUID) ([]Credential, error)
	// Replace stores next as the current credential. Those before it end: the one
	// that was current at validUntil, or at once when that is nil; all older ones
	// at once. A credential that ends at once is removed. A version that is not one
	// above the current is a Conflict: somebody else was faster.
	Replace(ctx context.Context, next Credential, validUntil *time.Time) error
	// Touch notes when credentials were last used, by id; unknown ids are ignored
	// and a later time stays.
	Touch(ctx context.Context, used map[uuid.UUID]time.Time) error
	// Sweep removes credentials that ended before the time.
	Sweep(ctx context.Context, before time.Time) error
	// SealedWithout returns up to limit credentials that are not sealed with the
	// key, and Reseal replaces the box of one when it is still the one that was
	// read (else nothing happens: it was replaced meanwhile).
	SealedWithout(ctx context.Context, keyID string, limit int) ([]Credential, error)
	Reseal(ctx context.Context, id uuid.UUID, old, sealed Sealed) error
}

// Sealer encrypts secrets at rest.
type Sealer interface {
	// Seal encrypts with the current key, bound to the associated data.
	Seal(plain, associated []byte) (Sealed, error)
	// Open decrypts. An unknown key, another row's associated data or a changed box
	// is an error that says which.
	Open(sealed Sealed, associated []byte) ([]byte, error)
	// CurrentKey is the id of the key that Seal uses.
	CurrentKey() string
}
