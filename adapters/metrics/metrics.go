// Package metrics counts what passes the borders of the pipeline and shows it to
// Prometheus. It wraps ports, so that what it counts knows nothing of it. What each
// metric means stands in docs/operating.md.
package metrics

import (
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ampra/core/fault"
)

// Metrics is a registry of its own with the house's counts.
type Metrics struct {
	registry *prometheus.Registry
	now      func() time.Time

	intake   intakes
	requests requests
	signIns  signIns
	journal  journalCounts
	kafka    kafkaCounts
	writer   writerCounts
	archive  archiveCounts
	letters  deadLetterCounts
	parts    *prometheus.GaugeVec
}

// New returns a registry in which nothing has happened; version is shown as
// ampra_build_info.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), now: time.Now}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := m.gaugeVec("ampra_build_info", "Always 1.", "version", "go_version")
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.parts = m.gaugeVec("ampra_part_ready", "1 when a part answers, 0 when it is away.", "part")
	m.intake, m.requests, m.signIns = newIntakes(m), newRequests(m), newSignIns(m)
	m.journal, m.kafka, m.letters = newJournalCounts(m), newKafkaCounts(m), newDeadLetterCounts(m)
	m.writer, m.archive = newWriterCounts(m), newArchiveCounts(m)
	return m
}

// Handler shows everything in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Gatherer gives everything, for tests.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Gauge shows what read returns at the moment.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// GaugeOf is Gauge for one of several with the same name, told apart by labels.
func (m *Metrics) GaugeOf(name, help string, labels map[string]string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, read))
}

// Counter shows what read returns; it must only grow.
func (m *Metrics) Counter(name, help string, read func() float64) {
	m.CounterOf(name, help, nil, read)
}

// CounterOf is Counter for one of several with the same name: labels, whose names
// are the same for all of them, tell them apart.
func (m *Metrics) CounterOf(name, help string, labels map[string]string, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, read))
}

// Part shows whether a part answers.
func (m *Metrics) Part(name string, ready bool) {
	value := 0.0
	if ready {
		value = 1
	}
	m.parts.WithLabelValues(name).Set(value)
}

// The makers register what they make.

func (m *Metrics) counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	m.registry.MustRegister(g)
	return g
}

func (m *Metrics) gaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h
}

func (m *Metrics) histogramVec(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(v)
	return v
}

// seconds are the buckets of latencies: 0.5 ms to 16 s.
func seconds() []float64 { return prometheus.ExponentialBuckets(0.0005, 2, 16) }

// sizes are the buckets of batches: 1 to 16,384.
func sizes() []float64 { return prometheus.ExponentialBuckets(1, 4, 8) }

// outcomes are the counters of what may become of something, prepared: to find one
// costs no more than its number.
type outcomes struct{ ok, passing, refused prometheus.Counter }

func newOutcomes(of *prometheus.CounterVec, before ...string) outcomes {
	one := func(result string) prometheus.Counter {
		return of.WithLabelValues(append(slices.Clip(before), result)...)
	}
	return outcomes{one("ok"), one("passing"), one("refused")}
}

// of is the counter of an outcome: "ok", "passing" (to be tried again) or
// "refused".
func (o outcomes) of(err error) prometheus.Counter {
	switch {
	case err == nil:
		return o.ok
	case fault.Passing(err):
		return o.passing
	default:
		return o.refused
	}
}
