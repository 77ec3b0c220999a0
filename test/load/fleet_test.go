package main

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ampra/adapters/mqttbroker"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/ingest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// refusing is a journal that is away for every tenth reading.
type refusing struct {
	next *delayed
	n    int
}

func (j *refusing) Submit(ctx context.Context, d ingest.Delivery, done func(ingest.Receipt, error)) error {
	if j.n++; j.n%10 == 0 {
		return fault.New(fault.Unavailable, "away")
	}
	return j.next.Submit(ctx, d, done)
}

// openBroker runs the product's broker on what takes the readings.
func openBroker(t *testing.T, wrap func(*delayed) mqttbroker.Ingest) string {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	journal := &delayed{queue: make(chan answer, 1000)}
	broker := mqttbroker.New(mqttbroker.Config{}, mqttbroker.Deps{
		Gate: openGate{}, Ingest: wrap(journal), Usage: openGate{}, Limits: nil, Foreign: nil, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	answering, ended := make(chan struct{}), make(chan error, 1)
	go func() { defer close(answering); journal.run(ctx) }()
	go func() { ended <- broker.Run(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		<-answering
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

func fleetOf(t *testing.T, address string, n int) *fleet {
	t.Helper()
	sources := make([]source, n)
	for i := range sources {
		sources[i].id = uuid.New()
	}
	f, err := dial(t.Context(), address, sources, openLogin, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	return f
}

func TestAFleetCountsWhatWasSentAndAcknowledged(t *testing.T) {
	t.Parallel()
	address := openBroker(t, func(j *delayed) mqttbroker.Ingest { return j })
	for name, p := range map[string]plan{
		"at a rate": {rate: 500, warmup: 100 * time.Millisecond, length: 400 * time.Millisecond},
		"flat out":  {depth: 2, warmup: 100 * time.Millisecond, length: 400 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			f := fleetOf(t, address, 10)
			warmed := 0
			if err := f.run(t.Context(), p, func() error { warmed++; return nil }); err != nil {
				t.Fatal(err)
			}
			f.close()
			var sum counts
			for _, book := range f.books() {
				sum.add(book.counts())
				if !slices.IsSorted(book.stamps) {
					t.Error("the stamps of a source do not rise")
				}
			}
			if warmed != 1 || sum.sent == 0 || sum.sent != sum.acknowledged || int64(sum.acknowledged) != f.total.Load() {
				t.Errorf("got %+v, told of %d, warm %d times", sum, f.total.Load(), warmed)
			}
			if p.rate > 0 && sum.sent < 200 { // of 250, on a machine that is busy
				t.Errorf("%d readings were sent", sum.sent)
			}
			if least := f.acks.at(0.001); f.acks.count() == 0 || least < ackDelay {
				t.Errorf("%d were acknowledged, the first after %s", f.acks.count(), least)
			}
			if n, first := f.broken(); n > 0 {
				t.Errorf("%d connections ended: %v", n, first)
			}
		})
	}
}

func TestAFleetSaysWhichConnectionsWereCut(t *testing.T) {
	t.Parallel()
	f := fleetOf(t, openBroker(t, func(j *delayed) mqttbroker.Ingest { return &refusing{next: j} }), 1)
	if err := f.run(t.Context(), plan{rate: 200, warmup: 0, length: 500 * time.Millisecond}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if n, first := f.broken(); n != 1 || first == nil {
		t.Errorf("%d connections ended, %v", n, first)
	}
	f.close()
	if c := f.devices[0].book.counts(); c.acknowledged >= c.sent || c.acknowledged == 0 {
		t.Errorf("got %+v", c)
	}
}

func TestAReadingIsFollowedUntilItIsFound(t *testing.T) {
	t.Parallel()
	address := openBroker(t, func(j *delayed) mqttbroker.Ingest { return j })
	f := fleetOf(t, address, 2)
	found := &appearing{after: 30 * time.Millisecond, first: map[int64]time.Time{}}
	p := startProbes(t.Context(), 1, &f.meter, found.find)
	err := f.run(t.Context(), plan{rate: 100, length: 500 * time.Millisecond}, func() error { return p.awaitFirst(t.Context()) })
	p.end()
	if err != nil {
		t.Fatal(err)
	}
	if n, least := p.times.count(), p.times.at(0.001); n == 0 || least < found.after {
		t.Errorf("%d were found, the first after %s", n, least)
	}
}

// appearing is an archive that shows a reading some time after it was first
// asked for. One asks at a time.
type appearing struct {
	after time.Duration
	first map[int64]time.Time
}

func (a *appearing) find(_ context.Context, span telemetry.Span) ([]telemetry.Reading, error) {
	stamp := span.From.UnixMilli()
	if a.first[stamp].IsZero() {
		a.first[stamp] = time.Now()
	}
	if time.Since(a.first[stamp]) < a.after {
		return nil, nil
	}
	return []telemetry.Reading{{SourceID: span.SourceID, Timestamp: span.From}}, nil
}

func TestVerificationGoesThroughEveryPageAndWaitsForWhatIsMissing(t *testing.T) {
	t.Parallel()
	id, book := uuid.New(), &ledger{}
	for range 2*pageSize + 10 {
		number, _ := book.begin(1000)
		book.acknowledge(number)
	}
	looks := 0
	find := func(_ context.Context, span telemetry.Span) ([]telemetry.Reading, error) {
		if span.From.UnixMilli() == 1000 {
			looks++
		}
		var page []telemetry.Reading
		for stamp := span.From.UnixMilli(); stamp < span.To.UnixMilli() && len(page) < span.Limit; stamp++ {
			if looks == 1 && stamp == 1500 { // it comes late
				continue
			}
			r := telemetry.Reading{SourceID: id, Timestamp: time.UnixMilli(stamp)}
			r.Values.Set(telemetry.ACPowerWatts, valueOf(int(stamp-1000)))
			page = append(page, r)
		}
		return page, nil
	}
	got, err := verify(t.Context(), find, map[uuid.UUID]*ledger{id: book})
	if want := (counts{sent: 2*pageSize + 10, acknowledged: 2*pageSize + 10, found: 2*pageSize + 10}); err != nil || got != want || looks != 2 {
		t.Errorf("got %+v after %d looks, %v; want %+v", got, looks, err, want)
	}
}
