package fake

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

var _ telemetry.DeadLetters = (*DeadLetters)(nil)

// LettersPerSource is the bound that DeadLetters keeps.
const LettersPerSource = 1000

// DeadLetters keeps dead letters in memory. The zero value is ready.
type DeadLetters struct {
	Faults

	mu      sync.Mutex
	letters []telemetry.DeadLetter
}

// Put stores letters, each id once.
func (d *DeadLetters) Put(ctx context.Context, letters ...telemetry.DeadLetter) error {
	fate, err := d.begin(ctx)
	if err != nil {
		return fmt.Errorf("storing dead letters: %w", err)
	}
	if fate.err != nil && !fate.stored {
		return fate.err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range letters {
		if slices.ContainsFunc(d.letters, func(have telemetry.DeadLetter) bool { return have.ID == l.ID }) {
			continue
		}
		if len(l.Raw) > telemetry.MaxRaw {
			l.Raw, l.Truncated = l.Raw[:telemetry.MaxRaw], true
		}
		l.Raw = slices.Clone(l.Raw)
		d.letters = append(d.letters, l)
		d.bound(l.SourceID)
	}
	return fate.err
}

// bound removes the oldest letters of a source that has too many.
func (d *DeadLetters) bound(source uuid.UUID) {
	n, oldest := 0, -1
	for i, l := range d.letters {
		if l.SourceID != source {
			continue
		}
		n++
		if oldest < 0 || l.At.Before(d.letters[oldest].At) {
			oldest = i
		}
	}
	if n > LettersPerSource {
		d.letters = slices.Delete(d.letters, oldest, oldest+1)
	}
}

// List returns the letters of a source, the newest first.
func (d *DeadLetters) List(_ context.Context, source uuid.UUID) ([]telemetry.DeadLetter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []telemetry.DeadLetter
	for _, l := range d.letters {
		if l.SourceID == source {
			found = append(found, l)
		}
	}
	slices.SortStableFunc(found, func(a, b telemetry.DeadLetter) int { return b.At.Compare(a.At) })
	return found, nil
}
