package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Throttle counts what limits hold back.
type Throttle struct{ deliveries, seconds *prometheus.CounterVec }

// Throttle adds the counts, at 0 for each of the ways in and the limits, so that a
// first one is seen as an increase. To be called once.
func (m *Metrics) Throttle(transports, limits []string) *Throttle {
	t := &Throttle{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ampra_throttled_deliveries_total", Help: "Deliveries of sources over a limit: slowed down by MQTT, refused with 429 by webhook.",
		}, []string{"transport", "limit"}),
		seconds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ampra_throttled_seconds_total", Help: "For how long they were held back, or told to stay away.",
		}, []string{"transport", "limit"}),
	}
	for _, transport := range transports {
		for _, limit := range limits {
			t.deliveries.WithLabelValues(transport, limit)
			t.seconds.WithLabelValues(transport, limit)
		}
	}
	m.registry.MustRegister(t.deliveries, t.seconds)
	return t
}

// Held counts a delivery that has to wait. transport is the way it came, limit the
// name of what it is over.
func (t *Throttle) Held(transport, limit string, wait time.Duration) {
	t.deliveries.WithLabelValues(transport, limit).Inc()
	t.seconds.WithLabelValues(transport, limit).Add(wait.Seconds())
}
