package sqldb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"ampra/core/identity"
)

var _ identity.Attempts = (*Attempts)(nil)

// Attempts counts failed sign-ins.
type Attempts struct{ db *DB }

// NewAttempts returns the counts in db.
func NewAttempts(db *DB) *Attempts { return &Attempts{db} }

type attemptRow struct {
	bun.BaseModel `bun:"table:sign_in_attempts,alias:a"`

	EmailDigest []byte  `bun:"email_digest,pk"`
	Failures    int     `bun:"failures"`
	LastAt      instant `bun:"last_at"`
}

func emailDigest(email string) []byte {
	digest := sha256.Sum256([]byte(email))
	return digest[:]
}

// Begin counts an attempt, or returns how long to wait. Counting is one
// statement, so that of many at once no more than the allowed ones pass.
func (a *Attempts) Begin(ctx context.Context, email string, now time.Time) (time.Duration, error) {
	digest := emailDigest(email)
	old := now.Add(-identity.LockTime) // a count that stood still since then is over
	for {
		n, err := affected(a.db.conn(ctx).NewInsert().
			Model(&attemptRow{EmailDigest: digest, Failures: 1, LastAt: at(now)}).
			On("conflict (email_digest) do update").
			Set("failures = case when a.last_at <= ? then 1 else a.failures + 1 end", old).
			// Another process's clock may be ahead: the later time stays.
			Set("last_at = case when a.last_at > excluded.last_at then a.last_at else excluded.last_at end").
			Where("a.failures < ? or a.last_at <= ?", identity.MaxFailures, old).
			Exec(ctx))
		if err != nil {
			return 0, fmt.Errorf("counting a sign-in: %w", err)
		}
		if n > 0 {
			return 0, nil
		}
		var row attemptRow
		err = a.db.conn(ctx).NewSelect().Model(&row).Where("a.email_digest = ?", digest).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			continue // cleared in between: count again
		}
		if err != nil {
			return 0, fmt.Errorf("reading a count of sign-ins: %w", translate(err))
		}
		if wait := row.LastAt.at.Sub(old); wait > 0 {
			return min(wait, identity.LockTime), nil
		}
	}
}

// Clear forgets the failures after a success.
func (a *Attempts) Clear(ctx context.Context, email string) error {
	return a.delete(ctx, "email_digest = ?", emailDigest(email))
}

// Sweep removes counts whose last attempt was before the time.
func (a *Attempts) Sweep(ctx context.Context, before time.Time) error {
	return a.delete(ctx, "last_at < ?", before)
}

func (a *Attempts) delete(ctx context.Context, where string, arg any) error {
	if _, err := a.db.conn(ctx).NewDelete().Model((*attemptRow)(nil)).Where(where, arg).Exec(ctx); err != nil {
		return fmt.Errorf("forgetting counts of sign-ins: %w", translate(err))
	}
	return nil
}
