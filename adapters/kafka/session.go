package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// session is the time during which this member of the group has its partitions:
// one generation of the group.
type session struct {
	topic      string
	generation *kafka.Generation

	mu        sync.Mutex
	committed map[int32]int64
	places    map[int32]place
	out       int           // batches that were handed out and not committed
	settled   chan struct{} // closed, and made anew, when out falls to 0
}

func newSession(topic string, generation *kafka.Generation) *session {
	return &session{topic: topic, generation: generation, committed: map[int32]int64{}, places: map[int32]place{}, settled: make(chan struct{})}
}

func (s *session) handOut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out++
}

// commit notes that everything before these offsets is done. A generation that
// has ended may still commit until its successor is complete; after that the
// error is Unavailable, and the records come again.
func (s *session) commit(ctx context.Context, until map[int32]int64) error {
	offsets := map[int]int64{}
	s.mu.Lock()
	for partition, offset := range until {
		if offset > s.committed[partition] {
			offsets[int(partition)] = offset
		}
	}
	s.mu.Unlock()
	err := s.send(ctx, offsets)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out--; s.out == 0 {
		close(s.settled)
		s.settled = make(chan struct{})
	}
	if err != nil {
		return err
	}
	for partition, offset := range offsets {
		s.committed[int32(partition)] = max(s.committed[int32(partition)], offset) //nolint:gosec // it was one
		s.done(int32(partition), offset)                                           //nolint:gosec // it was one
	}
	return nil
}

// send commits offsets. The library's call knows no context, but ends by itself
// in seconds.
func (s *session) send(ctx context.Context, offsets map[int]int64) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	if len(offsets) == 0 {
		return nil
	}
	result := make(chan error, 1)
	go func() { result <- s.generation.CommitOffsets(map[string]map[int]int64{s.topic: offsets}) }()
	select {
	case err := <-result:
		if err != nil {
			return unavailable(fmt.Errorf("generation %d of the group: %w", s.generation.ID, err))
		}
		return nil
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

// settle waits until what was handed out is committed, for a while: what is not
// comes again.
func (s *session) settle(ctx context.Context, patience time.Duration) {
	s.mu.Lock()
	out, settled := s.out, s.settled
	s.mu.Unlock()
	if out == 0 {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-settled:
	case <-timer.C:
	case <-ctx.Done():
	}
}
