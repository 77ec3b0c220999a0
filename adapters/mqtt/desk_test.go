package mqtt

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/modules/telemetry/ingest"
)

// desk is the ingest and the registry of a test: it writes down what is handed
// in, and answers as it is told.
type desk struct {
	// answer decides a message's fate, or takes done to decide it later. nil stores
	// everything at once.
	answer func(d ingest.Delivery, done func(error)) error
	// access is what is known of a source besides the test's own.
	access map[uuid.UUID]credential.Access
	// lookup is the registry's error about a source, nil for none.
	lookup func(uuid.UUID) error
	source uuid.UUID

	mu      sync.Mutex
	calls   int
	lookups int
	stored  map[string]int // payloads that were answered with nil
	last    []ingest.Delivery
}

func newDesk() *desk {
	return &desk{source: uuid.New(), stored: map[string]int{}, access: map[uuid.UUID]credential.Access{}}
}

func (d *desk) topic() string { return "sunsource/" + d.source.String() + "/data" }

func (d *desk) Access(_ context.Context, source uuid.UUID) (credential.Access, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lookups++
	if d.lookup != nil {
		if err := d.lookup(source); err != nil {
			return credential.Access{}, err
		}
	}
	if source == d.source {
		return credential.Access{SourceID: source, Type: sunsource.MQTT, Active: true}, nil
	}
	if known, ok := d.access[source]; ok {
		return known, nil
	}
	return credential.Access{}, fault.New(fault.NotFound, "There is no such source.")
}

func (d *desk) Submit(ctx context.Context, delivery ingest.Delivery, done func(ingest.Receipt, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	d.calls++
	answer := d.answer
	d.mu.Unlock()
	settle := func(err error) {
		if err == nil {
			d.mu.Lock()
			d.stored[string(delivery.Payload)]++
			d.last = append(d.last, delivery)
			d.mu.Unlock()
		}
		done(ingest.Receipt{}, err)
	}
	if answer == nil {
		settle(nil)
		return nil
	}
	return answer(delivery, settle)
}

// now sets the answer from now on.
func (d *desk) now(answer func(d ingest.Delivery, done func(error)) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = answer
}

func (d *desk) submitted() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// kept is how many different payloads are stored.
func (d *desk) kept() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.stored)
}

func (d *desk) deliveries() []ingest.Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]ingest.Delivery(nil), d.last...)
}

// missing are those of the payloads that are not stored.
func (d *desk) missing(payloads []string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var missing []string
	for _, p := range payloads {
		if d.stored[p] == 0 {
			missing = append(missing, p)
		}
	}
	return missing
}

func away(ingest.Delivery, func(error)) error {
	return fault.New(fault.Unavailable, "The journal is away.")
}

// read runs a subscriber until stop, which returns how long its end took.
func read(t testing.TB, cfg SubscriberConfig, d *desk) (s *Subscriber, stop func() time.Duration) {
	t.Helper()
	return readLogging(t, cfg, d, slog.New(slog.DiscardHandler))
}

func readLogging(t testing.TB, cfg SubscriberConfig, d *desk, log *slog.Logger) (s *Subscriber, stop func() time.Duration) {
	t.Helper()
	s, err := NewSubscriber(cfg, SubscriberDeps{Sources: d, Ingest: d, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- s.Run(ctx) }()
	stop = sync.OnceValue(func() time.Duration {
		cancel()
		began := time.Now()
		select {
		case err := <-result:
			if err != nil {
				t.Errorf("Run ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not end")
		}
		if s.Connected() != 0 || s.Ping() == nil {
			t.Errorf("after its end %d connections count", s.Connected())
		}
		return time.Since(began)
	})
	t.Cleanup(func() { stop() })
	return s, stop
}

// eventually waits for what must become true.
func eventually(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); {
		if time.Now().After(deadline) {
			t.Fatalf("in %s it did not happen: %s", patience, what)
		}
		wait(t.Context(), 2*time.Millisecond)
	}
}

// subscribed waits until so many connections are.
func subscribed(t testing.TB, s *Subscriber, n int) {
	t.Helper()
	eventually(t, "the subscription", func() bool { return s.Connected() == n })
	if err := s.Ping(); err != nil {
		t.Errorf("subscribed, and yet %v", err)
	}
}
