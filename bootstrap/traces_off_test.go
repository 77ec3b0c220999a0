package bootstrap

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/metrics"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/ingest"
)

// noJournal has every entry durable at once.
type noJournal struct{}

func (noJournal) Append(_ context.Context, _ telemetry.Entry, done telemetry.Done) error {
	done(nil, nil)
	return nil
}

// noArchive keeps nothing.
type noArchive struct{ telemetry.Archive }

func (noArchive) Write(context.Context, []telemetry.Placed) []error { return nil }

// noLetters refuses letters: there must be none.
type noLetters struct{}

func (noLetters) Put(context.Context, ...telemetry.DeadLetter) error {
	return fault.New(fault.Internal, "a dead letter")
}

// Without a receiver of traces there is nothing of them on the way of a reading: no
// wrapper, and not one allocation more than ingest itself makes.
func TestWithoutTracesTheWayOfAReadingPaysNothingForThem(t *testing.T) {
	a := &App{metrics: metrics.New("test"), log: slog.New(slog.DiscardHandler), cfg: Config{}}
	if err := a.wireTracing(t.Context(), "test"); err != nil || a.traces != nil {
		t.Fatalf("there are traces: %v, %v", a.traces, err)
	}
	journal, archive := a.journaled(noJournal{}), a.archived(noArchive{})
	service := ingest.New(ingest.Deps{
		Journal: journal, DeadLetters: noLetters{}, Clock: systemClock(), Random: nil, Limits: nil, Queue: nil, Owners: nil, Gather: nil,
		Sites: nil, Notes: nil,
	})
	off := countedIngest{next: service, m: a.metrics, traces: nil, throttle: nil}
	d := ingest.Delivery{SourceID: uuid.New(), Payload: []byte(`{"acPowerWatts": 1}`), Origin: telemetry.FromMQTT}
	ctx := t.Context()
	submit := func(to func(context.Context, ingest.Delivery, func(ingest.Receipt, error)) error) float64 {
		return testing.AllocsPerRun(200, func() {
			if err := to(ctx, d, func(ingest.Receipt, error) {}); err != nil {
				t.Error(err)
			}
		})
	}
	bare := submit(func(ctx context.Context, d ingest.Delivery, done func(ingest.Receipt, error)) error {
		// What is counted, without a word of traces.
		counts, began := a.metrics.Intake(d.Origin), time.Now()
		counts.Taken(len(d.Payload))
		return service.Submit(ctx, d, func(r ingest.Receipt, err error) {
			counts.Settled(time.Since(began), fateOf(r), err)
			done(r, err)
		})
	})
	if with := submit(off.Submit); with > bare {
		t.Errorf("a delivery makes %v allocations, %v without what stands there for traces", with, bare)
	}
	if n := testing.AllocsPerRun(200, func() { _ = telemetry.TracesOf(telemetry.WithTraces(ctx)) }); n != 0 {
		t.Errorf("no traces take %v allocations", n)
	}
	readings := []telemetry.Placed{{}}
	direct := a.metrics.Archive(noArchive{})
	plain := testing.AllocsPerRun(200, func() { direct.Write(ctx, readings) })
	if with := testing.AllocsPerRun(200, func() { archive.Write(ctx, readings) }); with > plain {
		t.Errorf("a write makes %v allocations, %v without traces", with, plain)
	}
}
