package sqldb

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/sunsource"
)

var _ sunsource.Erasures = (*Erasures)(nil)

// Erasures keeps the deleted sources whose telemetry is still there.
type Erasures struct{ db *DB }

// NewErasures returns the erasures in db.
func NewErasures(db *DB) *Erasures { return &Erasures{db} }

type erasureRow struct {
	bun.BaseModel `bun:"table:telemetry_erasures,alias:e"`

	Seq      int64     `bun:"seq,pk,autoincrement"`
	SourceID uuid.UUID `bun:"source_id"`
}

// noteErasure adds a source, in the context's transaction.
func noteErasure(ctx context.Context, db *DB, source uuid.UUID) error {
	_, err := db.conn(ctx).NewInsert().Model(&erasureRow{SourceID: source}).On("conflict do nothing").Exec(ctx)
	if err != nil {
		return fmt.Errorf("noting telemetry to erase: %w", translate(err))
	}
	return nil
}

// Pending returns up to limit ids, the oldest first.
func (e *Erasures) Pending(ctx context.Context, limit int) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	err := e.db.reader(ctx).NewSelect().Model((*erasureRow)(nil)).Column("source_id").
		OrderExpr("e.seq").Limit(int64(limit)).Scan(ctx, &ids)
	if err != nil {
		return nil, fmt.Errorf("reading telemetry to erase: %w", translate(err))
	}
	return ids, nil
}

// Done strikes one off; an unknown one is no error.
func (e *Erasures) Done(ctx context.Context, source uuid.UUID) error {
	_, err := e.db.conn(ctx).NewDelete().Model((*erasureRow)(nil)).Where("source_id = ?", source).Exec(ctx)
	if err != nil {
		return fmt.Errorf("striking off erased telemetry: %w", translate(err))
	}
	return nil
}
