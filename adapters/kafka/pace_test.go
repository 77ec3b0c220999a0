package kafka_test

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/kafka"
)

// rounds counts batches; with one partition each is a request.
type rounds struct{ n, records atomic.Int64 }

func (r *rounds) Produced(p kafka.Produced) {
	r.n.Add(1)
	r.records.Add(int64(p.Records))
}

func (*rounds) Fetched(kafka.Fetched) {}

// A request costs about the same whatever is in it.
func TestRequestsDoNotFollowEachOtherAtOnceWhileManyAppend(t *testing.T) {
	t.Parallel()
	var cfg kafka.Config
	newCluster(t, func(own *kafka.Config) {
		own.Partitions = 1
		cfg = *own
	})
	var seen rounds
	c, err := kafka.New(cfg, kafka.Deps{Log: slog.New(slog.DiscardHandler), Observer: &seen})
	if err != nil {
		t.Fatalf("making a cluster: %v", err)
	}
	t.Cleanup(c.Close)
	journal := c.Journal()
	background(t, journal.Run)
	checkHealed(t, journal, uuid.New())
	seen.n.Store(0)

	const each, senders = 20, 20
	began := time.Now()
	var sending sync.WaitGroup
	for range senders {
		sending.Go(func() { // each as soon as the last is answered
			source := uuid.New()
			answer := make(chan error, 1)
			for i := range each {
				if err := journal.Append(t.Context(), entry(source, i, 1), func(err error, _ []error) { answer <- err }); err != nil {
					t.Errorf("appending: %v", err)
					return
				}
				if err := <-answer; err != nil {
					t.Errorf("answered with %v", err)
					return
				}
			}
		})
	}
	sending.Wait()
	const gap, first = 10 * time.Millisecond, 3
	if most := int64(time.Since(began)/gap) + first; seen.n.Load() > most {
		t.Errorf("%d records took %d requests in %v, want %d at the most", senders*each, seen.n.Load(), time.Since(began), most)
	}
}
