package webhook

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

// limiter lets each source through at a rate, by a bucket of tokens a source. It
// counts for this process only, and remembers a bounded number of sources: a
// source whose bucket is full again is as one never seen.
type limiter struct {
	rate, burst float64
	max         int

	mu      sync.Mutex
	buckets map[uuid.UUID]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(rate, burst float64, max int) *limiter {
	return &limiter{rate: rate, burst: burst, max: max, buckets: map[uuid.UUID]bucket{}}
}

// take takes a token. It returns 0, or how long to wait for the next one.
func (l *limiter) take(source uuid.UUID, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[source]
	if !known {
		l.makeRoom(now)
		b = bucket{tokens: l.burst, at: now}
	}
	b = l.refilled(b, now)
	wait := time.Duration(0)
	if b.tokens >= 1 {
		b.tokens--
	} else {
		wait = time.Duration((1 - b.tokens) / l.rate * float64(time.Second))
	}
	l.buckets[source] = b
	return wait
}

// refilled is the bucket at a later time. A clock that went back adds nothing.
func (l *limiter) refilled(b bucket, now time.Time) bucket {
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = min(l.burst, b.tokens+passed*l.rate)
		b.at = now
	}
	return b
}

// makeRoom keeps the number of buckets bounded: it forgets the full ones, and
// where there are none, some.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.buckets) < l.max {
		return
	}
	for source, b := range l.buckets {
		if l.refilled(b, now).tokens >= l.burst {
			delete(l.buckets, source)
		}
	}
	for source := range l.buckets {
		if len(l.buckets) < max(1, l.max-l.max/10) {
			return
		}
		delete(l.buckets, source)
	}
}
