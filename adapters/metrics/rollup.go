package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ampra/core/rollup"
)

// Rollups counts what a roller does, and shows what waits for it.
type Rollups struct {
	days     *prometheus.CounterVec
	readings prometheus.Counter
	took     prometheus.Histogram
	sealed   prometheus.Counter
	deleted  prometheus.Counter
}

// backlogTime bounds the question for what waits, backlogAge how old an answer may
// be: /metrics must not hang on it, nor make work when it is asked often.
const (
	backlogTime = 2 * time.Second
	backlogAge  = 10 * time.Second
)

// Rollups registers the counts; marks is asked for what waits.
func (m *Metrics) Rollups(marks rollup.Marks) *Rollups {
	waiting := &backlog{marks: marks, now: m.now}
	m.Gauge("ampra_rollup_marks", "Days, by source and time of writing, that are marked to be rolled up; those of the last two periods must wait.",
		func() float64 { return float64(waiting.get().Marks) })
	m.Gauge("ampra_rollup_oldest_mark_seconds", "For how long the oldest mark could have been worked off already.",
		func() float64 { return waiting.get().Oldest.Seconds() })
	r := &Rollups{
		days:     m.counterVec("ampra_rollup_days_total", "Days rolled up: continued from where they were, or refolded from their first reading.", "how"),
		readings: m.counter("ampra_rollup_readings_total", "Readings read to roll days up."),
		took:     m.histogram("ampra_rollup_day_seconds", "Time to roll up one day of one source.", seconds()),
		sealed:   m.counter("ampra_rollup_days_sealed_total", "Days whose readings were kept for long enough: they are no more made anew."),
		deleted:  m.counter("ampra_rollup_readings_deleted_total", "Readings of such days that were deleted."),
	}
	r.days.WithLabelValues("continued") // shown from the start, as 0
	r.days.WithLabelValues("refolded")
	return r
}

// Rolled counts one day.
func (r *Rollups) Rolled(readings int, refolded bool, took time.Duration) {
	how := "continued"
	if refolded {
		how = "refolded"
	}
	r.days.WithLabelValues(how).Inc()
	r.readings.Add(float64(readings))
	r.took.Observe(took.Seconds())
}

// Kept counts the days that were sealed, and the readings that were deleted.
func (r *Rollups) Kept(sealed int, deleted int64) {
	r.sealed.Add(float64(sealed))
	r.deleted.Add(float64(deleted))
}

// backlog remembers an answer for a while, and the last one when there is none.
type backlog struct {
	marks rollup.Marks
	now   func() time.Time

	mu    sync.Mutex
	at    time.Time
	known rollup.Backlog
}

func (b *backlog) get() rollup.Backlog {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.now(); now.Sub(b.at) > backlogAge {
		b.at = now
		ctx, cancel := context.WithTimeout(context.Background(), backlogTime)
		defer cancel()
		if known, err := b.marks.Backlog(ctx); err == nil {
			b.known = known
		}
	}
	return b.known
}
