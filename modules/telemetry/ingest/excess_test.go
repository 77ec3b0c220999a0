package ingest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/modules/telemetry/ingest"
	"ampra/test/fake"
)

func TestWhoIsOverALimitIsToldWhich(t *testing.T) {
	t.Parallel()
	one := ingest.Limit{Rate: 1, Burst: 1}
	for name, c := range map[string]struct {
		cfg  ingest.LimitsConfig
		want string
	}{
		"source_readings": {ingest.LimitsConfig{Source: ingest.Quota{Readings: one}}, "This source sends more readings than allowed: 1 a second, and 1 at once after a pause (--limit-source-readings-rate, -burst)"},
		"source_bytes":    {ingest.LimitsConfig{Source: ingest.Quota{Bytes: one}}, "--limit-source-bytes-rate"},
		"user_readings":   {ingest.LimitsConfig{User: ingest.Quota{Readings: one}}, "The sources of this owner together send more readings than allowed"},
		"user_bytes":      {ingest.LimitsConfig{User: ingest.Quota{Bytes: one}}, "--limit-user-bytes-rate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, clock := newRig(), fake.NewClock(present())
			owner := uuid.New()
			limits := ingest.NewLimits(c.cfg, clock)
			if excess := limits.Excess(r.source, owner); excess != nil {
				t.Errorf("who sent nothing is %v", excess)
			}
			limits.Charge(r.source, owner, 5, 100)
			excess := limits.Excess(r.source, owner)
			if excess == nil || excess.Name() != name || !slices.Contains(ingest.LimitNames(), name) || !strings.Contains(excess.Error(), name) {
				t.Errorf("the excess is %v, want %s", excess, name)
			}
			service := r.serviceWith(clock, c.cfg, nil)
			d := ingest.Delivery{SourceID: r.source, OwnerID: owner, Payload: []byte(`[{"acPowerWatts": 1, "timestamp": "2026-06-14T11:00:00Z"}, {"acPowerWatts": 1}]`)}
			if _, err := service.Accept(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			_, err := service.Accept(t.Context(), d)
			if !fault.Is(err, fault.TooMany) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), name) {
				t.Errorf("answered with %v, want %s", err, c.want)
			}
		})
	}
}
