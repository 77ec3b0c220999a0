package bootstrap

import (
	"time"

	"ampra/adapters/mongodb"
)

// wireMoves lets a process that writes move readings on into MongoDB's time series.
func (a *App) wireMoves(archive *mongodb.Archive) {
	if !a.cfg.Has(RoleWriter) {
		return
	}
	a.parts.add("moves of readings", 15*time.Second, archive.Run)
	a.metrics.Gauge("ampra_archive_waiting_readings", "Readings stored that are not moved into the time series yet.", func() float64 {
		return float64(archive.Stats().Waiting)
	})
	a.metrics.Gauge("ampra_archive_last_move_seconds", "Seconds since the last move into the time series ended, by any process.", func() float64 {
		return archive.Stats().SinceMove.Seconds()
	})
}
