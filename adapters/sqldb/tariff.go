package sqldb

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/uptrace/bun"

	"ampra/core/fault"
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

func priceToRow(p tariff.Price) *priceRow {
	return &priceRow{
		ID: p.ID, SourceID: p.SourceID, PricePerKwh: p.PricePerKwh, FeedInPricePerKwh: p.FeedInPricePerKwh,
		EffectiveFrom: at(p.EffectiveFrom), CreatedAt: at(p.CreatedAt),
	}
}

func (r *priceRow) price() tariff.Price {
	return tariff.Price{
		ID: r.ID, SourceID: r.SourceID, PricePerKwh: r.PricePerKwh, FeedInPricePerKwh: r.FeedInPricePerKwh,
		EffectiveFrom: r.EffectiveFrom.at, CreatedAt: r.CreatedAt.at,
	}
}

// Add stores an entry.
func (t *Tariffs) Add(ctx context.Context, p tariff.Price) error {
	result, err := t.db.conn(ctx).NewInsert().Model(priceToRow(p)).On("conflict do nothing").Exec(ctx)
	if isForeignKey(err) {
		err = missing("sun source")
	}
	n, err := affected(result, err)
	if err == nil && n == 0 {
		err = tariff.Taken()
	}
	if err != nil {
		return fmt.Errorf("storing a price: %w", err)
	}
	return nil
}

// History returns a source's entries, the earliest EffectiveFrom first.
func (t *Tariffs) History(ctx context.Context, source uuid.UUID) ([]tariff.Price, error) {
	var rows []priceRow
	err := t.db.reader(ctx).NewSelect().Model(&rows).Where("p.source_id = ?", source).OrderExpr("p.effective_from").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading a price history: %w", translate(err))
	}
	prices := make([]tariff.Price, len(rows))
	for i := range rows {
		prices[i] = rows[i].price()
	}
	return prices, nil
}

// Update loads, lets change decide, and saves, in one transaction.
func (t *Tariffs) Update(ctx context.Context, owner, id uuid.UUID, change func(*tariff.Price) error) (tariff.Price, error) {
	var saved tariff.Price
	err := t.db.Run(ctx, func(ctx context.Context) error {
		var row priceRow
		err := t.db.conn(ctx).NewSelect().Model(&row).Where("p.id = ? and p.source_id in (?)", id, t.sourcesOf(ctx, owner)).
			Apply(t.db.locking).Scan(ctx)
		if err != nil {
			return fmt.Errorf("locking a price: %w", found(err, "price"))
		}
		price := row.price()
		if err := change(&price); err != nil {
			return err
		}
		changed := priceToRow(price)
		result, err := t.db.conn(ctx).NewUpdate().Model(changed).
			Column("price_per_kwh", "feed_in_price_per_kwh", "effective_from").Where("p.id = ?", id).Returning("*").Exec(ctx)
		if err = affectedOne(result, err, "price"); fault.Is(err, fault.Conflict) {
			err = tariff.Taken()
		}
		if err != nil {
			return fmt.Errorf("storing a price: %w", err)
		}
		saved = changed.price()
		return nil
	})
	return saved, err
}

// sourcesOf asks for the ids of an owner's sources.
func (t *Tariffs) sourcesOf(ctx context.Context, owner uuid.UUID) *bun.SelectQuery {
	return t.db.conn(ctx).NewSelect().TableExpr("sun_sources as s").Column("s.id").Where("s.owner_id = ?", owner)
}

// Delete removes an entry.
func (t *Tariffs) Delete(ctx context.Context, owner, id uuid.UUID) error {
	result, err := t.db.conn(ctx).NewDelete().Model((*priceRow)(nil)).
		Where("p.id = ? and p.source_id in (?)", id, t.sourcesOf(ctx, owner)).Exec(ctx)
	if err := affectedOne(result, err, "price"); err != nil {
		return fmt.Errorf("deleting a price: %w", err)
	}
	return nil
}
