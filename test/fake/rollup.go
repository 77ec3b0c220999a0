package fake

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/rollup"
)

var _ rollup.Store = (*Rollups)(nil)

// Rollups keeps marks and days in memory. Its time is Clock's, the machine's
// without one. Faults govern Raise, SaveFaults Save, KeepFaults Advance and Empty.
type Rollups struct {
	Faults
	SaveFaults Faults
	KeepFaults Faults
	Clock      clock.Clock
	// Archive is where Empty deletes; nil for nothing to delete.
	Archive *Archive

	mu      sync.Mutex
	marks   map[markKey]*keptMark
	days    map[dayKey]rollup.Day
	erased  map[uuid.UUID]bool
	notes   map[string]bool
	version int64
}

type markKey struct {
	source uuid.UUID
	day    int32
	slot   int64
}

type dayKey struct {
	source uuid.UUID
	day    int32
}

type keptMark struct {
	rollup.Taken
	ripe, due time.Time
}

func (s *Rollups) now() time.Time {
	if s.Clock == nil {
		return time.Now()
	}
	return s.Clock.Now()
}

// Raise makes marks durable.
func (s *Rollups) Raise(ctx context.Context, settle time.Duration, marks ...rollup.Mark) error {
	fate, err := s.begin(ctx)
	if err != nil {
		return err
	}
	if fate.err != nil && !fate.stored {
		return fate.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.marks == nil {
		s.marks = map[markKey]*keptMark{}
	}
	for _, m := range marks {
		if s.erased[m.SourceID] {
			continue
		}
		key := markKey{m.SourceID, m.Day, m.Slot}
		ripe := s.now()
		if m.Slot != rollup.AtOnce {
			ripe = ripe.Add(settle)
		}
		if there := s.marks[key]; there != nil {
			m.Earliest = min(m.Earliest, there.Earliest)
		}
		s.version++
		s.marks[key] = &keptMark{Taken: rollup.Taken{Mark: m, Version: s.version}, ripe: ripe, due: ripe}
	}
	return fate.err
}

// Take gives the caller marks.
func (s *Rollups) Take(_ context.Context, limit int, lease time.Duration) ([]rollup.Taken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var free []*keptMark
	now := s.now()
	for _, m := range s.marks {
		if !m.ripe.After(now) && !m.due.After(now) {
			free = append(free, m)
		}
	}
	slices.SortFunc(free, func(a, b *keptMark) int { return cmp.Or(a.ripe.Compare(b.ripe), byDay(a.Mark, b.Mark)) })
	var taken []rollup.Taken
	for _, m := range free[:min(limit, len(free))] {
		s.version++
		m.Version, m.due, m.Age = s.version, now.Add(lease), now.Sub(m.ripe)
		taken = append(taken, m.Taken)
	}
	return taken, nil
}

func byDay(a, b rollup.Mark) int {
	return cmp.Or(bytes.Compare(a.SourceID[:], b.SourceID[:]), cmp.Compare(a.Day, b.Day), cmp.Compare(a.Slot, b.Slot))
}

// Drop removes marks that are still the caller's.
func (s *Rollups) Drop(_ context.Context, taken ...rollup.Taken) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range taken {
		key := markKey{m.SourceID, m.Day, m.Slot}
		if there := s.marks[key]; there != nil && there.Version == m.Version {
			delete(s.marks, key)
		}
	}
	return nil
}

// Waiting returns all marks of sources.
func (s *Rollups) Waiting(_ context.Context, sources []uuid.UUID, from, to int32) ([]rollup.Mark, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []rollup.Mark
	for _, source := range sources {
		begin := len(found)
		for _, m := range s.marks {
			if m.SourceID == source && m.Day >= from && m.Day <= to {
				found = append(found, m.Mark)
			}
		}
		slices.SortFunc(found[begin:], byDay)
	}
	return found, nil
}

// Backlog counts the marks.
func (s *Rollups) Backlog(context.Context) (rollup.Backlog, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	backlog := rollup.Backlog{Marks: int64(len(s.marks))}
	for _, m := range s.marks {
		backlog.Oldest = max(backlog.Oldest, s.now().Sub(m.ripe))
	}
	return backlog, nil
}

