package sqldb

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// SourceIDs lists the sources of all owners, for what is done to each.
type SourceIDs struct{ db *DB }

// NewSourceIDs returns the list.
func NewSourceIDs(db *DB) *SourceIDs { return &SourceIDs{db} }

// IDs returns up to limit ids behind one, in their order.
func (s *SourceIDs) IDs(ctx context.Context, after uuid.UUID, limit int) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	err := s.db.read.NewSelect().Model((*sourceRow)(nil)).Column("id").Where("id > ?", after).OrderExpr("id").Limit(int64(limit)).Scan(ctx, &ids)
	if err != nil {
		return nil, fmt.Errorf("listing sun sources: %w", translate(err))
	}
	return ids, nil
}
