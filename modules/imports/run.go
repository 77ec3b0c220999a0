package imports

import (
	"context"
	"sync"
	"time"

	"ampra/core/clock"
	"ampra/core/job"
)

// beat is how often a job that waits or runs says that it is alive.
const beat = job.Lease / 3

// saveTime bounds the writing down of a job's end.
const saveTime = 5 * time.Second

const stoppedText = "The server was stopped before it was done. What it had taken by then is kept; start it again to take the rest: what is there already stays one reading."

// Run does the work until ctx ends; jobs that are not done then have failed.
func (s *Service) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	beats := time.NewTicker(beat)
	defer beats.Stop()
	for {
		select {
		case <-ctx.Done():
			s.mu.Lock()
			s.stopped = true
			left := s.waiting
			s.waiting = nil
			s.mu.Unlock()
			workers.Wait()
			for _, t := range left {
				t.close(ctx, func(j *job.Job, now time.Time) { j.Fail(stoppedText, now) })
			}
			return nil
		case <-beats.C:
			s.beat(ctx)
		case <-s.wake:
		}
		for t := s.next(); t != nil; t = s.next() {
			workers.Go(func() {
				t.work(ctx)
				s.mu.Lock()
				delete(s.running, t)
				s.mu.Unlock()
				s.nudge()
			})
		}
	}
}

// next takes the first that waits and whose user has none that runs.
func (s *Service) next() *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.running) >= s.cfg.Workers {
		return nil
	}
	busy := map[any]bool{}
	for t := range s.running {
		busy[t.upload.owner] = true
	}
	for i, t := range s.waiting {
		if !busy[t.upload.owner] {
			s.waiting = append(s.waiting[:i:i], s.waiting[i+1:]...)
			s.running[t] = true
			return t
		}
	}
	return nil
}

// beat renews the leases of all jobs.
func (s *Service) beat(ctx context.Context) {
	s.mu.Lock()
	tasks := append([]*task{}, s.waiting...)
	for t := range s.running {
		tasks = append(tasks, t)
	}
	s.mu.Unlock()
	for _, t := range tasks {
		t.save(ctx, func(j *job.Job, now time.Time) { j.Alive(now) })
	}
}

// pace lets so many readings through a second, all imports together.
type pace struct {
	rate  int
	clock clock.Clock

	mu   sync.Mutex
	next time.Time
}

// after waits until n more readings may follow those that were let through.
func (p *pace) after(ctx context.Context, n int) error {
	p.mu.Lock()
	now := p.clock.Now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	wait := p.next.Sub(now)
	p.mu.Unlock()
	return sleep(ctx, wait)
}

// sleep waits, or returns why the wait ended early.
func sleep(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
