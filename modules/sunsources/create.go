package sunsources

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/actor"
	"ampra/core/change"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/tariff"
)

// Draft is what a source is made of.
type Draft struct {
	Name                   string
	Description            *string
	IconURL                *string
	PowerGroupID           *uuid.UUID
	ConnectionType         sunsource.ConnectionType
	Latitude               *float64
	Longitude              *float64
	WebhookSecret          *string
	InstalledCapacityWatts *float64
	// Currency is EUR when nil.
	Currency               *string
	InitialKwhPrice        *decimal.Decimal
	SystemCost             *decimal.Decimal
	MaintenanceCostPerYear *decimal.Decimal
	InstallationDate       *time.Time
	// Unreadable names fields that could not be read as what they should be; they
	// are refused together with those that break a rule.
	Unreadable fault.Fields
}

// drawings is how often a new id is drawn when the first 8 digits of one are
// taken: with a million sources one in 4,000 is.
const drawings = 8

// Create makes a source with its credential and, when a price is given, the
// first entry of its price history: all of them or none. Everything that is
// wrong is named at once.
func (s *Service) Create(ctx context.Context, who actor.Actor, n Draft, reveal bool) (Revealed, error) {
	for range drawings {
		made, err := s.create(ctx, who, n, reveal)
		if !errors.Is(err, errTaken) {
			return made, err
		}
	}
	return Revealed{}, fmt.Errorf("creating a source: no free id in %d drawings", drawings)
}

// errTaken says that the drawn id clashes with another's client id.
var errTaken = errors.New("the drawn id is taken")

func (s *Service) create(ctx context.Context, who actor.Actor, n Draft, reveal bool) (Revealed, error) {
	id, err := uuid.NewRandomFromReader(s.d.Random)
	if err != nil {
		return Revealed{}, fmt.Errorf("drawing an id: %w", err)
	}
	source, price, custom, err := s.prepare(ctx, who, id, n)
	if err != nil {
		return Revealed{}, err
	}
	var made Revealed
	err = s.d.Transactions.Run(ctx, func(ctx context.Context) error {
		if err := s.d.Sources.Create(ctx, source); err != nil {
			if fault.Is(err, fault.Conflict) {
				return errTaken
			}
			return err
		}
		if err := s.d.Credentials.Issue(ctx, id, source.ConnectionType, custom); err != nil {
			return err
		}
		if price != nil {
			if err := s.d.Prices.Add(ctx, *price); err != nil {
				return err
			}
		}
		// Read here, so that there is no source of which its owner never heard.
		var err error
		if made, err = s.Get(ctx, who, id, reveal); err != nil {
			return err
		}
		// Nobody waits for it: who asked for the id before it was drawn guessed.
		_, err = s.d.Outbox.Append(ctx, change.Change{Kind: change.SourceCreated, SourceID: id})
		return err
	})
	if err != nil {
		return Revealed{}, err
	}
	return made, nil
}

// prepare checks everything before anything is stored.
func (s *Service) prepare(ctx context.Context, who actor.Actor, id uuid.UUID, n Draft) (sunsource.SunSource, *tariff.Price, credential.Secret, error) {
	now := s.d.Clock.Now()
	source := sunsource.SunSource{
		ID: id, OwnerID: who.UserID, Name: n.Name, Description: n.Description, IconURL: n.IconURL,
		PowerGroupID: n.PowerGroupID, ConnectionType: n.ConnectionType, Latitude: n.Latitude, Longitude: n.Longitude,
		IsActive: true, InstalledCapacityWatts: n.InstalledCapacityWatts, Currency: sunsource.DefaultCurrency,
		SystemCost: n.SystemCost, MaintenanceCostPerYear: n.MaintenanceCostPerYear, InstallationDate: n.InstallationDate,
		CreatedAt: now, UpdatedAt: now,
	}
	if n.Currency != nil {
		source.Currency = *n.Currency
	}
	wrong, err := s.foreignGroup(ctx, who, n.PowerGroupID)
	if err != nil {
		return source, nil, credential.Secret{}, err
	}
	wrong.Merge(fault.FieldsOf(source.Validate()))

	var custom credential.Secret
	if n.WebhookSecret != nil {
		custom = credential.NewSecret(*n.WebhookSecret)
		if n.ConnectionType == sunsource.MQTT {
			wrong.Add("webhookSecret", "is only for Webhook sources")
		}
		wrong.Merge(fault.FieldsOf(credential.CheckCustomSecret(*n.WebhookSecret)))
	}
	var price *tariff.Price
	if n.InitialKwhPrice != nil {
		priceID, err := uuid.NewRandomFromReader(s.d.Random)
		if err != nil {
			return source, nil, custom, fmt.Errorf("drawing an id: %w", err)
		}
		price = &tariff.Price{ID: priceID, SourceID: id, PricePerKwh: *n.InitialKwhPrice, EffectiveFrom: now, CreatedAt: now}
		wrong.Merge(fault.FieldsOf(price.Validate("initialKwhPrice")))
	}
	return source, price, custom, n.Unreadable.With(wrong.Err())
}

// foreignGroup notes a power group that is not the actor's. The store refuses it
// too, but only after everything else is right.
func (s *Service) foreignGroup(ctx context.Context, who actor.Actor, group *uuid.UUID) (wrong fault.Fields, err error) {
	if group == nil {
		return wrong, nil
	}
	_, err = s.d.Groups.Get(ctx, who.UserID, *group)
	if fault.Is(err, fault.NotFound) {
		wrong.Add("powerGroupId", "must be one of your power groups")
		err = nil
	}
	return wrong, err
}
