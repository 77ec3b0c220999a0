package writer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/rollup"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/writer"
	"ampra/test/fake"
)

// raised counts marks.
type raised struct {
	rollup.Marks
	n int
}

func (r *raised) Raise(_ context.Context, _ time.Duration, marks ...rollup.Mark) error {
	r.n += len(marks)
	return nil
}

func TestAFleetIsNotMarkedAllAtOnceWhenASlotBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const fleet, slot = 320, 32 * time.Minute
		var archive fake.Archive
		var marks raised
		now := clock.Func(time.Now)
		direct := writer.NewDirect(writer.DirectConfig{Queue: 8, Batch: 1000, FlushTime: time.Second},
			writer.NewStore(&archive, &sources{}, &feed{}).Marking(writer.NewMarker(slot, &marks, now, now)))
		run(t, direct.Run)
		all := make([]uuid.UUID, fleet)
		for i := range all {
			all[i][0], all[i][1], all[i][15] = byte(i>>8), byte(i), byte(i)
		}
		most, sum := 0, 0
		for minute := range 64 {
			before := marks.n
			e := telemetry.Entry{}
			for _, source := range all {
				r := telemetry.Reading{SourceID: source, Timestamp: time.Now().Truncate(time.Millisecond).UTC()}
				r.Values.Set(telemetry.ACPowerWatts, 1)
				e.Readings = append(e.Readings, r)
			}
			answer := make(chan error, 1)
			if err := direct.Append(t.Context(), e, func(err error, _ []error) { answer <- err }); err != nil {
				t.Fatal(err)
			}
			if err := <-answer; err != nil {
				t.Fatal(err)
			}
			if minute >= 32 {
				most, sum = max(most, marks.n-before), sum+marks.n-before
			}
			<-time.After(time.Minute)
		}
		if sum != fleet || most > fleet/10 {
			t.Errorf("in one slot %d of %d sources were marked, up to %d within a minute, want all, a tenth at the most", sum, fleet, most)
		}
	})
}
