package tracing_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"ampra/adapters/tracing"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/test/contract"
	"ampra/test/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kept is an exporter that keeps what it has when it is shut down.
type kept struct{ *tracetest.InMemoryExporter }

func (kept) Shutdown(context.Context) error { return nil }

// open returns a Tracing of everything, and what it has seen so far.
func open(t *testing.T, ratio float64) (*tracing.Tracing, func() tracetest.SpanStubs) {
	t.Helper()
	exporter := kept{tracetest.NewInMemoryExporter()}
	traces, err := tracing.New(t.Context(), tracing.Config{Ratio: ratio, Service: "test", Version: "1", Instance: "one"}, tracing.Deps{Exporter: exporter})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- traces.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ending: %v", err)
		}
	})
	return traces, func() tracetest.SpanStubs {
		if err := traces.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		return exporter.GetSpans()
	}
}

func TestATracedJournalAndItsTracedLogKeepTheirContract(t *testing.T) {
	t.Parallel()
	traces, _ := open(t, 1)
	contract.Journal(t, func(*testing.T, telemetry.Archive) contract.JournalRig {
		j := fake.NewJournal(3)
		return contract.JournalRig{
			Journal: traces.Journal(j),
			OpenLog: func(*testing.T) (telemetry.Log, func()) { return traces.Log(j.OpenLog()), func() {} },
			Garble:  func(_ *testing.T, record []byte) { j.AppendRaw(1, record) },
		}
	})
}

func TestATracedArchiveKeepsItsContract(t *testing.T) {
	t.Parallel()
	traces, _ := open(t, 1)
	contract.Archive(t, func(*testing.T) telemetry.Archive { return traces.Archive(&fake.Archive{}) })
}

// pipe is a journal that keeps entries and gives them back as one batch.
type pipe struct{ entries []telemetry.Entry }

func (p *pipe) Append(_ context.Context, e telemetry.Entry, done telemetry.Done) error {
	p.entries = append(p.entries, e)
	done(nil, nil)
	return nil
}

func (p *pipe) Fetch(context.Context, int, time.Duration) (telemetry.Batch, error) {
	b := telemetry.Batch{Commit: func(context.Context) error { return nil }}
	for _, e := range p.entries {
		for _, r := range e.Readings {
			b.Readings = append(b.Readings, telemetry.Placed{Reading: r})
		}
		if e.Trace != "" {
			b.Traces = append(b.Traces, e.Trace)
		}
	}
	return b, nil
}

func entryOf(source uuid.UUID) telemetry.Entry {
	return telemetry.Entry{SourceID: source, Readings: []telemetry.Reading{{SourceID: source, Timestamp: time.Unix(1, 0).UTC(), ReceivedAt: time.Unix(2, 0).UTC()}}}
}

