package fake

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

var (
	_ telemetry.DeadLetters = (*LetterTopic)(nil)
	_ telemetry.LetterLog   = (*LetterLog)(nil)
)

// LetterTopic is a way in for dead letters, with a position up to which they were
// committed. The zero value is ready.
type LetterTopic struct {
	Faults

	mu        sync.Mutex
	letters   []telemetry.DeadLetter
	committed int
	more      chan struct{} // closed when letters come
}

// Put appends letters.
func (t *LetterTopic) Put(ctx context.Context, letters ...telemetry.DeadLetter) error {
	fate, err := t.begin(ctx)
	if err != nil {
		return err
	}
	if fate.err != nil && !fate.stored {
		return fate.err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range letters {
		l = l.Bounded()
		if l.ID == uuid.Nil {
			l.ID = uuid.New()
		}
		t.letters = append(t.letters, l)
	}
	if t.more != nil {
		close(t.more)
		t.more = nil
	}
	return fate.err
}

// List returns the letters of a source, the newest first, each id once.
func (t *LetterTopic) List(_ context.Context, source uuid.UUID) ([]telemetry.DeadLetter, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all DeadLetters
	for _, l := range t.letters {
		if !slices.ContainsFunc(all.letters, func(have telemetry.DeadLetter) bool { return have.ID == l.ID }) {
			all.letters = append(all.letters, l)
		}
	}
	all.bound(source)
	return all.sorted(source), nil
}

// Committed is how many letters are done.
func (t *LetterTopic) Committed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.committed
}

// LetterLog reads a LetterTopic.
type LetterLog struct {
	Faults

	topic *LetterTopic
	next  int
}

// OpenLog returns a reader that begins at what is not committed.
func (t *LetterTopic) OpenLog() *LetterLog {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &LetterLog{topic: t, next: t.committed}
}

// Fetch returns the next letters.
func (l *LetterLog) Fetch(ctx context.Context, most int, _ time.Duration) (telemetry.LetterBatch, error) {
	if fate, err := l.begin(ctx); err != nil || fate.err != nil {
		return telemetry.LetterBatch{}, firstOf(err, fate.err)
	}
	for {
		l.topic.mu.Lock()
		if end := len(l.topic.letters); end > l.next {
			end = min(end, l.next+most)
			batch := telemetry.LetterBatch{Letters: slices.Clone(l.topic.letters[l.next:end])}
			l.next = end
			batch.Commit = func(context.Context) error {
				l.topic.mu.Lock()
				defer l.topic.mu.Unlock()
				l.topic.committed = max(l.topic.committed, end)
				return nil
			}
			l.topic.mu.Unlock()
			return batch, nil
		}
		if l.topic.more == nil {
			l.topic.more = make(chan struct{})
		}
		more := l.topic.more
		l.topic.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return telemetry.LetterBatch{}, ctx.Err()
		}
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
