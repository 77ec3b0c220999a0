package simulate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// fleet plays sources: each with its own plant, device and ledger.
type fleet struct {
	session   *Session
	mqtt      MQTTOptions
	maxOutage time.Duration
	grace     time.Duration // for the last answers after an interruption
	latencies *latencies

	mu       sync.Mutex
	sources  []*Source
	problems int
	last     error
	failures []error
}

func newFleet(session *Session, mqtt MQTTOptions, maxOutage time.Duration, sources []*Source) *fleet {
	f := &fleet{session: session, mqtt: mqtt, maxOutage: maxOutage, grace: 5 * time.Second, latencies: &latencies{}, sources: sources}
	for _, s := range sources {
		s.ledger = newLedger(f.latencies)
	}
	return f
}

// schedule says which moments a source reports, and when.
type schedule struct {
	first    time.Time
	interval time.Duration
	count    int // readings; 0 goes on until the context ends
	speed    Speed
	// At the real time begun it is epoch in the simulation.
	begun, epoch time.Time
}

func (s schedule) moment(i int) time.Time { return s.first.Add(time.Duration(i) * s.interval) }

// due is when the i-th reading is to be sent.
func (s schedule) due(i int) time.Time {
	if s.speed.isMax() {
		return s.begun
	}
	return s.begun.Add(time.Duration(float64(s.moment(i).Sub(s.epoch)) / float64(s.speed)))
}

// play runs all sources through their schedules, at most parallel at a time (0:
// all), and returns when each has its answers or none will come.
func (f *fleet) play(ctx context.Context, parallel int, schedules func(i int, s *Source) []schedule) {
	if parallel <= 0 {
		parallel = max(len(f.sources), 1)
	}
	slots := make(chan struct{}, parallel)
	var running sync.WaitGroup
	for i, s := range f.sources {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			defer func() { <-slots }()
			if err := f.playSource(ctx, s, schedules(i, s)); err != nil {
				f.fail(fmt.Errorf("%s: %w", s.Name, err))
			}
		})
	}
	running.Wait()
}

func (f *fleet) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures = append(f.failures, err)
}

// problem notes a passing one: a connection lost, a request to be sent again.
func (f *fleet) problem(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.problems++
	f.last = err
}

// troubles is how many passing problems there were, and the last.
func (f *fleet) troubles() (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.problems, f.last
}

func (f *fleet) device(s *Source) (device, error) {
	if s.Webhook {
		return newWebhookDevice(f.session.hooks, s.WebhookURL, s.WebhookSecret, f.problem), nil
	}
	return newMQTTDevice(f.mqtt, s, f.problem)
}

// errOutage ends a source that the server has not answered for too long.
var errOutage = errors.New("the server has not answered")

// playSource plays one source. When ctx ends it sends no more and waits a grace
// for the answers.
func (f *fleet) playSource(ctx context.Context, s *Source, schedules []schedule) error {
	d, err := f.device(s)
	if err != nil {
		return err
	}
	// The device outlives ctx for the last answers.
	working, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(working) }()

	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(working, cancel)()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		f.watch(working, s.ledger, stop)
	}()

	err = send(sending, s, d, schedules)
	f.drain(ctx, working, s.ledger)
	cause := context.Cause(working)
	stop(nil)
	<-watched
	switch runErr := <-ended; {
	case runErr != nil:
		return runErr // the server refused the device: that is why sending ended
	case cause != nil:
		return cause
	case isUnanswered(err), ctx.Err() != nil:
		return nil
	}
	return err
}

// send steps the plant through its moments. The plant runs on from one schedule
// to the next.
func send(ctx context.Context, s *Source, d device, schedules []schedule) error {
	var plant *Plant
	var last time.Time
	for _, plan := range schedules {
		if plant == nil {
			plant = NewPlant(s.Site, s.seed, plan.first)
		}
		for i := 0; plan.count == 0 || i < plan.count; i++ {
			moment := plan.moment(i)
			if !moment.After(last) {
				continue
			}
			if err := sleep(ctx, time.Until(plan.due(i))); err != nil {
				return err
			}
			last = moment
			reading := plant.Step(moment)
			payload, err := reading.payload()
			if err != nil {
				return fmt.Errorf("writing a reading: %w", err)
			}
			if err := d.Send(ctx, payload, s.ledger.begin(reading)); err != nil {
				s.ledger.takeBack()
				return err
			}
		}
	}
	return nil
}

// watch ends a source whose answers stay out for too long.
func (f *fleet) watch(working context.Context, l *ledger, stop context.CancelCauseFunc) {
	for sleep(working, min(f.maxOutage/4, time.Second)) == nil {
		if open, since := l.waiting(); open > 0 && since > f.maxOutage {
			stop(fmt.Errorf("%w for %s, %d readings are without an answer", errOutage, since.Round(time.Second), open))
		}
	}
}

// drain waits for the last answers: without end (watch sees to that) when all
// was sent, a grace when ctx ended.
func (f *fleet) drain(ctx, working context.Context, l *ledger) {
	var late <-chan time.Time
	interrupted := ctx.Done()
	for {
		if open, _ := l.waiting(); open == 0 {
			return
		}
		select {
		case <-l.changed:
		case <-interrupted:
			interrupted, late = nil, time.After(f.grace)
		case <-late:
			return
		case <-working.Done():
			return
		}
	}
}

// counts sums up all sources.
func (f *fleet) counts() Counts {
	var sum Counts
	for _, s := range f.sources {
		sum.add(s.ledger.snapshot())
	}
	return sum
}
