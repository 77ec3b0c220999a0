package kafka_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"ampra/adapters/kafka"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/test/fake"
	"ampra/test/stack"
)

// impatient makes a cluster behind a wire that gives up soon.
func impatient(t *testing.T, configure func(*kafka.Config)) (*kafka.Cluster, *fake.Wire) {
	t.Helper()
	brokers, prefix := stack.Kafka(t)
	wire := fake.NewWire(t, brokers[0])
	cfg := kafka.Config{
		Brokers: []string{wire.Address()}, TopicPrefix: prefix, Partitions: 3, Dial: wire.Dial,
		DeliveryTimeout: time.Second, RequestTimeout: 500 * time.Millisecond, FlushTimeout: 2 * time.Second,
	}
	if configure != nil {
		configure(&cfg)
	}
	direct := cfg
	direct.Brokers, direct.Dial, direct.RequestTimeout = brokers, nil, 10*time.Second
	if err := open(t, direct).Setup(t.Context()); err != nil {
		t.Fatalf("setting up: %v", err)
	}
	return open(t, cfg), wire
}

// book counts what was appended and how it was answered.
type book struct {
	mu              sync.Mutex
	open            int
	durable, failed map[time.Time]int
	lasting         []error
}

func newBook() *book { return &book{durable: map[time.Time]int{}, failed: map[time.Time]int{}} }

func (b *book) append(ctx context.Context, j telemetry.Journal, e telemetry.Entry) error {
	b.mu.Lock()
	b.open++
	b.mu.Unlock()
	err := j.Append(ctx, e, func(err error, _ []error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.open--
		at := e.Readings[0].Timestamp
		switch {
		case err == nil:
			b.durable[at]++
		case fault.Is(err, fault.Unavailable):
			b.failed[at]++
		default:
			b.lasting = append(b.lasting, err)
		}
	})
	if err != nil {
		b.mu.Lock()
		b.open--
		b.mu.Unlock()
	}
	return err
}

// settled waits until everything is answered and checks that it was once.
func (b *book) settled(t *testing.T, within time.Duration) (durable, failed int) {
	t.Helper()
	eventually(t, within, "every entry is answered", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.open == 0
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	for at, n := range b.durable {
		if n+b.failed[at] != 1 {
			t.Errorf("the reading of %s was answered %d times", at, n+b.failed[at])
		}
	}
	if len(b.lasting) > 0 {
		t.Errorf("%d answers are no passing errors: %v", len(b.lasting), b.lasting[0])
	}
	return len(b.durable), len(b.failed)
}

func eventually(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