// travel delivers n readings and has a writer bring them into an archive.
func travel(t *testing.T, traces *tracing.Tracing, n int) {
	t.Helper()
	through := &pipe{}
	journal, log, archive := traces.Journal(through), traces.Log(through), traces.Archive(&fake.Archive{})
	for range n {
		source := uuid.New()
		ctx, span := traces.Deliver(t.Context(), "mqtt", source, 100)
		if err := journal.Append(ctx, entryOf(source), func(err error, _ []error) { span.End(err) }); err != nil {
			t.Fatal(err)
		}
	}
	batch, err := log.Fetch(t.Context(), 10, 0)
	if err != nil {
		t.Fatal(err)
	}
	if errs := archive.Write(telemetry.WithTraces(t.Context(), batch.Traces...), batch.Readings); errs != nil {
		t.Fatal(errs)
	}
	if err := batch.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func named(all tracetest.SpanStubs, name string) (found []tracetest.SpanStub) {
	for _, s := range all {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

func TestAReadingIsFollowedFromItsPublishToItsWrite(t *testing.T) {
	t.Parallel()
	traces, seen := open(t, 1)
	travel(t, traces, 2)
	all := seen()
	delivered, appended := named(all, "deliver mqtt"), named(all, "append to the journal")
	batches, writes := named(all, "write a batch"), named(all, "write to the archive")
	if len(delivered) != 2 || len(appended) != 2 || len(batches) != 1 || len(writes) != 1 {
		t.Fatalf("the spans are %v", all)
	}
	first, second := appended[0].SpanContext, appended[1].SpanContext
	for i, a := range appended {
		if a.Parent.SpanID() != delivered[i].SpanContext.SpanID() || a.SpanContext.TraceID() != delivered[i].SpanContext.TraceID() {
			t.Errorf("append %d is not in its delivery", i)
		}
	}
	if first.TraceID() == second.TraceID() {
		t.Error("two deliveries share a trace")
	}
	batch := batches[0]
	if batch.Parent.SpanID() != first.SpanID() || batch.SpanContext.TraceID() != first.TraceID() {
		t.Error("the batch does not follow its first reading")
	}
	if len(batch.Links) != 1 || batch.Links[0].SpanContext.SpanID() != second.SpanID() {
		t.Errorf("the batch is linked to %v", batch.Links)
	}
	if writes[0].Parent.SpanID() != batch.SpanContext.SpanID() {
		t.Error("the write is not in the batch")
	}
}

func TestWithARatioOfNothingNothingIsTraced(t *testing.T) {
	t.Parallel()
	traces, seen := open(t, 0)
	travel(t, traces, 3)
	if all := seen(); len(all) != 0 {
		t.Errorf("the spans are %v", all)
	}
}

func TestATraceTellsTheKindOfAnErrorAndNotItsText(t *testing.T) {
	t.Parallel()
	traces, seen := open(t, 1)
	_, span := traces.Deliver(t.Context(), "webhook", uuid.New(), 1)
	span.End(fault.Wrap(fault.Unavailable, errors.New("dial mongodb://user:hush@10.0.0.1"), "It is away."))
	all := seen()
	if len(all) != 1 || all[0].Status.Code != codes.Error || all[0].Status.Description != "unavailable" || len(all[0].Events) != 0 {
		t.Errorf("the spans are %+v", all)
	}
}

func TestAGarbledTraceIsNoneAndIsNotFollowed(t *testing.T) {
	t.Parallel()
	traces, seen := open(t, 1)
	archive := traces.Archive(&fake.Archive{})
	ctx := telemetry.WithTraces(t.Context(), "00-zz-00-01", "", strings.Repeat("0", 55))
	if errs := archive.Write(ctx, nil); errs != nil {
		t.Fatal(errs)
	}
	if all := seen(); len(all) != 0 {
		t.Errorf("the spans are %v", all)
	}
}

func TestWhatIsNotTracedCostsNoAllocation(t *testing.T) {
	through := quiet{}
	traces, err := tracing.New(t.Context(), tracing.Config{Ratio: 0}, tracing.Deps{Exporter: tracetest.NewNoopExporter()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = traces.Run(ended(t.Context())) }()
	entry, ctx := entryOf(uuid.New()), t.Context()
	done := func(error, []error) {}
	journal, archive := traces.Journal(through), traces.Archive(through)
	plain := testing.AllocsPerRun(100, func() {
		_ = through.Append(ctx, entry, done)
		_ = through.Write(telemetry.WithTraces(ctx), nil)
	})
	wrapped := testing.AllocsPerRun(100, func() {
		_ = journal.Append(ctx, entry, done)
		_ = archive.Write(telemetry.WithTraces(ctx), nil)
	})
	if wrapped > plain {
		t.Errorf("a journal and an archive allocate %v times, with traces of nothing %v times", plain, wrapped)
	}
}

type quiet struct{ telemetry.Archive }

func (quiet) Append(context.Context, telemetry.Entry, telemetry.Done) error { return nil }
func (quiet) Write(context.Context, []telemetry.Placed) []error             { return nil }

func ended(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

func TestTracesReachAReceiverByHTTP(t *testing.T) {
	t.Parallel()
	type request struct {
		path, media string
		body        []byte
	}
	arrived := make(chan request, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- request{r.URL.Path, r.Header.Get("Content-Type"), body}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer receiver.Close()
	traces, err := tracing.New(t.Context(), tracing.Config{
		Endpoint: receiver.URL + "/base/", Ratio: 1, Service: "ampra-test", Version: "v9", Instance: "a",
	}, tracing.Deps{Exporter: nil})
	if err != nil {
		t.Fatal(err)
	}
	travel(t, traces, 1)
	if err := traces.Run(ended(t.Context())); err != nil {
		t.Fatal(err)
	}
	got := <-arrived
	if got.path != "/base/v1/traces" || got.media != "application/x-protobuf" {
		t.Errorf("the request is %s with %s", got.path, got.media)
	}
	for _, want := range []string{"ampra-test", "deliver mqtt", "append to the journal", "write a batch", "write to the archive"} {
		if !strings.Contains(string(got.body), want) {
			t.Errorf("%q is not among what arrived", want)
		}
	}
}

func TestAReceiverThatIsNoURLIsToldAtOnce(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"localhost:4318", "grpc://localhost", "http://", ":"} {
		if _, err := tracing.New(t.Context(), tracing.Config{Endpoint: endpoint}, tracing.Deps{Exporter: nil}); err == nil {
			t.Errorf("%q is taken", endpoint)
		}
	}
}
