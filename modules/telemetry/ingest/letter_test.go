package ingest_test

import (
	"testing"
	"time"

	"ampra/core/fault"
	"ampra/modules/telemetry/ingest"
)

func TestASignedDeliveryThatIsRepeatedIsOneLetterAndOthersAreTheirOwn(t *testing.T) {
	for name, c := range map[string]struct {
		signed time.Time
		want   int
	}{
		"signed with a time": {present().Add(-time.Minute), 1},
		"without one":        {time.Time{}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			ids := map[string]bool{}
			for range 3 {
				d := ingest.Delivery{SourceID: r.source, Payload: []byte("{"), SignedAt: c.signed}
				if _, err := r.service.Accept(t.Context(), d); !fault.Is(err, fault.Invalid) {
					t.Fatalf("got %v", err)
				}
			}
			for _, l := range r.buried(t) {
				ids[l.ID.String()] = true
			}
			if len(ids) != c.want {
				t.Errorf("%d letters, want %d", len(ids), c.want)
			}
		})
	}
}
