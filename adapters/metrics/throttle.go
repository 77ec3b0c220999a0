package metrics

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ampra/core/fault"
)

// Throttle counts what limits hold back.
type Throttle struct{ deliveries, seconds *prometheus.CounterVec }

// Throttle adds the counts. To be called once.
func (m *Metrics) Throttle() *Throttle {
	t := &Throttle{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ampra_throttled_deliveries_total", Help: "Deliveries of sources over a limit: slowed down by MQTT, refused with 429 by webhook.",
		}, []string{"transport"}),
		seconds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ampra_throttled_seconds_total", Help: "For how long they were held back, or told to stay away.",
		}, []string{"transport"}),
	}
	m.registry.MustRegister(t.deliveries, t.seconds)
	return t
}

// Held counts a delivery that has to wait. transport is the way it came.
func (t *Throttle) Held(transport string, wait time.Duration) {
	t.deliveries.WithLabelValues(transport).Inc()
	t.seconds.WithLabelValues(transport).Add(wait.Seconds())
}

// Refused counts a delivery that was not taken, if it was for a limit.
func (t *Throttle) Refused(transport string, err error) {
	if refused, ok := errors.AsType[*fault.Error](err); ok && refused.Code == fault.TooMany {
		t.Held(transport, refused.RetryAfter)
	}
}
