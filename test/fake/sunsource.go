package fake

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/tariff"
)

var (
	_ sunsource.Repository = (*SunSources)(nil)
	_ sunsource.Erasures   = (*Erasures)(nil)
)

// SunSources keeps sun sources in memory.
type SunSources struct {
	Faults
	r *Records
}

func copySource(s sunsource.SunSource) sunsource.SunSource {
	s.Description, s.IconURL = copied(s.Description), copied(s.IconURL)
	s.PowerGroupID, s.PowerGroupName = copied(s.PowerGroupID), nil
	s.Latitude, s.Longitude = copied(s.Latitude), copied(s.Longitude)
	s.InstalledCapacityWatts = copied(s.InstalledCapacityWatts)
	s.SystemCost, s.MaintenanceCostPerYear = copied(s.SystemCost), copied(s.MaintenanceCostPerYear)
	s.InstallationDate = copiedInstant(s.InstallationDate)
	s.CreatedAt, s.UpdatedAt = instant(s.CreatedAt), instant(s.UpdatedAt)
	return s
}

// source returns one with its group's name.
func (t *tables) source(owner, id uuid.UUID) (sunsource.SunSource, error) {
	s, ok := t.sources[id]
	if !ok || s.OwnerID != owner {
		return sunsource.SunSource{}, missing("sun source")
	}
	s = copySource(s)
	if s.PowerGroupID != nil {
		s.PowerGroupName = new(t.groups[*s.PowerGroupID].Name)
	}
	return s, nil
}

// store keeps a source whose group, if any, is its owner's.
func (t *tables) store(s sunsource.SunSource) error {
	if s.PowerGroupID != nil {
		if _, err := t.group(s.OwnerID, *s.PowerGroupID); err != nil {
			var f fault.Fields
			f.Add("powerGroupId", "must be one of your power groups")
			return f.Err()
		}
	}
	t.sources[s.ID] = copySource(s)
	return nil
}

// Create stores a new source.
func (s *SunSources) Create(ctx context.Context, source sunsource.SunSource) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		for id := range t.sources {
			if sunsource.ClientID(id) == source.ClientID() {
				return fault.New(fault.Conflict, "The client id %s is taken.", source.ClientID())
			}
		}
		return t.store(source)
	})
}

// Get returns one source, or NotFound.
func (s *SunSources) Get(ctx context.Context, owner, id uuid.UUID) (sunsource.SunSource, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) (sunsource.SunSource, error) { return t.source(owner, id) })
}

// List returns the owner's sources by creation time, then id.
func (s *SunSources) List(ctx context.Context, owner uuid.UUID, filter sunsource.Filter, page sunsource.Page) ([]sunsource.SunSource, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]sunsource.SunSource, error) {
		var list []sunsource.SunSource
		for id := range t.sources {
			source, err := t.source(owner, id)
			group := filter.PowerGroupID
			if err == nil && (group == nil || source.PowerGroupID != nil && *source.PowerGroupID == *group) {
				list = append(list, source)
			}
		}
		inOrder(list, func(s sunsource.SunSource) (time.Time, uuid.UUID) { return s.CreatedAt, s.ID })
		if page.After != uuid.Nil {
			last := slices.IndexFunc(list, func(s sunsource.SunSource) bool { return s.ID == page.After })
			if last < 0 {
				var f fault.Fields
				f.Add("cursor", "is not in the list any more")
				return nil, f.Err()
			}
			list = list[last+1:]
		}
		if page.Limit > 0 {
			list = list[:min(page.Limit, len(list))]
		}
		return list, nil
	})
}

// Update loads, lets change decide, and saves.
func (s *SunSources) Update(ctx context.Context, owner, id uuid.UUID, change func(*sunsource.SunSource) error) (sunsource.SunSource, error) {
	var saved sunsource.SunSource
	err := s.r.write(ctx, &s.Faults, func(t *tables) error {
		source, err := t.source(owner, id)
		if err != nil {
			return err
		}
		kept := source
		if err := change(&source); err != nil {
			return err
		}
		source.ID, source.OwnerID = kept.ID, kept.OwnerID
		source.ConnectionType, source.CreatedAt = kept.ConnectionType, kept.CreatedAt
		if err := t.store(source); err != nil {
			return err
		}
		saved, err = t.source(owner, id)
		return err
	})
	return saved, err
}

// Delete removes the source with all that hangs on it, and notes its erasure.
func (s *SunSources) Delete(ctx context.Context, owner, id uuid.UUID) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		if _, err := t.source(owner, id); err != nil {
			return err
		}
		t.devices.forget(t.sources[id])
		delete(t.sources, id)
		maps.DeleteFunc(t.credentials, func(_ uuid.UUID, c credential.Credential) bool { return c.SourceID == id })
		delete(t.settings, id)
		delete(t.explanations, id)
		maps.DeleteFunc(t.prices, func(_ uuid.UUID, p tariff.Price) bool { return p.SourceID == id })
		t.erasures = append(t.erasures, id)
		return nil
	})
}

// Erasures keeps the deleted sources whose telemetry is still there.
type Erasures struct {
	Faults
	r *Records
}

// Pending returns up to limit ids, the oldest first.
func (s *Erasures) Pending(ctx context.Context, limit int) ([]uuid.UUID, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]uuid.UUID, error) {
		return slices.Clone(t.erasures[:min(limit, len(t.erasures))]), nil
	})
}

// Done strikes one off; an unknown one is no error.
func (s *Erasures) Done(ctx context.Context, id uuid.UUID) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		t.erasures = slices.DeleteFunc(t.erasures, func(have uuid.UUID) bool { return have == id })
		return nil
	})
}
