package sqldb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/fault"
	"ampra/core/idempotency"
)

var _ idempotency.Store = (*Idempotency)(nil)

// Idempotency keeps the first answers to requests.
type Idempotency struct{ db *DB }

// NewIdempotency returns the answers in db.
func NewIdempotency(db *DB) *Idempotency { return &Idempotency{db} }

type answerRow struct {
	bun.BaseModel `bun:"table:idempotency_keys,alias:k"`

	KeyDigest  []byte    `bun:"key_digest,pk"`
	UserID     uuid.UUID `bun:"user_id"`
	BodyDigest []byte    `bun:"body_digest"`
	ClaimedAt  instant   `bun:"claimed_at"`
	Sealed     []byte    `bun:"sealed"` // null until the request is answered
	Done       bool      `bun:"done,scanonly"`
}

// keyDigest makes one short value of a key whose texts may be of any length.
// Each part is led by its length, so that no two keys look the same.
func keyDigest(key idempotency.Key) []byte {
	h := sha256.New()
	h.Write(key.UserID[:])
	for _, part := range []string{key.Method, key.Path, key.Text} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// Claim takes the key, or returns the earlier answer. Taking is one statement.
func (s *Idempotency) Claim(ctx context.Context, key idempotency.Key, digest [32]byte, now time.Time) (idempotency.Answer, bool, error) {
	row := &answerRow{KeyDigest: keyDigest(key), UserID: key.UserID, BodyDigest: digest[:], ClaimedAt: at(now)}
	for {
		n, err := affected(s.db.conn(ctx).NewInsert().Model(row).
			On("conflict (key_digest) do update").
			Set("body_digest = excluded.body_digest, claimed_at = excluded.claimed_at, sealed = null").
			Where("(k.sealed is null and k.claimed_at < ?) or k.claimed_at < ?",
				now.Add(-idempotency.Patience), now.Add(-idempotency.Lifetime)).
			Exec(ctx))
		if err != nil {
			return idempotency.Answer{}, false, fmt.Errorf("claiming an idempotency key: %w", err)
		}
		if n > 0 {
			return idempotency.Answer{}, true, nil
		}
		var earlier answerRow
		err = s.db.conn(ctx).NewSelect().Model(&earlier).
			ColumnExpr("k.body_digest, k.sealed, k.sealed is not null as done").Where("k.key_digest = ?", row.KeyDigest).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			continue // released in between: claim again
		}
		if err != nil {
			return idempotency.Answer{}, false, fmt.Errorf("reading an earlier answer: %w", translate(err))
		}
		body, err := digestOf(earlier.BodyDigest)
		if err != nil {
			return idempotency.Answer{}, false, fmt.Errorf("reading an earlier answer: %w", err)
		}
		return idempotency.Answer{BodyDigest: body, Done: earlier.Done, Sealed: earlier.Sealed}, false, nil
	}
}

// Finish stores the answer of a claimed key. Without an open claim it is a
// Conflict: it took longer than Patience, and another request has answered.
func (s *Idempotency) Finish(ctx context.Context, key idempotency.Key, sealed []byte) error {
	if sealed == nil {
		sealed = []byte{} // null would say that there is no answer
	}
	n, err := affected(s.db.conn(ctx).NewUpdate().Model((*answerRow)(nil)).
		Set("sealed = ?", sealed).Where("key_digest = ? and sealed is null", keyDigest(key)).Exec(ctx))
	if err == nil && n == 0 {
		err = fault.New(fault.Conflict, "Another request with this idempotency key was answered meanwhile.")
	}
	if err != nil {
		return fmt.Errorf("storing an answer: %w", err)
	}
	return nil
}

// Release gives a claim back; an answer that was stored stays.
func (s *Idempotency) Release(ctx context.Context, key idempotency.Key) error {
	return s.delete(ctx, "key_digest = ? and sealed is null", keyDigest(key))
}

// Sweep removes what was claimed before the time.
func (s *Idempotency) Sweep(ctx context.Context, before time.Time) error {
	return s.delete(ctx, "claimed_at < ?", before)
}

func (s *Idempotency) delete(ctx context.Context, where string, arg any) error {
	if _, err := s.db.conn(ctx).NewDelete().Model((*answerRow)(nil)).Where(where, arg).Exec(ctx); err != nil {
		return fmt.Errorf("removing idempotency keys: %w", translate(err))
	}
	return nil
}
