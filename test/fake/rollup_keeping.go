package fake

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/rollup"
)

// SealedAfter returns the first row behind a day that is not Whole.
func (s *Rollups) SealedAfter(_ context.Context, source uuid.UUID, day int32, parts rollup.Parts) (rollup.Day, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range s.ofSource(source, day+1, math.MaxInt32, parts) {
		if row.IsSealed() {
			return row, true, nil
		}
	}
	return rollup.Day{}, false, nil
}

// Due returns rows that may go on.
func (s *Rollups) Due(_ context.Context, ask rollup.Due) ([]rollup.Day, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	order := func(a, b rollup.Place) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), bytes.Compare(a.SourceID[:], b.SourceID[:]))
	}
	place := func(day rollup.Day) rollup.Place { return rollup.Place{SourceID: day.SourceID, Day: day.Day} }
	var found []rollup.Day
	for _, day := range s.days {
		if day.Stage == ask.Stage && day.Day < ask.Before && s.now().Sub(day.RolledAt) >= ask.Idle &&
			(ask.After == nil || order(place(day), *ask.After) > 0) {
			found = append(found, partsOf(day, rollup.None))
		}
	}
	slices.SortFunc(found, func(a, b rollup.Day) int { return order(place(a), place(b)) })
	return found[:min(len(found), ask.Limit)], nil
}

// Advance brings a row to a stage.
func (s *Rollups) Advance(ctx context.Context, day rollup.Day, to rollup.Stage) error {
	return s.keep(ctx, day, func(key dayKey, row rollup.Day) {
		row.Revision, row.Stage = row.Revision+1, to
		if to == rollup.Coarse {
			row.Minutes = nil
		}
		s.days[key] = row
	})
}

// Remove erases a row.
func (s *Rollups) Remove(ctx context.Context, day rollup.Day) error {
	return s.keep(ctx, day, func(key dayKey, _ rollup.Day) { delete(s.days, key) })
}

// keep acts on a row that has the revision.
func (s *Rollups) keep(ctx context.Context, day rollup.Day, act func(key dayKey, row rollup.Day)) error {
	fate, err := s.KeepFaults.begin(ctx)
	if err != nil {
		return err
	}
	if fate.err != nil && !fate.stored {
		return fate.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := dayKey{day.SourceID, day.Day}
	row, ok := s.days[key]
	if !ok || row.Revision != day.Revision {
		return fault.New(fault.Conflict, "The day was rolled up by another process meanwhile.")
	}
	act(key, row)
	return fate.err
}

// Empty deletes the readings of days.
func (s *Rollups) Empty(ctx context.Context, source uuid.UUID, from, to int32) (deleted int64, done bool, err error) {
	fate, err := s.KeepFaults.begin(ctx)
	if err != nil {
		return 0, false, err
	}
	if fate.err != nil && !fate.stored {
		return 0, false, fate.err
	}
	s.mu.Lock() // so that no mark is raised meanwhile
	defer s.mu.Unlock()
	for _, m := range s.marks {
		if m.SourceID == source && m.Day <= to {
			return 0, false, fate.err
		}
	}
	if s.Archive != nil {
		deleted = s.Archive.empty(source, rollup.Start(from), rollup.End(to))
	}
	return deleted, true, fate.err
}
