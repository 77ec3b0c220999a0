// Package credential is the domain of what devices sign in with: MQTT keys and
// webhook secrets, how they are made, sealed, compared and replaced, and how a
// webhook's signature is verified. Users' passwords and sessions are in package
// identity.
package credential

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
)

// hidden is what any attempt to print a secret shows.
const hidden = "[secret]"

// Secret is a key or secret in the clear. It can't print itself: only Reveal
// gives the text. The zero value is no secret.
type Secret struct {
	// text stands behind a pointer because fmt calls no method of a value in an
	// unexported field, nor for %p and %w: there it shows an address and no text.
	text *string
	// Two secrets are compared with Equal; == does not compile.
	_ [0]func()
}

// NewSecret wraps a text. An empty one is no secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text. Its callers are the places where a secret leaves:
// answers to its owner, sealing and verifying.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal compares in constant time.
func (s Secret) Equal(other Secret) bool {
	a, b := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(other.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String hides the secret.
func (s Secret) String() string { return hidden }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return hidden }

// Format hides the secret from every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// keyBytes is the entropy of a generated key.
const keyBytes = 32

// Prefixes of generated keys, so that a leaked one can be told by its look.
const (
	mqttPrefix    = "ak_"
	webhookPrefix = "wh_"
)

// NewMQTTKey draws a key: "ak_" and 32 random bytes in base64url. random is a
// cryptographic source; its error is returned.
func NewMQTTKey(random io.Reader) (Secret, error) { return draw(random, mqttPrefix) }

// NewWebhookSecret draws a secret: "wh_" and 32 random bytes in base64url.
func NewWebhookSecret(random io.Reader) (Secret, error) { return draw(random, webhookPrefix) }

func draw(random io.Reader, prefix string) (Secret, error) {
	var b [keyBytes]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return Secret{}, fmt.Errorf("drawing a key: %w", err)
	}
	return NewSecret(prefix + base64.RawURLEncoding.EncodeToString(b[:])), nil
}

// Digest is the SHA-256 of a generated key. A key has 256 random bits, so its
// digest needs no salt and no slow hash; a chosen secret never has one.
type Digest [sha256.Size]byte

// DigestOf returns the digest of a generated key.
func DigestOf(s Secret) Digest { return sha256.Sum256([]byte(s.Reveal())) }

// Matches reports in constant time whether d is the digest of s.
func (d Digest) Matches(s Secret) bool {
	other := DigestOf(s)
	return subtle.ConstantTimeCompare(d[:], other[:]) == 1
}

func digestsEqual(a, b Digest) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
