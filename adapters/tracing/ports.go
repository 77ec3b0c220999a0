package tracing

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"ampra/core/telemetry"
)

var (
	_ telemetry.Journal = (*journal)(nil)
	_ telemetry.Log     = (*log)(nil)
	_ telemetry.Archive = (*archive)(nil)
)

const traceparent = "traceparent"

// textOf is a span as it travels with a reading.
func textOf(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceparent]
}

// spanOf is a span that travelled; it is not valid where the text is none.
func spanOf(text string) trace.SpanContext {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceparent: text})
	return trace.SpanContextFromContext(ctx)
}

// follow begins a span in the first of some traces, linked to the others. It
// returns nil where none is one.
func (t *Tracing) follow(ctx context.Context, name string, kind trace.SpanKind, traces []string) (context.Context, trace.Span) {
	var parent trace.SpanContext
	var links []trace.Link
	for _, text := range traces {
		switch one := spanOf(text); {
		case !one.IsValid():
		case !parent.IsValid():
			parent = one
		default:
			links = append(links, trace.Link{SpanContext: one})
		}
	}
	if !parent.IsValid() {
		return ctx, nil
	}
	return t.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, parent), name, trace.WithLinks(links...), trace.WithSpanKind(kind))
}

// Journal follows entries into a journal: the trace of the context goes with them.
func (t *Tracing) Journal(next telemetry.Journal) telemetry.Journal { return &journal{t, next} }

type journal struct {
	t    *Tracing
	next telemetry.Journal
}

func (j *journal) Append(ctx context.Context, entry telemetry.Entry, done telemetry.Done) error {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return j.next.Append(ctx, entry, done)
	}
	with, span := j.t.tracer.Start(ctx, "append to the journal", trace.WithSpanKind(trace.SpanKindProducer))
	span.SetAttributes(attribute.Int("ampra.readings", len(entry.Readings)))
	entry.Trace = textOf(with)
	part := &Span{span}
	err := j.next.Append(with, entry, func(err error, errs []error) {
		part.End(err)
		done(err, errs)
	})
	if err != nil {
		part.End(err)
	}
	return err
}

// Log follows a writer's batches: each from when it was read until it is
// committed.
func (t *Tracing) Log(next telemetry.Log) telemetry.Log { return &log{t, next} }

type log struct {
	t    *Tracing
	next telemetry.Log
}

func (l *log) Fetch(ctx context.Context, max int, linger time.Duration) (telemetry.Batch, error) {
	batch, err := l.next.Fetch(ctx, max, linger)
	if err != nil || len(batch.Traces) == 0 {
		return batch, err
	}
	with, span := l.t.follow(ctx, "write a batch", trace.SpanKindConsumer, batch.Traces)
	if span == nil {
		batch.Traces = nil
		return batch, nil
	}
	span.SetAttributes(attribute.Int("ampra.readings", len(batch.Readings)))
	batch.Traces = []string{textOf(with)}
	var once sync.Once
	commit := batch.Commit
	batch.Commit = func(ctx context.Context) error {
		err := commit(ctx)
		once.Do(func() { (&Span{span}).End(err) })
		return err
	}
	return batch, nil
}

// Archive follows writes to an archive.
func (t *Tracing) Archive(next telemetry.Archive) telemetry.Archive { return &archive{next, t} }

type archive struct {
	telemetry.Archive
	t *Tracing
}

func (a *archive) Write(ctx context.Context, readings []telemetry.Placed) []error {
	traces := telemetry.TracesOf(ctx)
	if len(traces) == 0 {
		return a.Archive.Write(ctx, readings)
	}
	with, span := a.t.follow(ctx, "write to the archive", trace.SpanKindClient, traces)
	if span == nil {
		return a.Archive.Write(ctx, readings)
	}
	span.SetAttributes(attribute.Int("ampra.readings", len(readings)))
	errs := a.Archive.Write(with, readings)
	(&Span{span}).End(firstOf(errs))
	return errs
}

func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
