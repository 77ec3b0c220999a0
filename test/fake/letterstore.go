package fake

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

var _ telemetry.LetterStore = (*LetterStore)(nil)

// LetterStore is DeadLetters with what their owners see. The zero value is ready.
type LetterStore struct{ DeadLetters }

// List returns letters in order.
func (s *LetterStore) List(ctx context.Context, span telemetry.LetterSpan) ([]telemetry.DeadLetter, error) {
	if _, err := s.begin(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.sorted(span.SourceID)
	sign := -1
	if span.Order == telemetry.OldestFirst {
		slices.Reverse(all)
		sign = 1
	}
	var found []telemetry.DeadLetter
	for _, l := range all {
		if (span.After == nil || sign*comparePlaces(l.Place(), *span.After) > 0) && len(found) < span.Limit {
			found = append(found, l)
		}
	}
	return found, nil
}

// Get returns a source's letter, or NotFound.
func (s *LetterStore) Get(_ context.Context, source, id uuid.UUID) (telemetry.DeadLetter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(source, id); i >= 0 {
		return s.letters[i], nil
	}
	return telemetry.DeadLetter{}, fault.New(fault.NotFound, "There is no such dead letter.")
}

func (s *LetterStore) find(source, id uuid.UUID) int {
	return slices.IndexFunc(s.letters, func(l telemetry.DeadLetter) bool { return l.SourceID == source && l.ID == id })
}

// Count is how many letters of a source are kept.
func (s *LetterStore) Count(_ context.Context, source uuid.UUID) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sorted(source)), nil
}

// Amend gives a letter another reason.
func (s *LetterStore) Amend(_ context.Context, source, id uuid.UUID, kind telemetry.LetterKind, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(source, id); i >= 0 {
		s.letters[i].Kind, s.letters[i].Reason = kind, reason
		s.letters[i] = s.letters[i].Bounded()
	}
	return nil
}

// Remove removes letters of a source.
func (s *LetterStore) Remove(_ context.Context, source uuid.UUID, ids ...uuid.UUID) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.letters)
	s.letters = slices.DeleteFunc(s.letters, func(l telemetry.DeadLetter) bool {
		return l.SourceID == source && slices.Contains(ids, l.ID)
	})
	return before - len(s.letters), nil
}

// Erase removes all letters of a source.
func (s *LetterStore) Erase(_ context.Context, source uuid.UUID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letters = slices.DeleteFunc(s.letters, func(l telemetry.DeadLetter) bool { return l.SourceID == source })
	return nil
}
