package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// HeardDevices counts what is written down of devices that were heard.
type HeardDevices struct {
	sources prometheus.Counter
	took    prometheus.Histogram
}

// HeardDevices returns the metrics of a process that notes who is heard.
func (m *Metrics) HeardDevices() *HeardDevices {
	return &HeardDevices{
		sources: m.counter("ampra_devices_heard_total", "Sources of which it was written down that they were heard."),
		took: m.histogram("ampra_devices_flush_seconds", "How long it took to write down who was heard.",
			[]float64{.001, .003, .01, .03, .1, .3, 1, 3, 10}),
	}
}

// Flushed counts a flush of so many sources.
func (h *HeardDevices) Flushed(sources int, took time.Duration) {
	h.sources.Add(float64(sources))
	h.took.Observe(took.Seconds())
}
