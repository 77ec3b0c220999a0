package fake

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

var _ telemetry.DeadLetters = (*DeadLetters)(nil)

// LettersPerSource is the bound that DeadLetters keeps.
const LettersPerSource = telemetry.MaxLetters

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
		l = l.Bounded()
		l.Raw = slices.Clone(l.Raw)
		d.letters = append(d.letters, l)
		d.bound(l.SourceID)
	}
	return fate.err
}

// bound removes the oldest letters of a source that has too many, or too much.
func (d *DeadLetters) bound(source uuid.UUID) {
	n, size := 0, 0
	keep := map[uuid.UUID]bool{}
	for _, l := range d.sorted(source) {
		n, size = n+1, size+len(l.Raw)
		keep[l.ID] = n <= telemetry.MaxLetters && size <= telemetry.MaxLetterBytes
	}
	d.letters = slices.DeleteFunc(d.letters, func(l telemetry.DeadLetter) bool { return l.SourceID == source && !keep[l.ID] })
}

// List returns the letters of a source, the newest first.
func (d *DeadLetters) List(_ context.Context, source uuid.UUID) ([]telemetry.DeadLetter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sorted(source), nil
}

func (d *DeadLetters) sorted(source uuid.UUID) (found []telemetry.DeadLetter) {
	for _, l := range d.letters {
		if l.SourceID == source {
			found = append(found, l)
		}
	}
	slices.SortFunc(found, func(a, b telemetry.DeadLetter) int { return comparePlaces(b.Place(), a.Place()) })
	return found
}

func comparePlaces(a, b telemetry.LetterPlace) int {
	return cmp.Or(a.At.Compare(b.At), bytes.Compare(a.ID[:], b.ID[:]))
}
