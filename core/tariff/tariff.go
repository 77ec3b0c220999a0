// Package tariff is the domain of money: what a kilowatt-hour of a source is
// worth and since when, and what its energies make of that. It measures no
// energy: that is in package energy.
package tariff

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/fault"
	"ampra/core/patch"
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

// MaxPrices is how many entries a source's history may have: one a week for
// nineteen years.
const MaxPrices = 1000

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

// Patch is an update of a price: only the fields that were sent change.
type Patch struct {
	PricePerKwh       patch.Field[decimal.Decimal]
	FeedInPricePerKwh patch.Field[decimal.Decimal]
	EffectiveFrom     patch.Field[time.Time]
}

// Apply changes p as the patch says and validates the result. Every field that
// is at fault is named, also the ones that can't be null.
func (c Patch) Apply(p *Price) error {
	var wrong fault.Fields
	const notNull = "must not be null"
	wrong.Check(c.PricePerKwh.Required(&p.PricePerKwh), "pricePerKwh", notNull)
	wrong.Check(c.EffectiveFrom.Required(&p.EffectiveFrom), "effectiveFrom", notNull)
	c.FeedInPricePerKwh.Nullable(&p.FeedInPricePerKwh)
	wrong.Merge(fault.FieldsOf(p.Check()))
	return wrong.Err()
}

// Check is Validate for a price with a time of its owner's choice.
func (p Price) Check() error {
	wrong := fault.FieldsOf(p.Validate("pricePerKwh"))
	wrong.Check(sunsource.ValidDate(p.EffectiveFrom), "effectiveFrom", "must be between the years 1900 and 9999")
	return wrong.Err()
}

// Taken is the Conflict of a second price of a source from the same moment on:
// which of the two held could not be told.
func Taken() *fault.Error {
	return fault.New(fault.Conflict, "The sun source has a price from this moment on already. Change that one instead.")
}

// Repository keeps price histories. Every method with an owner sees only prices
// of the owner's sources; another's is a fault NotFound.
type Repository interface {
	// Add stores an entry. NotFound says that the source is gone, a Conflict, which
	// leaves a transaction usable, that it has a price from this moment on.
	Add(ctx context.Context, p Price) error
	// History returns a source's entries, the earliest EffectiveFrom first.
	History(ctx context.Context, source uuid.UUID) ([]Price, error)
	// Update loads, lets change decide, and saves, in one transaction. It returns
	// what was saved; an error of change is returned as it is and saves nothing.
	// Conflict as for Add.
	Update(ctx context.Context, owner, id uuid.UUID, change func(*Price) error) (Price, error)
	// Delete removes an entry; the last one may go, too.
	Delete(ctx context.Context, owner, id uuid.UUID) error
}
