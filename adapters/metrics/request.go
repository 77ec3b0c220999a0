package metrics

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The routes that have counts of their own.
const (
	loginRoute   = "/api/auth/login"
	webhookRoute = "/api/webhook/sunsource/{id}"
)

type requests struct {
	took    *prometheus.HistogramVec
	webhook map[int]prometheus.Counter
	failed  prometheus.Counter

	// known are the children that were asked for, so that a request costs no
	// look-up by three texts. Routes, methods and statuses are few.
	lock  *sync.RWMutex
	known map[request]prometheus.Observer
}

type request struct {
	method, route string
	status        int
}

func newRequests(m *Metrics) requests {
	webhooks := m.counterVec("ampra_webhook_requests_total", "Requests of webhooks, by what became of them.", "result")
	r := requests{
		took: m.histogramVec("ampra_http_request_seconds", "Time of an answered request.",
			prometheus.ExponentialBuckets(0.001, 4, 8), "method", "route", "status"),
		webhook: map[int]prometheus.Counter{}, failed: webhooks.WithLabelValues("failed"),
		lock: &sync.RWMutex{}, known: map[request]prometheus.Observer{},
	}
	for status, result := range map[int]string{
		http.StatusAccepted: "accepted", http.StatusBadRequest: "unreadable", http.StatusUnauthorized: "unauthenticated",
		http.StatusRequestEntityTooLarge: "too_large", http.StatusUnsupportedMediaType: "unsupported",
		http.StatusTooManyRequests: "limited", http.StatusServiceUnavailable: "unavailable",
	} {
		r.webhook[status] = webhooks.WithLabelValues(result)
	}
	return r
}

// Request counts an answered request. route is its pattern, "" where none matched.
func (m *Metrics) Request(method, route string, status int, took time.Duration) {
	r := &m.requests
	r.of(request{method, route, status}).Observe(took.Seconds())
	switch route {
	case webhookRoute:
		counter, known := r.webhook[status]
		if !known {
			counter = r.failed
		}
		counter.Inc()
	case loginRoute:
		m.login(status, took)
	}
}

func (r *requests) of(key request) prometheus.Observer {
	r.lock.RLock()
	child, known := r.known[key]
	r.lock.RUnlock()
	if known {
		return child
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	child = r.took.WithLabelValues(key.method, key.route, strconv.Itoa(key.status))
	r.known[key] = child
	return child
}

func (m *Metrics) login(status int, took time.Duration) {
	api := m.signIns.api
	switch {
	case status < http.StatusMultipleChoices:
		api.results.ok.Inc()
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		api.results.passing.Inc()
	default:
		api.results.refused.Inc()
	}
	api.took.Observe(took.Seconds())
}
