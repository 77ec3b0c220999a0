package bootstrap

import (
	"time"

	"ampra/modules/telemetry/ingest"
)

// gatherer holds what devices publish value by value until it is a reading.
func (a *App) gatherer() *ingest.Gatherer {
	g := ingest.NewGatherer(ingest.GatherConfig{}, systemClock())
	a.metrics.Gauge("ampra_gather_sources", "Sources whose values, on topics of their own, are being gathered into readings.",
		func() float64 { return float64(g.Holds()) })
	a.metrics.Counter("ampra_gather_dropped_total", "Values of QoS 0 that were lost since the journal was away for longer than a minute.",
		func() float64 { return float64(g.Dropped()) })
	return g
}

// wireGathering stores what was gathered; it ends before the journal does.
func (a *App) wireGathering(h *house) {
	a.parts.add("gathering", 10*time.Second, h.ingest.next.Gathering)
}
