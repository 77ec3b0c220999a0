// Package idempotency remembers the first answer to a request that carries an
// Idempotency-Key, so that a repeat gets the same answer and acts only once.
package idempotency

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Lifetime is how long an answer is remembered.
const Lifetime = 24 * time.Hour

// Patience is how long a claim without an answer keeps others out: the time
// after which the process that made it is taken for dead.
const Patience = time.Minute

// Key names one request: the same user, method, path and key text.
type Key struct {
	UserID uuid.UUID
	Method string
	Path   string
	Text   string
}

// Answer is what was sent, sealed by the caller because it may carry secrets.
type Answer struct {
	// BodyDigest stands for the request's query and body, which can't be guessed
	// from it without the key's text.
	BodyDigest [32]byte
	// Done is false while the first request is still under way.
	Done   bool
	Sealed []byte
}

// Store keeps answers, and of a key's text no more than a digest.
type Store interface {
	// Claim takes the key for a request with this digest. claimed is true when the
	// caller is the first (or the claim before it is older than Patience and has no
	// answer, or older than Lifetime) and must call Finish or Release; else the
	// earlier answer is returned.
	Claim(ctx context.Context, key Key, digest [32]byte, now time.Time) (earlier Answer, claimed bool, err error)
	// Finish stores the answer of a claimed key. Without an open claim it is a
	// Conflict: the claim outlived Patience and another request was answered.
	Finish(ctx context.Context, key Key, sealed []byte) error
	// Release gives a claim back: the request failed and may be tried again. An
	// answer that was stored stays.
	Release(ctx context.Context, key Key) error
	// Sweep removes what was claimed before the time.
	Sweep(ctx context.Context, before time.Time) error
}
