// Package powergroups holds the use cases of power groups.
package powergroups

import (
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/patch"
	"ampra/core/powergroup"
)

// Deps are the ports that the use cases stand on.
type Deps struct {
	Groups powergroup.Repository
	Clock  clock.Clock
	// Random is a cryptographic source of bytes.
	Random io.Reader
}

// Service has the use cases.
type Service struct{ d Deps }

// New returns the use cases on their ports.
func New(d Deps) *Service { return &Service{d: d} }

// Draft is what a group is made of.
type Draft struct {
	Name        string
	Description *string
	LogoURL     *string
	// Unreadable names fields that could not be read as what they should be; they
	// are refused together with those that break a rule.
	Unreadable fault.Fields
}

// Update is a change of a group: only the fields that were sent.
type Update struct {
	Name        patch.Field[string]
	Description patch.Field[string]
	LogoURL     patch.Field[string]
	Unreadable  fault.Fields // as in Draft
}

// List returns the actor's groups.
func (s *Service) List(ctx context.Context, who actor.Actor) ([]powergroup.PowerGroup, error) {
	return s.d.Groups.List(ctx, who.UserID)
}

// Get returns one of the actor's groups.
func (s *Service) Get(ctx context.Context, who actor.Actor, id uuid.UUID) (powergroup.PowerGroup, error) {
	return s.d.Groups.Get(ctx, who.UserID, id)
}

// Create makes a group.
func (s *Service) Create(ctx context.Context, who actor.Actor, d Draft) (powergroup.PowerGroup, error) {
	id, err := uuid.NewRandomFromReader(s.d.Random)
	if err != nil {
		return powergroup.PowerGroup{}, fmt.Errorf("drawing an id: %w", err)
	}
	now := s.d.Clock.Now()
	g := powergroup.PowerGroup{
		ID: id, OwnerID: who.UserID, Name: d.Name, Description: d.Description, LogoURL: d.LogoURL,
		CreatedAt: now, UpdatedAt: now,
	}
	if err := d.Unreadable.With(g.Validate()); err != nil {
		return powergroup.PowerGroup{}, err
	}
	if err := s.d.Groups.Create(ctx, g); err != nil {
		return powergroup.PowerGroup{}, err
	}
	return g, nil
}

// Update changes the fields that were sent.
func (s *Service) Update(ctx context.Context, who actor.Actor, id uuid.UUID, u Update) (powergroup.PowerGroup, error) {
	return s.d.Groups.Update(ctx, who.UserID, id, func(g *powergroup.PowerGroup) error {
		var nulls fault.Fields
		nulls.Check(u.Name.Required(&g.Name), "name", "must not be null")
		u.Description.Nullable(&g.Description)
		u.LogoURL.Nullable(&g.LogoURL)
		g.UpdatedAt = s.d.Clock.Now()
		return u.Unreadable.With(nulls.With(g.Validate()))
	})
}

// Delete removes a group; its sources stay, unassigned.
func (s *Service) Delete(ctx context.Context, who actor.Actor, id uuid.UUID) error {
	return s.d.Groups.Delete(ctx, who.UserID, id)
}
