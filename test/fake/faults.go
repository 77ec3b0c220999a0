package fake

import (
	"context"
	"sync"
	"time"

	"ampra/core/telemetry"
)

// Faults makes a fake fail. The zero value lets everything pass. It may be
// changed while the fake is in use.
type Faults struct {
	mu     sync.Mutex
	next   []planned
	refuse func(telemetry.Reading) error
	delay  time.Duration
	gate   chan struct{}
	calls  int
}

// planned is the fate of one coming call.
type planned struct {
	err error
	// stored is set when the work is done and the answer is an error all the same.
	stored bool
}

// FailNext makes the next n calls fail with err, before they do anything.
func (f *Faults) FailNext(n int, err error) { f.plan(n, planned{err: err}) }

// LoseAnswers makes the next n calls do their work and then answer err: the
// caller can't know that it is done.
func (f *Faults) LoseAnswers(n int, err error) { f.plan(n, planned{err: err, stored: true}) }

// PassNext lets the next n calls through; those planned after them follow.
func (f *Faults) PassNext(n int) { f.plan(n, planned{}) }

func (f *Faults) plan(n int, p planned) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.next = append(f.next, p)
	}
}

// Refuse sets the error, or nil, that each single reading gets from now on; nil
// takes them all.
func (f *Faults) Refuse(judge func(telemetry.Reading) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = judge
}

// Delay makes each call take at least d.
func (f *Faults) Delay(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = d
}

// Block holds all calls that begin from now on until release is called.
func (f *Faults) Block() (release func()) {
	gate := make(chan struct{})
	f.mu.Lock()
	f.gate = gate
	f.mu.Unlock()
	var once sync.Once
	return func() {
		once.Do(func() {
			f.mu.Lock()
			if f.gate == gate {
				f.gate = nil
			}
			f.mu.Unlock()
			close(gate)
		})
	}
}

// Calls is how many calls have begun.
func (f *Faults) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// begin waits as planned and returns the fate of a call.
func (f *Faults) begin(ctx context.Context) (planned, error) {
	f.mu.Lock()
	f.calls++
	delay, gate := f.delay, f.gate
	var p planned
	if len(f.next) > 0 {
		p, f.next = f.next[0], f.next[1:]
	}
	f.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return planned{}, ctx.Err()
		}
	}
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return planned{}, ctx.Err()
		}
	}
	return p, ctx.Err()
}

// judge is the error that a single reading gets.
func (f *Faults) judge(r telemetry.Reading) error {
	f.mu.Lock()
	refuse := f.refuse
	f.mu.Unlock()
	if refuse == nil {
		return nil
	}
	return refuse(r)
}
