package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ampra/core/telemetry"
)

type journalCounts struct {
	readings outcomes
	size     prometheus.Histogram
	took     prometheus.Histogram
}

func newJournalCounts(m *Metrics) journalCounts {
	return journalCounts{
		readings: newOutcomes(m.counterVec("ampra_journal_readings_total", "Readings handed to the journal, by what became of them.", "result")),
		size:     m.histogram("ampra_journal_entry_readings", "Readings of one entry.", sizes()),
		took:     m.histogram("ampra_journal_append_seconds", "From handing an entry to the journal until it is durable.", seconds()),
	}
}

var _ telemetry.Journal = (*journal)(nil)

// Journal counts what passes into a journal.
func (m *Metrics) Journal(next telemetry.Journal) telemetry.Journal { return &journal{m, next} }

type journal struct {
	m    *Metrics
	next telemetry.Journal
}

func (j *journal) Append(ctx context.Context, entry telemetry.Entry, done telemetry.Done) error {
	began, count := j.m.now(), len(entry.Readings)
	counts := &j.m.journal
	counts.size.Observe(float64(count))
	err := j.next.Append(ctx, entry, func(err error, errs []error) {
		counts.took.Observe(j.m.now().Sub(began).Seconds())
		counts.readings.answer(count, err, errs)
		done(err, errs)
	})
	if err != nil {
		counts.readings.answer(count, err, nil)
	}
	return err
}

// answer counts what became of count things: err is true of all of them, unless
// errs has an answer for each.
func (o outcomes) answer(count int, err error, errs []error) {
	if errs == nil {
		o.of(err).Add(float64(count))
		return
	}
	for _, err := range errs {
		o.of(err).Inc()
	}
}

type kafkaCounts struct{ telemetry, dead, other kafkaTopic }

type kafkaTopic struct {
	records        outcomes
	size           prometheus.Observer
	bytes          prometheus.Counter
	took           prometheus.Observer
	fetched        prometheus.Counter
	fetchedRecords prometheus.Counter
}

func newKafkaCounts(m *Metrics) kafkaCounts {
	records := m.counterVec("ampra_kafka_produced_records_total", "Records sent to Kafka, by its answer; what is passing is sent again.", "topic", "result")
	size := m.histogramVec("ampra_kafka_batch_records", "Records of one batch of one partition.", sizes(), "topic")
	bytes := m.counterVec("ampra_kafka_produced_bytes_total", "Bytes of keys and values that Kafka has, before compression.", "topic")
	took := m.histogramVec("ampra_kafka_produce_seconds", "Time of a request to Kafka.", seconds(), "topic")
	fetched := m.counter("ampra_kafka_fetched_bytes_total", "Bytes of values read from Kafka.")
	fetchedRecords := m.counter("ampra_kafka_fetched_records_total", "Records read from Kafka.")
	one := func(topic string) kafkaTopic {
		return kafkaTopic{
			newOutcomes(records, topic), size.WithLabelValues(topic), bytes.WithLabelValues(topic), took.WithLabelValues(topic),
			fetched, fetchedRecords,
		}
	}
	return kafkaCounts{telemetry: one("telemetry"), dead: one("dead"), other: one("other")}
}

// Produced counts a batch that Kafka answered, or did not. topic is "telemetry" or
// "dead".
func (m *Metrics) Produced(topic string, records, bytes int, took time.Duration, err error) {
	t := &m.kafka.other
	switch topic {
	case "telemetry":
		t = &m.kafka.telemetry
	case "dead":
		t = &m.kafka.dead
	}
	t.records.of(err).Add(float64(records))
	t.size.Observe(float64(records))
	t.took.Observe(took.Seconds())
	if err == nil {
		t.bytes.Add(float64(bytes))
	}
}

// Fetched counts what was read from Kafka.
func (m *Metrics) Fetched(records, bytes int) {
	m.kafka.telemetry.fetchedRecords.Add(float64(records))
	m.kafka.telemetry.fetched.Add(float64(bytes))
}
