package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Buckets of a histogram: every power of two of microseconds in 32 steps, so
// that a bucket is 3 % wide at the most; the last begins at 2^31 µs, over half
// an hour.
const (
	stepBits = 5
	steps    = 1 << stepBits
	buckets  = (32 - stepBits + 1) * steps
)

// histogram counts durations from many goroutines at once. The zero value is
// ready.
type histogram struct {
	counts [buckets]atomic.Int64
}

// bucketOf is the bucket of a number of microseconds.
func bucketOf(us int64) int {
	if us < steps {
		return int(max(us, 0))
	}
	power := bits.Len64(uint64(us)) - 1 - stepBits // 0 and more
	at := (power+1)<<stepBits + int(us>>power) - steps
	return min(at, buckets-1)
}

// upperOf is the largest number of microseconds of a bucket.
func upperOf(bucket int) int64 {
	if bucket < steps {
		return int64(bucket)
	}
	power := bucket>>stepBits - 1
	return int64(bucket&(steps-1)+steps+1)<<power - 1
}

func (h *histogram) add(d time.Duration) { h.counts[bucketOf(d.Microseconds())].Add(1) }

func (h *histogram) count() int64 {
	var n int64
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// at is the duration that a share of all (0 to 1) did not exceed, at most 3 %
// above the true one; 0 when there are none.
func (h *histogram) at(share float64) time.Duration {
	n := h.count()
	if n == 0 {
		return 0
	}
	rank := int64(share * float64(n))
	if float64(rank) < share*float64(n) || rank == 0 {
		rank++
	}
	for i := range h.counts {
		if rank -= h.counts[i].Load(); rank <= 0 {
			return time.Duration(upperOf(i)) * time.Microsecond
		}
	}
	return 0
}
