package metrics

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

type archiveCounts struct {
	readings        outcomes
	size            prometheus.Histogram
	took            prometheus.Histogram
	delay           prometheus.Histogram
	latest, newest  query
	history, erased query
}

type query struct {
	took   prometheus.Observer
	failed prometheus.Counter
}

func newArchiveCounts(m *Metrics) archiveCounts {
	took := m.histogramVec("ampra_archive_read_seconds", "Time of a query of the archive.", seconds(), "query")
	failed := m.counterVec("ampra_archive_read_failures_total", "Queries of the archive that failed.", "query")
	one := func(name string) query { return query{took.WithLabelValues(name), failed.WithLabelValues(name)} }
	return archiveCounts{
		readings: newOutcomes(m.counterVec("ampra_archive_readings_total", "Readings written to the archive, by what became of them.", "result")),
		size:     m.histogram("ampra_archive_batch_readings", "Readings in a batch of the archive.", sizes()),
		took:     m.histogram("ampra_archive_write_seconds", "Time of a batch of the archive.", seconds()),
		delay: m.histogram("ampra_received_to_queryable_seconds", "From taking a reading in until queries find it.",
			prometheus.ExponentialBuckets(0.001, 2, 20)), // 1 ms to 9 min
		latest: one("latest"), newest: one("newest"), history: one("history"), erased: one("erase"),
	}
}

var _ telemetry.Archive = (*archive)(nil)

// Archive counts what passes into and out of an archive.
func (m *Metrics) Archive(next telemetry.Archive) telemetry.Archive { return &archive{m, next} }

type archive struct {
	m    *Metrics
	next telemetry.Archive
}

func (a *archive) Write(ctx context.Context, readings []telemetry.Placed) []error {
	began := a.m.now()
	errs := a.next.Write(ctx, readings)
	now := a.m.now()
	counts := &a.m.archive
	counts.took.Observe(now.Sub(began).Seconds())
	counts.size.Observe(float64(len(readings)))
	counts.readings.answer(len(readings), nil, errs)
	if len(errs) == 0 || len(errs) == len(readings) {
		for i := range readings {
			if errs == nil || errs[i] == nil {
				counts.delay.Observe(now.Sub(readings[i].ReceivedAt).Seconds())
			}
		}
	}
	return errs
}

func (a *archive) Latest(ctx context.Context, source uuid.UUID) (telemetry.Reading, error) {
	began := a.m.now()
	reading, err := a.next.Latest(ctx, source)
	a.asked(a.m.archive.latest, began, err)
	return reading, err
}

func (a *archive) Newest(ctx context.Context, sources []uuid.UUID, since time.Time) ([]telemetry.Reading, error) {
	began := a.m.now()
	readings, err := a.next.Newest(ctx, sources, since)
	a.asked(a.m.archive.newest, began, err)
	return readings, err
}

func (a *archive) History(ctx context.Context, span telemetry.Span) ([]telemetry.Reading, error) {
	began := a.m.now()
	readings, err := a.next.History(ctx, span)
	a.asked(a.m.archive.history, began, err)
	return readings, err
}

func (a *archive) Erase(ctx context.Context, source uuid.UUID) error {
	began := a.m.now()
	err := a.next.Erase(ctx, source)
	a.asked(a.m.archive.erased, began, err)
	return err
}

// asked counts a query. That there is nothing is no failure.
func (a *archive) asked(q query, began time.Time, err error) {
	q.took.Observe(a.m.now().Sub(began).Seconds())
	if err != nil && !fault.Is(err, fault.NotFound) {
		q.failed.Inc()
	}
}

type deadLetterCounts struct{ of *prometheus.CounterVec }

func newDeadLetterCounts(m *Metrics) deadLetterCounts {
	letters := m.counterVec("ampra_dead_letters_total", "What could not be read or stored, by where it came from and why.", "origin", "kind")
	for _, origin := range []string{telemetry.FromMQTT, telemetry.FromWebhook, telemetry.FromJournal, otherOrigin} {
		for _, kind := range []telemetry.LetterKind{
			telemetry.LetterMalformed, telemetry.LetterRefused, telemetry.LetterTooLarge, telemetry.LetterUndecodable,
			telemetry.LetterUnstorable, telemetry.LetterOther,
		} {
			letters.WithLabelValues(origin, string(kind)) // shown from the start, as 0
		}
	}
	return deadLetterCounts{letters}
}

const otherOrigin = "other"

var _ telemetry.DeadLetters = (*deadLetters)(nil)

// DeadLetters counts what goes to the dead letters.
func (m *Metrics) DeadLetters(next telemetry.DeadLetters) telemetry.DeadLetters {
	return &deadLetters{m, next}
}

type deadLetters struct {
	m    *Metrics
	next telemetry.DeadLetters
}

func (d *deadLetters) Put(ctx context.Context, letters ...telemetry.DeadLetter) error {
	err := d.next.Put(ctx, letters...)
	if err != nil {
		return err
	}
	for _, letter := range letters {
		origin := letter.Origin
		if origin != telemetry.FromMQTT && origin != telemetry.FromWebhook && origin != telemetry.FromJournal {
			origin = otherOrigin
		}
		d.m.letters.of.WithLabelValues(origin, string(letter.Kind.Known())).Inc()
	}
	return nil
}
