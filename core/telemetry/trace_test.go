package telemetry_test

import (
	"slices"
	"testing"

	"ampra/core/telemetry"
)

func TestAContextCarriesTracesAndIsItselfWithoutAny(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	if telemetry.WithTraces(ctx) != ctx || telemetry.TracesOf(ctx) != nil {
		t.Error("no trace changes the context")
	}
	if got := telemetry.TracesOf(telemetry.WithTraces(ctx, "a", "b")); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("the traces are %q", got)
	}
}
