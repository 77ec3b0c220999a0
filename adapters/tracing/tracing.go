// Package tracing follows single readings from their publish to their write, as
// OpenTelemetry spans: the delivery, the append to the journal, the writer's batch
// and the write to the archive. It wraps ports; what it wraps knows of a trace only
// the text that travels with a reading. A house without traces does not make a
// Tracing, and pays nothing.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"ampra/core/fault"
)

// Config says where traces go.
type Config struct {
	// Endpoint is the OTLP receiver's base URL, e.g. http://localhost:4318; "" takes
	// the standard OTEL_EXPORTER_OTLP_* variables. What else those say, such as
	// headers and certificates, holds in any case.
	Endpoint string
	// Ratio is the share of the deliveries that is traced, 0 to 1.
	Ratio float64
	// Service and Version name this product.
	Service, Version string
	// Instance tells one process from another.
	Instance string
}

// Deps is what a Tracing needs of others.
type Deps struct {
	// Exporter takes the spans; nil is OTLP over HTTP.
	Exporter sdktrace.SpanExporter
}

// Tracing makes spans and brings them out in the background.
type Tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// New returns a Tracing; its connections begin with the first spans. An error says
// what is wrong with the settings.
func New(ctx context.Context, cfg Config, d Deps) (*Tracing, error) {
	exporter := d.Exporter
	if exporter == nil {
		var options []otlptracehttp.Option
		if cfg.Endpoint != "" {
			at, err := tracesURL(cfg.Endpoint)
			if err != nil {
				return nil, err
			}
			options = append(options, otlptracehttp.WithEndpointURL(at))
		}
		var err error
		if exporter, err = otlptracehttp.New(ctx, options...); err != nil {
			return nil, fmt.Errorf("preparing the export of traces: %w", err)
		}
	}
	about, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", cfg.Service), attribute.String("service.version", cfg.Version),
		attribute.String("service.instance.id", cfg.Instance),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describing this process for traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		// Batches are bounded; what a receiver does not take in time is dropped.
		sdktrace.WithBatcher(exporter), sdktrace.WithResource(about),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Ratio))),
	)
	return &Tracing{provider: provider, tracer: provider.Tracer("ampra")}, nil
}

// tracesURL is where a receiver takes traces: below its base URL, as the standard
// has it.
func tracesURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", errors.New("expected a URL such as http://localhost:4318")
	}
	return u.JoinPath("v1", "traces").String(), nil
}

// Run waits for ctx to end and then brings out what is left, in five seconds at the
// most. That a receiver is away is no error of the house's.
func (t *Tracing) Run(ctx context.Context) error {
	<-ctx.Done()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = t.provider.Shutdown(ending) // the library has told its error handler
	return nil
}

// Flush brings out what is ready, for tests.
func (t *Tracing) Flush(ctx context.Context) error { return t.provider.ForceFlush(ctx) }

// Span is a part of a trace. A nil one does nothing.
type Span struct{ span trace.Span }

// End ends the part, with what became of it. Only the kind of an error is told: its
// text may hold what is not the trace's business.
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, string(fault.CodeOf(err)))
	}
	s.span.End()
}

// Deliver begins the trace of a delivery, if it is one of those that are traced.
// The span is nil for the others.
func (t *Tracing) Deliver(ctx context.Context, origin string, source uuid.UUID, bytes int) (context.Context, *Span) {
	// What came from outside begins its own trace: nobody there decides what is
	// traced here.
	with, span := t.tracer.Start(ctx, "deliver "+origin, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer))
	if !span.IsRecording() {
		return ctx, nil
	}
	span.SetAttributes(
		attribute.String("ampra.origin", origin), attribute.String("ampra.source.id", source.String()), attribute.Int("ampra.payload.bytes", bytes),
	)
	return with, &Span{span}
}
