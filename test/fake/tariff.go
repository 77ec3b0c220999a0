package fake

import (
	"context"
	"time"

	"github.com/google/uuid"

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
			return tariff.Taken()
		}
		if t.priced(p) {
			return tariff.Taken()
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

// priced reports whether the source has another price from the same moment on.
func (t *tables) priced(p tariff.Price) bool {
	for _, other := range t.prices {
		if other.SourceID == p.SourceID && other.ID != p.ID && other.EffectiveFrom.Equal(instant(p.EffectiveFrom)) {
			return true
		}
	}
	return false
}

// price returns one of the owner's.
func (t *tables) price(owner, id uuid.UUID) (tariff.Price, error) {
	p, known := t.prices[id]
	if !known || t.sources[p.SourceID].OwnerID != owner {
		return tariff.Price{}, missing("price")
	}
	return copyPrice(p), nil
}

// Update loads, lets change decide, and saves.
func (s *Tariffs) Update(ctx context.Context, owner, id uuid.UUID, change func(*tariff.Price) error) (tariff.Price, error) {
	var saved tariff.Price
	err := s.r.write(ctx, &s.Faults, func(t *tables) error {
		p, err := t.price(owner, id)
		if err != nil {
			return err
		}
		kept := p
		if err := change(&p); err != nil {
			return err
		}
		p.ID, p.SourceID, p.CreatedAt = kept.ID, kept.SourceID, kept.CreatedAt
		if t.priced(p) {
			return tariff.Taken()
		}
		t.prices[id] = copyPrice(p)
		saved = copyPrice(p)
		return nil
	})
	return saved, err
}

// Delete removes an entry.
func (s *Tariffs) Delete(ctx context.Context, owner, id uuid.UUID) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		if _, err := t.price(owner, id); err != nil {
			return err
		}
		delete(t.prices, id)
		return nil
	})
}
