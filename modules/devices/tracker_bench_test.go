package devices_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/telemetry"
	"ampra/modules/devices"
	"ampra/test/fake"
)

// BenchmarkStored is what noting who is heard adds to a reading where readings
// become durable: batches of 5,000, of 50,000 sources in turn.
func BenchmarkStored(b *testing.B) {
	var batches [10][]telemetry.Placed
	for i := range batches {
		for range 5000 {
			batches[i] = append(batches[i], reading(uuid.New(), time.Time{}, time.Time{}))
		}
	}
	now := time.Date(2026, 6, 14, 9, 0, 0, 0, time.UTC)
	tracker := devices.NewTracker(devices.TrackerDeps{
		Book: fake.NewRecords().Devices, Live: &told{}, Clock: clock.Func(func() time.Time { return now }), Process: uuid.New(),
		Failed: func(err error) { b.Error(err) }, Flushed: func(int, time.Duration) {},
	})
	round := func(batch []telemetry.Placed) {
		for i := range batch {
			batch[i].ReceivedAt, batch[i].Timestamp = now, now
		}
		tracker.Stored(batch, nil)
	}
	for _, batch := range batches { // from here on all are known
		round(batch)
	}
	if err := tracker.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		if n%len(batches) == 0 {
			now = now.Add(10 * time.Second)
		}
		round(batches[n%len(batches)])
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/5000, "ns/reading")
}
