package devices

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/clock"
	"ampra/core/device"
	"ampra/core/sunsource"
)

// Sources is what devices need of the sources.
type Sources interface {
	// Get returns one of the owner's sources, or NotFound.
	Get(ctx context.Context, owner, id uuid.UUID) (sunsource.SunSource, error)
}

// Deps are the ports that the use cases stand on.
type Deps struct {
	Sources  Sources
	Statuses device.Statuses
	Fleet    device.Fleet
	Attempts *Attempts
	Clock    clock.Clock
}

// Service has the use cases.
type Service struct{ d Deps }

// New returns the use cases on their ports.
func New(d Deps) *Service { return &Service{d: d} }

// How long histories are by default and at the most.
const (
	DefaultLimit = 100
	MaxLimit     = device.MaxChanges
)

// Health is a source's status with a part of its history.
type Health struct {
	device.Status
	// Changes are newest first; Until of the one that lasts is zero.
	Changes []Period
	// Next is where the next page begins, zero at the end.
	Next time.Time
}

// Period is how long a state lasted.
type Period struct {
	State        device.State
	Since, Until time.Time
}

// Status returns the state of one of the actor's sources, and its history between
// two times, zero for open.
func (s *Service) Status(ctx context.Context, who actor.Actor, id uuid.UUID, stretch device.Stretch) (Health, error) {
	if _, err := s.d.Sources.Get(ctx, who.UserID, id); err != nil {
		return Health{}, err
	}
	status, err := s.d.Statuses.Status(ctx, id)
	if err != nil {
		return Health{}, err
	}
	limit := stretch.Limit
	stretch.Limit++ // one more tells whether there is a next page
	changes, err := s.d.Statuses.Changes(ctx, id, stretch)
	if err != nil {
		return Health{}, err
	}
	h := Health{Status: status}
	if len(changes) > limit {
		changes = changes[:limit]
		h.Next = changes[limit-1].Since
	}
	until, err := s.until(ctx, id, stretch.To)
	if err != nil {
		return Health{}, err
	}
	for _, c := range changes {
		h.Changes = append(h.Changes, Period{State: c.State, Since: c.Since, Until: until})
		until = c.Since
	}
	return h, nil
}

// until is when the state ended that held before a time, zero while it lasts.
func (s *Service) until(ctx context.Context, id uuid.UUID, to time.Time) (time.Time, error) {
	if to.IsZero() {
		return time.Time{}, nil
	}
	// The change that holds at it or comes after it is the first of those from it on.
	later, err := s.d.Statuses.Changes(ctx, id, device.Stretch{From: to, Limit: MaxLimit})
	if err != nil {
		return time.Time{}, err
	}
	for _, c := range slices.Backward(later) {
		if !c.Since.Before(to) {
			return c.Since, nil
		}
	}
	return time.Time{}, nil
}

// List returns those of the actor's sources that a query asks for.
func (s *Service) List(ctx context.Context, who actor.Actor, query device.Query) ([]device.Listed, error) {
	return s.d.Fleet.Search(ctx, who.UserID, query)
}

// Of returns the status of one of the actor's sources.
func (s *Service) Of(ctx context.Context, source uuid.UUID) (device.Status, error) {
	return s.d.Statuses.Status(ctx, source)
}

// AttemptsOf returns how the device of one of the actor's sources knocked in vain,
// the last first.
func (s *Service) AttemptsOf(ctx context.Context, who actor.Actor, id uuid.UUID) ([]device.Attempt, error) {
	if _, err := s.d.Sources.Get(ctx, who.UserID, id); err != nil {
		return nil, err
	}
	return s.d.Attempts.List(id), nil
}
