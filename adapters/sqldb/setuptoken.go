package sqldb

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"ampra/core/identity"
)

var _ identity.SetupTokens = (*SetupTokens)(nil)

// SetupTokens keeps the digest of the setup token.
type SetupTokens struct{ db *DB }

// NewSetupTokens returns the setup token in db.
func NewSetupTokens(db *DB) *SetupTokens { return &SetupTokens{db} }

type setupTokenRow struct {
	bun.BaseModel `bun:"table:setup_tokens,alias:t"`

	ID     int    `bun:"id,pk"` // always 1
	Digest []byte `bun:"digest"`
}

// Put replaces the stored digest.
func (s *SetupTokens) Put(ctx context.Context, digest identity.Digest) error {
	_, err := s.db.conn(ctx).NewInsert().Model(&setupTokenRow{ID: 1, Digest: digest[:]}).
		On("conflict (id) do update").Set("digest = excluded.digest").Exec(ctx)
	if err != nil {
		return fmt.Errorf("storing the setup token: %w", translate(err))
	}
	return nil
}

// Matches reports whether the digest is the stored one.
func (s *SetupTokens) Matches(ctx context.Context, digest identity.Digest) (bool, error) {
	matches, err := s.db.reader(ctx).NewSelect().Model((*setupTokenRow)(nil)).
		Where("t.digest = ?", digest[:]).Exists(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the setup token: %w", translate(err))
	}
	return matches, nil
}
