package fake

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/tariff"
)

var _ tariff.Repository = (*Tariffs)(nil)

// Tariffs keeps price histories in memory.
type Tariffs struct {
	Faults
	r *Records
}

func copyPrice(p tariff.Price) tariff.Price {
	p.FeedInPricePerKwh = copied(p.FeedInPricePerKwh)
	p.EffectiveFrom, p.CreatedAt = instant(p.EffectiveFrom), instant(p.CreatedAt)
	return p
}

// Add stores an entry.
func (s *Tariffs) Add(ctx context.Context, p tariff.Price) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		if _, known := t.sources[p.SourceID]; !known {
			return missing("sun source")
		}
		if _, taken := t.prices[p.ID]; taken {
			return fault.New(fault.Conflict, "There is such a price already.")
		}
		t.prices[p.ID] = copyPrice(p)
		return nil
	})
}

// History returns a source's entries, the earliest EffectiveFrom first.
func (s *Tariffs) History(ctx context.Context, source uuid.UUID) ([]tariff.Price, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]tariff.Price, error) {
		var list []tariff.Price
		for _, p := range t.prices {
			if p.SourceID == source {
				list = append(list, copyPrice(p))
			}
		}
		return inOrder(list, func(p tariff.Price) (time.Time, uuid.UUID) { return p.EffectiveFrom, p.ID }), nil
	})
}
