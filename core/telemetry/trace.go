package telemetry

import "context"

// A trace is known here by its W3C traceparent alone: a text that travels with
// readings, so that who watches the house from outside can tell what became of
// one. Nothing is decided by it; "" and none are the usual case.

type traceKey struct{}

// WithTraces says in a context of which traces what follows is part. It returns
// ctx itself when there is none.
func WithTraces(ctx context.Context, traces ...string) context.Context {
	if len(traces) == 0 {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, traces)
}

// TracesOf returns what WithTraces said, nil for nothing.
func TracesOf(ctx context.Context) []string {
	traces, _ := ctx.Value(traceKey{}).([]string)
	return traces
}

// MaxTraces bounds the traces of one batch.
const MaxTraces = 32
