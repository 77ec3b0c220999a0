package fake

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/powergroup"
)

var _ powergroup.Repository = (*PowerGroups)(nil)

// PowerGroups keeps power groups in memory.
type PowerGroups struct {
	Faults
	r *Records
}

func copyGroup(g powergroup.PowerGroup) powergroup.PowerGroup {
	g.Description, g.LogoURL = copied(g.Description), copied(g.LogoURL)
	g.CreatedAt, g.UpdatedAt = instant(g.CreatedAt), instant(g.UpdatedAt)
	g.SunSourceCount = 0
	return g
}

// group returns one with its count.
func (t *tables) group(owner, id uuid.UUID) (powergroup.PowerGroup, error) {
	g, ok := t.groups[id]
	if !ok || g.OwnerID != owner {
		return powergroup.PowerGroup{}, missing("power group")
	}
	g = copyGroup(g)
	for _, s := range t.sources {
		if s.PowerGroupID != nil && *s.PowerGroupID == id {
			g.SunSourceCount++
		}
	}
	return g, nil
}

// Create stores a new group.
func (s *PowerGroups) Create(ctx context.Context, g powergroup.PowerGroup) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		if _, taken := t.groups[g.ID]; taken {
			return fault.New(fault.Conflict, "There is a power group with this id already.")
		}
		t.groups[g.ID] = copyGroup(g)
		return nil
	})
}

// Get returns one group with its count of sources, or NotFound.
func (s *PowerGroups) Get(ctx context.Context, owner, id uuid.UUID) (powergroup.PowerGroup, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) (powergroup.PowerGroup, error) { return t.group(owner, id) })
}

// List returns the owner's groups by creation time, then id.
func (s *PowerGroups) List(ctx context.Context, owner uuid.UUID) ([]powergroup.PowerGroup, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]powergroup.PowerGroup, error) {
		var list []powergroup.PowerGroup
		for id := range t.groups {
			if g, err := t.group(owner, id); err == nil {
				list = append(list, g)
			}
		}
		return inOrder(list, func(g powergroup.PowerGroup) (time.Time, uuid.UUID) { return g.CreatedAt, g.ID }), nil
	})
}

// Update loads, lets change decide, and saves.
func (s *PowerGroups) Update(ctx context.Context, owner, id uuid.UUID, change func(*powergroup.PowerGroup) error) (powergroup.PowerGroup, error) {
	var saved powergroup.PowerGroup
	err := s.r.write(ctx, &s.Faults, func(t *tables) error {
		g, err := t.group(owner, id)
		if err != nil {
			return err
		}
		kept := g
		if err := change(&g); err != nil {
			return err
		}
		g.ID, g.OwnerID, g.CreatedAt = kept.ID, kept.OwnerID, kept.CreatedAt
		t.groups[id] = copyGroup(g)
		saved, err = t.group(owner, id)
		return err
	})
	return saved, err
}

// Delete removes the group; its sources stay, unassigned.
func (s *PowerGroups) Delete(ctx context.Context, owner, id uuid.UUID) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		if _, err := t.group(owner, id); err != nil {
			return err
		}
		for key, source := range t.sources {
			if source.PowerGroupID != nil && *source.PowerGroupID == id {
				source.PowerGroupID = nil
				t.sources[key] = source
			}
		}
		delete(t.groups, id)
		return nil
	})
}
