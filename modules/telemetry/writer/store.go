// Package writer brings readings into the archive: from the journal's log in
// batches (Writer), or without a journal in shared commits (Direct).
package writer

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/change"
	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Sources tells whether sources still exist.
type Sources interface {
	// Alive answers for each; it is an error only when that can't be told now.
	Alive(ctx context.Context, sources []uuid.UUID) ([]bool, error)
}

// Store writes to the archive and keeps deleted sources out of it. One is shared
// by all that writes in a process.
type Store struct {
	archive telemetry.Archive
	sources Sources
	marks   *Marker // nil without roll-ups
	// deleting is held for reading during a write and for writing by a deletion,
	// which so waits until no write is under way that began before it.
	deleting sync.RWMutex
}

// attemptTime bounds one attempt at the archive.
const attemptTime = 10 * time.Second

// barrierTime bounds how long a deletion waits for a write under way. A write
// that takes longer meets an archive that is away: then the deleted source's
// telemetry is erased later anyway.
const barrierTime = 2 * time.Second

// NewStore returns a store. It listens to the feed for deletions; what sources
// remembers must be subscribed before.
func NewStore(archive telemetry.Archive, sources Sources, feed change.Feed) *Store {
	s := &Store{archive: archive, sources: sources}
	feed.Subscribe(s.waitForWrites)
	return s
}

// Marking makes the store mark the days that it writes to. To be called before the
// first write.
func (s *Store) Marking(m *Marker) *Store {
	s.marks = m
	return s
}

func (s *Store) waitForWrites(ctx context.Context, c change.Change) {
	if c.Kind != change.SourceDeleted {
		return
	}
	passed := make(chan struct{})
	go func() {
		s.deleting.Lock()
		s.deleting.Unlock() //nolint:staticcheck // the lock is a barrier, it guards nothing of its own
		close(passed)
	}()
	wait := time.NewTimer(barrierTime)
	defer wait.Stop()
	select {
	case <-passed:
	case <-wait.C:
	case <-ctx.Done():
	}
}

// write tries once. It answers for each reading; readings of deleted sources are
// dropped and count as done.
func (s *Store) write(ctx context.Context, readings []telemetry.Placed) []error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	s.deleting.RLock()
	defer s.deleting.RUnlock()

	alive, err := s.alive(ctx, readings)
	if err != nil {
		return all(readings, fault.Wrap(fault.Unavailable, err, "The readings can't be stored right now."))
	}
	if alive == nil {
		return s.put(ctx, readings)
	}
	kept := make([]telemetry.Placed, len(alive))
	for i, index := range alive {
		kept[i] = readings[index]
	}
	errs := s.put(ctx, kept)
	if errs == nil {
		return nil
	}
	spread := make([]error, len(readings))
	for i, index := range alive {
		spread[index] = errs[i]
	}
	return spread
}

// put writes readings between two looks at their marks.
func (s *Store) put(ctx context.Context, readings []telemetry.Placed) []error {
	if s.marks == nil || len(readings) == 0 {
		return s.archive.Write(ctx, readings)
	}
	belief, err := s.marks.before(ctx, readings)
	if err != nil {
		return all(readings, fault.Wrap(fault.Unavailable, err, "The readings can't be stored right now."))
	}
	errs := s.archive.Write(ctx, readings)
	if err := s.marks.after(ctx, belief, readings); err != nil {
		return all(readings, fault.Wrap(fault.Unavailable, err, "The readings can't be stored right now."))
	}
	return errs
}

// alive returns the indices of readings whose source exists, nil for all. It asks
// once for each source, and for all of them in one go.
func (s *Store) alive(ctx context.Context, readings []telemetry.Placed) ([]int, error) {
	var sources []uuid.UUID
	numbers := map[uuid.UUID]int{} // of a source in sources
	for i := range readings {
		source := readings[i].SourceID
		if i > 0 && source == readings[i-1].SourceID {
			continue // as it mostly is in what one device sent
		}
		if _, met := numbers[source]; !met {
			numbers[source] = len(sources)
			sources = append(sources, source)
		}
	}
	answers, err := s.sources.Alive(ctx, sources)
	if err != nil || !slices.Contains(answers, false) {
		return nil, err
	}
	indices := make([]int, 0, len(readings))
	for i := range readings {
		if answers[numbers[readings[i].SourceID]] {
			indices = append(indices, i)
		}
	}
	return indices, nil
}

func all(readings []telemetry.Placed, err error) []error {
	errs := make([]error, len(readings))
	for i := range errs {
		errs[i] = err
	}
	return errs
}
