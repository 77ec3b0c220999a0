package devices

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"ampra/core/clock"
	"ampra/core/device"
	"ampra/core/live"
)

// How silence is looked for.
const (
	sweepPart  = 2000
	sweepParts = 50 // at a tick, at the most
	pruneEvery = time.Hour
	countEvery = time.Minute
)

// SweeperDeps are what a Sweeper stands on.
type SweeperDeps struct {
	Watch  device.Watch
	Live   live.Publisher
	Clock  clock.Clock
	Failed func(error)
}

// Sweeper judges the silence of devices. Any number of processes may have one:
// one at a time sweeps.
type Sweeper struct {
	d SweeperDeps
	// When the history is to be shortened, and states are to be counted.
	prune, count time.Time

	mu     sync.Mutex
	counts map[device.State]int
}

// NewSweeper returns a sweeper.
func NewSweeper(d SweeperDeps) *Sweeper { return &Sweeper{d: d} }

// Run sweeps at each tick until ctx ends.
func (s *Sweeper) Run(ctx context.Context, tick <-chan time.Time) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.d.Failed(err)
			}
		}
	}
}

// Sweep judges all that is due now.
func (s *Sweeper) Sweep(ctx context.Context) error {
	now := s.d.Clock.Now()
	for range sweepParts {
		changes, judged, err := s.d.Watch.Sweep(ctx, now, sweepPart, judge)
		if err != nil {
			return fmt.Errorf("looking for silent devices: %w", err)
		}
		publish(ctx, s.d.Live, changes)
		if judged < sweepPart {
			break
		}
	}
	if !now.Before(s.prune) {
		s.prune = now.Add(pruneEvery)
		if err := s.d.Watch.Prune(ctx, now); err != nil {
			return fmt.Errorf("shortening the history of devices: %w", err)
		}
	}
	if now.Before(s.count) {
		return nil
	}
	s.count = now.Add(countEvery)
	counts, err := s.d.Watch.Counts(ctx)
	if err != nil {
		return fmt.Errorf("counting devices: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts = counts
	return nil
}

func judge(d device.Due) device.Verdict {
	state, next := d.Pulse.Judge(d.State, d.AsOf, d.Listening, d.Site)
	return device.Verdict{State: state, CheckAt: next}
}

// Counts is how many sources were in each state when they were last counted, for
// metrics.
func (s *Sweeper) Counts() map[device.State]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}
