package mongodb_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

// BenchmarkWrite writes batches of 5,000 readings with 10 values, of so many a
// source, each source's readings half a minute apart. It reports readings a
// second.
func BenchmarkWrite(b *testing.B) {
	for _, each := range []int{1, 5, 20} {
		b.Run(fmt.Sprintf("%d a source", each), func(b *testing.B) {
			archive := newArchive(b, nil)
			const batch = 5000
			sources := make([]uuid.UUID, 2*batch/each)
			for i := range sources {
				sources[i] = uuid.New()
			}
			readings := make([]telemetry.Placed, batch)
			round := 0
			for b.Loop() {
				b.StopTimer()
				// Half of the sources in a turn, each going on where it was.
				for i := range readings {
					source := (round%2)*len(sources)/2 + i%(len(sources)/2)
					second := (round/2*each + i/(len(sources)/2)) * 30
					readings[i] = place(sources[source], second, float64(i))
					for f := range telemetry.Field(10) {
						readings[i].Values.Set(f, float64(i+second)/3)
					}
				}
				round++
				b.StartTimer()
				if errs := archive.Write(b.Context(), readings); errs != nil {
					b.Fatal(errs[0])
				}
			}
			b.ReportMetric(float64(b.N)*batch/b.Elapsed().Seconds(), "readings/s")
		})
	}
}

// BenchmarkLatest asks for the latest of a source with a year of readings, one
// every 5 minutes, that is live or has been silent for a month.
func BenchmarkLatest(b *testing.B) {
	for name, silent := range map[string]time.Duration{"live": 0, "silent": 30 * 24 * time.Hour} {
		b.Run(name, func(b *testing.B) {
			archive := newArchive(b, nil)
			source := uuid.New()
			newest := telemetry.Truncate(time.Now().Add(-silent))
			for day := range 365 {
				batch := make([]telemetry.Placed, 288)
				for i := range batch {
					batch[i] = place(source, 0, float64(i))
					batch[i].Timestamp = newest.Add(-time.Duration(day*288+i) * 5 * time.Minute)
				}
				if errs := archive.Write(b.Context(), batch); errs != nil {
					b.Fatal(errs[0])
				}
			}
			for b.Loop() {
				if _, err := archive.Latest(b.Context(), source); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
