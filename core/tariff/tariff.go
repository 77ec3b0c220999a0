// Package tariff is the domain of energy prices: what a kilowatt-hour of a
// source is worth, and since when.
package tariff

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/fault"
	"ampra/core/sunsource"
)

// Price is one entry of a source's price history. It holds from EffectiveFrom
// until the next entry, in the source's currency.
type Price struct {
	ID                uuid.UUID
	SourceID          uuid.UUID
	PricePerKwh       decimal.Decimal
	FeedInPricePerKwh *decimal.Decimal // nil where unknown
	EffectiveFrom     time.Time
	CreatedAt         time.Time
}

// Validate names every field that breaks a rule. field is the name under which
// the price came in ("initialKwhPrice", "pricePerKwh").
func (p Price) Validate(field string) error {
	var f fault.Fields
	f.Check(sunsource.ValidMoney(p.PricePerKwh), field, sunsource.MoneyRule)
	if p.FeedInPricePerKwh != nil {
		f.Check(sunsource.ValidMoney(*p.FeedInPricePerKwh), "feedInPricePerKwh", sunsource.MoneyRule)
	}
	return f.Err()
}

// Repository keeps price histories.
type Repository interface {
	// Add stores an entry.
	Add(ctx context.Context, p Price) error
	// History returns a source's entries, the earliest EffectiveFrom first.
	History(ctx context.Context, source uuid.UUID) ([]Price, error)
}
