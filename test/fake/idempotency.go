package fake

import (
	"bytes"
	"context"
	"maps"
	"time"

	"ampra/core/fault"
	"ampra/core/idempotency"
)

var _ idempotency.Store = (*Idempotency)(nil)

// Idempotency keeps answers in memory.
type Idempotency struct {
	Faults
	r *Records
}

type answer struct {
	idempotency.Answer
	claimedAt time.Time
}

// Claim takes the key, or returns the earlier answer.
func (s *Idempotency) Claim(ctx context.Context, key idempotency.Key, digest [32]byte, now time.Time) (earlier idempotency.Answer, claimed bool, err error) {
	now = instant(now)
	err = s.r.write(ctx, &s.Faults, func(t *tables) error {
		have, taken := t.answers[key]
		age := now.Sub(have.claimedAt)
		if taken && age <= idempotency.Lifetime && (have.Done || age <= idempotency.Patience) {
			earlier = have.Answer
			earlier.Sealed = bytes.Clone(earlier.Sealed)
			return nil
		}
		claimed = true
		t.answers[key] = answer{Answer: idempotency.Answer{BodyDigest: digest}, claimedAt: now}
		return nil
	})
	return earlier, claimed && err == nil, err
}

// Finish stores the answer of a claimed key; without an open claim it is a
// Conflict.
func (s *Idempotency) Finish(ctx context.Context, key idempotency.Key, sealed []byte) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		have, taken := t.answers[key]
		if !taken || have.Done {
			return fault.New(fault.Conflict, "Another request with this idempotency key was answered meanwhile.")
		}
		have.Done, have.Sealed = true, bytes.Clone(sealed)
		t.answers[key] = have
		return nil
	})
}

// Release gives a claim back; an answer that was stored stays.
func (s *Idempotency) Release(ctx context.Context, key idempotency.Key) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		if !t.answers[key].Done {
			delete(t.answers, key)
		}
		return nil
	})
}

// Sweep removes what was claimed before the time.
func (s *Idempotency) Sweep(ctx context.Context, before time.Time) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		maps.DeleteFunc(t.answers, func(_ idempotency.Key, a answer) bool { return a.claimedAt.Before(instant(before)) })
		return nil
	})
}
