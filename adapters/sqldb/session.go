package sqldb

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/identity"
)

var _ identity.Sessions = (*Sessions)(nil)

// Sessions keeps the sessions of browsers.
type Sessions struct{ db *DB }

// NewSessions returns the sessions in db.
func NewSessions(db *DB) *Sessions { return &Sessions{db} }

type sessionRow struct {
	bun.BaseModel `bun:"table:sessions,alias:s"`

	Digest    []byte    `bun:"digest,pk"`
	UserID    uuid.UUID `bun:"user_id"`
	CreatedAt instant   `bun:"created_at"`
	ExpiresAt instant   `bun:"expires_at"`
	User      *userRow  `bun:"rel:belongs-to,join:user_id=id"`
}

// Create stores a session.
func (s *Sessions) Create(ctx context.Context, session identity.Session) error {
	row := &sessionRow{
		Digest: session.Digest[:], UserID: session.UserID,
		CreatedAt: at(session.CreatedAt), ExpiresAt: at(session.ExpiresAt),
	}
	if _, err := s.db.conn(ctx).NewInsert().Model(row).Exec(ctx); err != nil {
		return fmt.Errorf("storing a session: %w", translate(err))
	}
	return nil
}

// User returns the user of a session that has not expired, else NotFound.
func (s *Sessions) User(ctx context.Context, digest identity.Digest, now time.Time) (identity.User, identity.Session, error) {
	var row sessionRow
	err := s.db.reader(ctx).NewSelect().Model(&row).Relation("User").
		Where("s.digest = ? and s.expires_at > ?", digest[:], now).Scan(ctx)
	if err != nil {
		return identity.User{}, identity.Session{}, fmt.Errorf("reading a session: %w", found(err, "session"))
	}
	return row.User.user(), identity.Session{
		Digest: digest, UserID: row.UserID, CreatedAt: row.CreatedAt.at, ExpiresAt: row.ExpiresAt.at,
	}, nil
}

// Extend moves a session's end. One that was deleted meanwhile stays so, without
// an error.
func (s *Sessions) Extend(ctx context.Context, digest identity.Digest, expiresAt time.Time) error {
	_, err := s.db.conn(ctx).NewUpdate().Model((*sessionRow)(nil)).
		Set("expires_at = ?", expiresAt).Where("digest = ?", digest[:]).Exec(ctx)
	if err != nil {
		return fmt.Errorf("extending a session: %w", translate(err))
	}
	return nil
}

// Delete ends a session; an unknown one is no error.
func (s *Sessions) Delete(ctx context.Context, digest identity.Digest) error {
	return s.delete(ctx, "digest = ?", digest[:])
}

// DeleteOthers ends all of a user's sessions but one.
func (s *Sessions) DeleteOthers(ctx context.Context, user uuid.UUID, keep identity.Digest) error {
	return s.delete(ctx, "user_id = ? and digest <> ?", user, keep[:])
}

// Sweep removes what expired before the time.
func (s *Sessions) Sweep(ctx context.Context, before time.Time) error {
	return s.delete(ctx, "expires_at < ?", before)
}

func (s *Sessions) delete(ctx context.Context, where string, args ...any) error {
	if _, err := s.db.conn(ctx).NewDelete().Model((*sessionRow)(nil)).Where(where, args...).Exec(ctx); err != nil {
		return fmt.Errorf("ending sessions: %w", translate(err))
	}
	return nil
}
