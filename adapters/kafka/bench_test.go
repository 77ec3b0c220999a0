package kafka_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/kafka"
	"ampra/core/telemetry"
)

// BenchmarkJournal appends entries of one reading, about 100 bytes each, of 1,000
// sources from 4 goroutines. It reports durable readings a second.
func BenchmarkJournal(b *testing.B) {
	c := newCluster(b, func(cfg *kafka.Config) { cfg.Partitions = 12 })
	journal := c.Journal()
	background(b, journal.Run)
	entries := make([]telemetry.Entry, 1000)
	for i := range entries {
		entries[i] = entry(uuid.New(), 0, 1)
		for f := range telemetry.Field(9) {
			entries[i].Readings[0].Values.Set(f, float64(i)*1.1)
		}
	}
	b.Logf("a record's value takes %d bytes", len(telemetry.AppendEntry(nil, entries[0])))
	var answered, senders sync.WaitGroup
	answered.Add(b.N)
	b.ResetTimer()
	for n := range 4 {
		senders.Go(func() {
			for i := n; i < b.N; i += 4 {
				err := journal.Append(b.Context(), entries[i%len(entries)], func(err error, _ []error) {
					if err != nil {
						b.Error(err)
					}
					answered.Done()
				})
				if err != nil {
					b.Error(err)
					answered.Done()
				}
			}
		})
	}
	senders.Wait()
	answered.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "readings/s")
}

// BenchmarkJournalAlone appends one reading after the other: the time to durable
// where nobody else sends.
func BenchmarkJournalAlone(b *testing.B) {
	c := newCluster(b, nil)
	journal := c.Journal()
	background(b, journal.Run)
	source := uuid.New()
	answers := make(chan error, 1)
	for i := 0; b.Loop(); i++ {
		err := journal.Append(b.Context(), entry(source, i, 1), func(err error, _ []error) { answers <- err })
		if err == nil {
			err = <-answers
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLog reads batches of 5,000 and commits each.
func BenchmarkLog(b *testing.B) {
	c := newCluster(b, nil)
	journal := c.Journal()
	background(b, journal.Run)
	const total = 500_000
	var answered sync.WaitGroup
	for i := range total / 10 {
		answered.Add(1)
		err := journal.Append(b.Context(), entry(uuid.New(), i, 10), func(err error, _ []error) {
			if err != nil {
				b.Error(err)
			}
			answered.Done()
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	answered.Wait()
	log := c.Log()
	background(b, log.Run)
	found := 0
	read := func() {
		batch, err := log.Fetch(b.Context(), 5000, 50*time.Millisecond)
		if err == nil {
			err = batch.Commit(b.Context())
		}
		if err != nil {
			b.Fatal(err)
		}
		found += len(batch.Readings)
	}
	read() // a new member of a group takes its time
	found = 0
	b.ResetTimer()
	for range b.N {
		read()
	}
	b.ReportMetric(float64(found)/b.Elapsed().Seconds(), "readings/s")
}

// entry is n readings of a source, a second apart, beginning at second first.
func entry(source uuid.UUID, first, n int) telemetry.Entry {
	begin := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	e := telemetry.Entry{SourceID: source}
	for i := first; i < first+n; i++ {
		r := telemetry.Reading{SourceID: source, Timestamp: begin.Add(time.Duration(i) * time.Second), ReceivedAt: begin.Add(time.Hour)}
		r.Values.Set(telemetry.SolarPowerWatts, float64(i))
		e.Readings = append(e.Readings, r)
	}
	return e
}