// Load returns rows.
func (s *Rollups) Load(_ context.Context, sources []uuid.UUID, from, to int32, parts rollup.Parts) ([]rollup.Day, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []rollup.Day
	for _, source := range sources {
		found = append(found, s.ofSource(source, from, to, parts)...)
	}
	return found, nil
}

func (s *Rollups) ofSource(source uuid.UUID, from, to int32, parts rollup.Parts) []rollup.Day {
	var found []rollup.Day
	for key, day := range s.days {
		if key.source == source && key.day >= from && key.day <= to {
			found = append(found, partsOf(day, parts))
		}
	}
	slices.SortFunc(found, func(a, b rollup.Day) int { return cmp.Compare(a.Day, b.Day) })
	return found
}

func partsOf(day rollup.Day, parts rollup.Parts) rollup.Day {
	for part, blob := range map[rollup.Parts]*[]byte{
		rollup.State: &day.State, rollup.Energy: &day.Energy, rollup.Minutes: &day.Minutes, rollup.Hours: &day.Hours,
	} {
		if *blob = bytes.Clone(*blob); !parts.Has(part) {
			*blob = nil
		}
	}
	return day
}

// Before returns the last row before a day.
func (s *Rollups) Before(_ context.Context, source uuid.UUID, day int32, parts rollup.Parts) (rollup.Day, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.ofSource(source, -1<<31, day-1, parts)
	if len(found) == 0 {
		return rollup.Day{}, false, nil
	}
	return found[len(found)-1], true, nil
}

// After returns the first row behind a day.
func (s *Rollups) After(_ context.Context, source uuid.UUID, day int32, parts rollup.Parts) (rollup.Day, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.ofSource(source, day+1, 1<<31-1, parts)
	if len(found) == 0 {
		return rollup.Day{}, false, nil
	}
	return found[0], true, nil
}

// Last returns the last row of each source before a day.
func (s *Rollups) Last(_ context.Context, sources []uuid.UUID, day int32, parts rollup.Parts) ([]rollup.Day, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if day == math.MinInt32 {
		return nil, nil // nothing is before it
	}
	var last []rollup.Day
	for _, source := range sources {
		if found := s.ofSource(source, -1<<31, day-1, parts); len(found) > 0 {
			last = append(last, found[len(found)-1])
		}
	}
	return last, nil
}

// First is the first day that any of the sources has.
func (s *Rollups) First(_ context.Context, sources []uuid.UUID) (first int32, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.days {
		if slices.Contains(sources, key.source) && (!ok || key.day < first) {
			first, ok = key.day, true
		}
	}
	return first, ok, nil
}

// Save stores a row under the next revision.
func (s *Rollups) Save(ctx context.Context, day rollup.Day) error {
	fate, err := s.SaveFaults.begin(ctx)
	if err != nil {
		return err
	}
	if fate.err != nil && !fate.stored {
		return fate.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := dayKey{day.SourceID, day.Day}
	switch {
	case s.erased[day.SourceID]:
		return fault.New(fault.NotFound, "The source was erased.")
	case s.days[key].Revision != day.Revision:
		return fault.New(fault.Conflict, "The day was rolled up by another process meanwhile.")
	}
	if s.days == nil {
		s.days = map[dayKey]rollup.Day{}
	}
	day = partsOf(day, rollup.All)
	day.Revision++
	day.RolledAt = s.now().UTC().Truncate(time.Millisecond)
	s.days[key] = day
	return fate.err
}

// Noted reports whether a name is noted.
func (s *Rollups) Noted(_ context.Context, name string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notes[name], nil
}

// Note remembers a name.
func (s *Rollups) Note(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notes == nil {
		s.notes = map[string]bool{}
	}
	s.notes[name] = true
	return nil
}

// Erase removes all of a source, for ever.
func (s *Rollups) Erase(_ context.Context, source uuid.UUID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.erased == nil {
		s.erased = map[uuid.UUID]bool{}
	}
	s.erased[source] = true
	for key := range s.marks {
		if key.source == source {
			delete(s.marks, key)
		}
	}
	for key := range s.days {
		if key.source == source {
			delete(s.days, key)
		}
	}
	return nil
}

// Free are the marks that could be taken now.
func (s *Rollups) Free() []rollup.Taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	var free []rollup.Taken
	for _, m := range s.marks {
		if now := s.now(); !m.ripe.After(now) && !m.due.After(now) {
			free = append(free, m.Taken)
		}
	}
	return free
}
