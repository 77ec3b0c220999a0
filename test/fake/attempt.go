package fake

import (
	"context"
	"maps"
	"time"

	"ampra/core/identity"
)

var (
	_ identity.Attempts    = (*Attempts)(nil)
	_ identity.SetupTokens = (*SetupTokens)(nil)
)

// Attempts counts failed sign-ins in memory.
type Attempts struct {
	Faults
	r *Records
}

type attempts struct {
	failures int
	last     time.Time
}

// Begin counts an attempt, or returns how long to wait.
func (s *Attempts) Begin(ctx context.Context, email string, now time.Time) (wait time.Duration, err error) {
	now = instant(now)
	err = s.r.write(ctx, &s.Faults, func(t *tables) error {
		count := t.attempts[email]
		if now.Sub(count.last) >= identity.LockTime {
			count.failures = 0
		}
		if count.failures >= identity.MaxFailures {
			wait = min(count.last.Add(identity.LockTime).Sub(now), identity.LockTime)
			return nil
		}
		count.failures++
		if count.last.Before(now) {
			count.last = now
		}
		t.attempts[email] = count
		return nil
	})
	return wait, err
}

// Clear forgets the failures after a success.
func (s *Attempts) Clear(ctx context.Context, email string) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		delete(t.attempts, email)
		return nil
	})
}

// Sweep removes counts whose last attempt was before the time.
func (s *Attempts) Sweep(ctx context.Context, before time.Time) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		maps.DeleteFunc(t.attempts, func(_ string, a attempts) bool { return a.last.Before(instant(before)) })
		return nil
	})
}

// SetupTokens keeps the setup token in memory.
type SetupTokens struct {
	Faults
	r *Records
}

// Put replaces the stored digest.
func (s *SetupTokens) Put(ctx context.Context, digest identity.Digest) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		t.setupToken = &digest
		return nil
	})
}

// Matches reports whether the digest is the stored one.
func (s *SetupTokens) Matches(ctx context.Context, digest identity.Digest) (bool, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) (bool, error) {
		return t.setupToken != nil && *t.setupToken == digest, nil
	})
}
