package simulate

import (
	"math"
	"sync"
	"time"
)

// latencies counts durations in buckets that grow by a tenth, so that a long run
// needs no more memory than a short one. The zero value is ready.
type latencies struct {
	mu      sync.Mutex
	buckets [bucketCount]int
	n       int
}

const (
	bucketCount = 200
	bucketFirst = 50 * time.Microsecond
	bucketRatio = 1.1
)

func (l *latencies) add(d time.Duration) {
	i := 0
	if d > bucketFirst {
		i = int(math.Ceil(math.Log(float64(d)/float64(bucketFirst)) / math.Log(bucketRatio)))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buckets[min(i, bucketCount-1)]++
	l.n++
}

// at is the duration that a share of all (0 to 1) did not exceed, to a tenth of
// itself; 0 when there are none.
func (l *latencies) at(share float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == 0 {
		return 0
	}
	rest := int(math.Ceil(share * float64(l.n)))
	for i, n := range l.buckets {
		if rest -= n; rest <= 0 {
			return time.Duration(float64(bucketFirst) * math.Pow(bucketRatio, float64(i)))
		}
	}
	return 0
}
