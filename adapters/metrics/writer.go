package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ampra/core/telemetry"
)

type writerCounts struct {
	size    prometheus.Histogram
	took    prometheus.Histogram
	commits outcomes
	retries prometheus.Counter
}

func newWriterCounts(m *Metrics) writerCounts {
	return writerCounts{
		size:    m.histogram("ampra_writer_batch_readings", "Readings of a batch of the writer.", sizes()),
		took:    m.histogram("ampra_writer_batch_seconds", "From reading a batch from the journal until it is committed.", seconds()),
		commits: newOutcomes(m.counterVec("ampra_writer_commits_total", "Commits of the writer's position.", "result")),
		retries: m.counter("ampra_writer_retries_total", "Attempts of the writer that failed and are repeated."),
	}
}

// Retried counts an attempt of the writer that failed.
func (m *Metrics) Retried() { m.writer.retries.Inc() }

var _ telemetry.Log = (*log)(nil)

// Log counts what a writer reads from a journal and commits. It is for one log of
// a process.
func (m *Metrics) Log(next telemetry.Log) telemetry.Log {
	l := &log{m: m, next: next}
	m.Gauge("ampra_writer_commit_age_seconds", "How long the writer has had something to commit without a commit; 0 with nothing.", l.age)
	return l
}

type log struct {
	m    *Metrics
	next telemetry.Log

	mu sync.Mutex
	// open counts the batches that are not committed; since is when the first of
	// them came, or when the last commit was, whichever is later.
	open  int
	since time.Time
}

func (l *log) Fetch(ctx context.Context, max int, linger time.Duration) (telemetry.Batch, error) {
	batch, err := l.next.Fetch(ctx, max, linger)
	if err != nil {
		return batch, err
	}
	began := l.m.now()
	l.m.writer.size.Observe(float64(len(batch.Readings)))
	l.mu.Lock()
	if l.open++; l.open == 1 {
		l.since = began
	}
	l.mu.Unlock()
	var once sync.Once
	commit := batch.Commit
	batch.Commit = func(ctx context.Context) error {
		err := commit(ctx)
		l.m.writer.commits.of(err).Inc()
		if err == nil {
			once.Do(func() { l.committed(began) })
		}
		return err
	}
	return batch, nil
}

func (l *log) committed(began time.Time) {
	now := l.m.now()
	l.m.writer.took.Observe(now.Sub(began).Seconds())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	l.since = now
}

func (l *log) age() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == 0 {
		return 0
	}
	return l.m.now().Sub(l.since).Seconds()
}
