package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestEveryMicrosecondLiesInTheBucketThatEndsNextAboveIt(t *testing.T) {
	t.Parallel()
	for us := range int64(1 << 20) {
		b := bucketOf(us)
		if us > upperOf(b) || b > 0 && us <= upperOf(b-1) {
			t.Fatalf("%d µs is in bucket %d, which ends at %d", us, b, upperOf(b))
		}
	}
	for b := steps; b < buckets; b++ {
		if width := upperOf(b) - upperOf(b-1); width*(steps-1) > upperOf(b) {
			t.Errorf("bucket %d is %d µs wide and ends at %d", b, width, upperOf(b))
		}
	}
}

func TestWhatIsOutsideTheBucketsIsInTheFirstOrTheLast(t *testing.T) {
	t.Parallel()
	var h histogram
	h.add(-time.Second)
	h.add(1000 * time.Hour)
	if h.counts[0].Load() != 1 || h.counts[buckets-1].Load() != 1 {
		t.Error("they are elsewhere")
	}
}

func TestQuantilesAreThoseOfTheSortedDurations(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same in each run
	var h histogram
	all := make([]time.Duration, 10_000)
	for i := range all {
		all[i] = time.Duration(random.ExpFloat64() * float64(20*time.Millisecond))
		h.add(all[i])
	}
	slices.Sort(all)
	for share, rank := range map[float64]int{0.5: 4999, 0.99: 9899, 0.999: 9989, 1: 9999} {
		got, want := h.at(share), all[rank]
		if got < want-time.Microsecond || got > want+want/25+time.Microsecond {
			t.Errorf("at %v: got %s, want %s", share, got, want)
		}
	}
}

func TestAnEmptyHistogramAnswersZero(t *testing.T) {
	t.Parallel()
	var h histogram
	if got := h.at(0.5); got != 0 {
		t.Errorf("got %s", got)
	}
}
