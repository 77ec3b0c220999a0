package sqldb

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/uptrace/bun"

	"ampra/core/tariff"
)

var _ tariff.Repository = (*Tariffs)(nil)

// Tariffs keeps price histories.
type Tariffs struct{ db *DB }

// NewTariffs returns the price histories in db.
func NewTariffs(db *DB) *Tariffs { return &Tariffs{db} }

type priceRow struct {
	bun.BaseModel `bun:"table:kwh_prices,alias:p"`

	ID                uuid.UUID        `bun:"id,pk"`
	SourceID          uuid.UUID        `bun:"source_id"`
	PricePerKwh       decimal.Decimal  `bun:"price_per_kwh"`
	FeedInPricePerKwh *decimal.Decimal `bun:"feed_in_price_per_kwh"`
	EffectiveFrom     instant          `bun:"effective_from"`
	CreatedAt         instant          `bun:"created_at"`
}

// Add stores an entry.
func (t *Tariffs) Add(ctx context.Context, p tariff.Price) error {
	row := &priceRow{
		ID: p.ID, SourceID: p.SourceID, PricePerKwh: p.PricePerKwh, FeedInPricePerKwh: p.FeedInPricePerKwh,
		EffectiveFrom: at(p.EffectiveFrom), CreatedAt: at(p.CreatedAt),
	}
	_, err := t.db.conn(ctx).NewInsert().Model(row).Exec(ctx)
	if isForeignKey(err) {
		err = missing("sun source")
	}
	if err != nil {
		return fmt.Errorf("storing a price: %w", translate(err))
	}
	return nil
}

// History returns a source's entries, the earliest EffectiveFrom first.
func (t *Tariffs) History(ctx context.Context, source uuid.UUID) ([]tariff.Price, error) {
	var rows []priceRow
	err := t.db.reader(ctx).NewSelect().Model(&rows).Where("p.source_id = ?", source).
		OrderExpr("p.effective_from, p.created_at, p.id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading a price history: %w", translate(err))
	}
	prices := make([]tariff.Price, len(rows))
	for i, r := range rows {
		prices[i] = tariff.Price{
			ID: r.ID, SourceID: r.SourceID, PricePerKwh: r.PricePerKwh, FeedInPricePerKwh: r.FeedInPricePerKwh,
			EffectiveFrom: r.EffectiveFrom.at, CreatedAt: r.CreatedAt.at,
		}
	}
	return prices, nil
}
