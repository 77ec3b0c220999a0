// Package metrics counts what passes the borders of the pipeline and shows it to
// Prometheus. It wraps ports, so that what it counts knows nothing of it.
package metrics

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Metrics is a registry of its own with the pipeline's counts.
type Metrics struct {
	registry *prometheus.Registry

	appended     *prometheus.CounterVec
	appendTime   prometheus.Histogram
	written      *prometheus.CounterVec
	writeBatch   prometheus.Histogram
	writeTime    prometheus.Histogram
	deadLetters  *prometheus.CounterVec
	archiveReads *prometheus.HistogramVec
	requests     *prometheus.HistogramVec
	ingested     *prometheus.CounterVec
}

// New returns an empty registry; version is shown as ampra_build_info.
func New(version string) *Metrics {
	seconds := prometheus.ExponentialBuckets(0.0005, 2, 16) // 0.5 ms to 16 s
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		appended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ampra_journal_readings_total", Help: "Readings handed to the journal, by what became of them.",
		}, []string{"result"}),
		appendTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ampra_journal_append_seconds", Help: "From handing an entry to the journal until it is durable.", Buckets: seconds,
		}),
		written: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ampra_archive_readings_total", Help: "Readings written to the archive, by what became of them.",
		}, []string{"result"}),
		writeBatch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ampra_archive_batch_readings", Help: "Readings in a batch of the archive.", Buckets: prometheus.ExponentialBuckets(1, 4, 8),
		}),
		writeTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ampra_archive_write_seconds", Help: "Time of a batch of the archive.", Buckets: seconds,
		}),
		deadLetters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ampra_dead_letters_total", Help: "What could not be read, by where it came from.",
		}, []string{"origin"}),
		archiveReads: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ampra_archive_read_seconds", Help: "Time of a query of the archive.", Buckets: seconds,
		}, []string{"query"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ampra_http_request_seconds", Help: "Time of an answered request.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"method", "route", "status"}),
	}
	m.ingested = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ampra_ingest_total", Help: "Readings accepted and rejected, and fields of accepted readings that were left out.",
	}, []string{"what"})
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ampra_build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(build, m.appended, m.appendTime, m.written, m.writeBatch, m.writeTime, m.deadLetters, m.archiveReads, m.requests, m.ingested,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler shows everything in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Ingested counts what became of one delivery: readings that are durable and
// readings that were refused, fields that were left out with a warning, and
// unknown fields that were left out for their number.
func (m *Metrics) Ingested(accepted, rejected, warnings, droppedExtra int) {
	for what, n := range map[string]int{
		"accepted": accepted, "rejected": rejected, "field_left_out": warnings, "extra_left_out": droppedExtra,
	} {
		if n > 0 {
			m.ingested.WithLabelValues(what).Add(float64(n))
		}
	}
}

// Request counts an answered request. route is its pattern, "" where none matched.
func (m *Metrics) Request(method, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

// Gauge shows what read returns at the moment.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Counter shows what read returns; it must only grow.
func (m *Metrics) Counter(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
}

// Journal counts what passes into a journal.
func (m *Metrics) Journal(next telemetry.Journal) telemetry.Journal { return &journal{m, next} }

type journal struct {
	m    *Metrics
	next telemetry.Journal
}

func (j *journal) Append(ctx context.Context, entry telemetry.Entry, done telemetry.Done) error {
	began, count := time.Now(), float64(len(entry.Readings))
	err := j.next.Append(ctx, entry, func(err error, errs []error) {
		j.m.appendTime.Observe(time.Since(began).Seconds())
		j.m.appended.WithLabelValues(result(err)).Add(count)
		done(err, errs)
	})
	if err != nil {
		j.m.appended.WithLabelValues(result(err)).Add(count)
	}
	return err
}

// Archive counts what passes into and out of an archive.
func (m *Metrics) Archive(next telemetry.Archive) telemetry.Archive { return &archive{m, next} }

type archive struct {
	m    *Metrics
	next telemetry.Archive
}

func (a *archive) Write(ctx context.Context, readings []telemetry.Placed) []error {
	began := time.Now()
	errs := a.next.Write(ctx, readings)
	a.m.writeTime.Observe(time.Since(began).Seconds())
	a.m.writeBatch.Observe(float64(len(readings)))
	if errs == nil {
		a.m.written.WithLabelValues(result(nil)).Add(float64(len(readings)))
	}
	for _, err := range errs {
		a.m.written.WithLabelValues(result(err)).Inc()
	}
	return errs
}

func (a *archive) Latest(ctx context.Context, source uuid.UUID) (telemetry.Reading, error) {
	defer a.reading("latest")()
	return a.next.Latest(ctx, source)
}

func (a *archive) History(ctx context.Context, query telemetry.Span) ([]telemetry.Reading, error) {
	defer a.reading("history")()
	return a.next.History(ctx, query)
}

func (a *archive) Erase(ctx context.Context, source uuid.UUID) error {
	defer a.reading("erase")()
	return a.next.Erase(ctx, source)
}

func (a *archive) reading(query string) func() {
	began := time.Now()
	return func() { a.m.archiveReads.WithLabelValues(query).Observe(time.Since(began).Seconds()) }
}

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
	if err == nil {
		for _, letter := range letters {
			d.m.deadLetters.WithLabelValues(letter.Origin).Inc()
		}
	}
	return err
}

// result is the label of an outcome: "ok", "passing" (to be tried again) or
// "refused".
func result(err error) string {
	switch {
	case err == nil:
		return "ok"
	case fault.Passing(err):
		return "passing"
	default:
		return "refused"
	}
}
