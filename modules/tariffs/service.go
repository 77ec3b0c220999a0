// Package tariffs holds the use cases of prices, and of what a source's energy
// has been worth. How much energy that was it asks others; what it makes of it
// is computed in core/tariff.
package tariffs

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/actor"
	"ampra/core/clock"
	"ampra/core/energy"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/tariff"
)

// Sources is what prices need of the sources.
type Sources interface {
	// Get returns one of the owner's sources, or NotFound.
	Get(ctx context.Context, owner, id uuid.UUID) (sunsource.SunSource, error)
}

// Zones tells where a source's days begin.
type Zones interface {
	// Zone returns the site's time zone.
	Zone(ctx context.Context, s sunsource.SunSource) (*time.Location, sunsource.ZoneFrom, error)
}

// Energies tells what a source did. Whose it is has been asked before.
type Energies interface {
	// Energy returns every period of the zone's clock that touches [from, to), in
	// the order of time.
	Energy(ctx context.Context, s sunsource.SunSource, zone *time.Location, res energy.Resolution, from, to time.Time) ([]energy.Bucket, error)
}

// Deps are the ports that the use cases stand on.
type Deps struct {
	Sources  Sources
	Prices   tariff.Repository
	Zones    Zones
	Energies Energies
	Clock    clock.Clock
	// Random is a cryptographic source of bytes.
	Random io.Reader
}

// Service has the use cases.
type Service struct{ d Deps }

// New returns the use cases on their ports.
func New(d Deps) *Service { return &Service{d: d} }

// Draft is what a price is made of.
type Draft struct {
	PricePerKwh       decimal.Decimal
	FeedInPricePerKwh *decimal.Decimal
	EffectiveFrom     time.Time
	// Unreadable names fields that could not be read as what they should be; they
	// are refused together with those that break a rule.
	Unreadable fault.Fields
}

// Update is a change of a price.
type Update struct {
	tariff.Patch
	Unreadable fault.Fields // as in Draft
}

// List returns the prices of one of the actor's sources, the earliest first.
func (s *Service) List(ctx context.Context, who actor.Actor, source uuid.UUID) ([]tariff.Price, error) {
	if _, err := s.d.Sources.Get(ctx, who.UserID, source); err != nil {
		return nil, err
	}
	return s.d.Prices.History(ctx, source)
}

// Add gives one of the actor's sources a price from a moment on, past or to come.
// Conflict says that it has one from this moment on, or as many as it may.
func (s *Service) Add(ctx context.Context, who actor.Actor, source uuid.UUID, d Draft) (tariff.Price, error) {
	id, err := uuid.NewRandomFromReader(s.d.Random)
	if err != nil {
		return tariff.Price{}, fmt.Errorf("drawing an id: %w", err)
	}
	p := tariff.Price{
		ID: id, SourceID: source, PricePerKwh: d.PricePerKwh, FeedInPricePerKwh: d.FeedInPricePerKwh,
		EffectiveFrom: d.EffectiveFrom, CreatedAt: s.d.Clock.Now(),
	}
	history, err := s.List(ctx, who, source)
	if err != nil {
		return tariff.Price{}, err
	}
	if err := d.Unreadable.With(p.Check()); err != nil {
		return tariff.Price{}, err
	}
	if len(history) >= tariff.MaxPrices {
		return tariff.Price{}, fault.New(fault.Conflict, "A sun source has at most %d prices: delete some first.", tariff.MaxPrices)
	}
	if err := s.d.Prices.Add(ctx, p); err != nil {
		return tariff.Price{}, err
	}
	return p, nil
}

// Update changes the fields that were sent.
func (s *Service) Update(ctx context.Context, who actor.Actor, id uuid.UUID, u Update) (tariff.Price, error) {
	return s.d.Prices.Update(ctx, who.UserID, id, func(p *tariff.Price) error {
		return u.Unreadable.With(u.Apply(p))
	})
}

// Delete removes a price; the one before it holds on, if there is one.
func (s *Service) Delete(ctx context.Context, who actor.Actor, id uuid.UUID) error {
	return s.d.Prices.Delete(ctx, who.UserID, id)
}
