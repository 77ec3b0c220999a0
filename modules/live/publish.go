package live

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/live"
)

// Bounds of what is published: of one kind and source so many at once and so many
// a second. Beyond that the newest state and the newest progress of a job wait
// their turn, and attempts are left out: they are counted, and kept elsewhere.
const (
	publishBurst  = 20
	publishEvery  = 200 * time.Millisecond
	publishRoom   = 2000
	publishBatch  = 200
	bucketsKept   = 10_000
	publisherTick = 100 * time.Millisecond
)

// PublisherDeps are what a publisher stands on: Bus, or without one Told.
type PublisherDeps struct {
	// Bus is nil where there is only this process.
	Bus live.Bus
	// Told hears what is published where there is no bus.
	Told   func(live.Event)
	Clock  clock.Clock
	Failed func(error)
}

// Publisher brings events that are not readings to the hubs. Run must be running.
type Publisher struct {
	d       PublisherDeps
	wake    chan struct{}
	dropped atomic.Int64

	mu      sync.Mutex
	queue   []live.Event
	buckets map[subject]*bucket
	held    map[subject]live.Event
}

// subject is what events are bounded by.
type subject struct {
	kind live.Kind
	id   uuid.UUID
}

type bucket struct {
	tokens int
	at     time.Time
}

var _ live.Publisher = (*Publisher)(nil)

// NewPublisher returns a publisher.
func NewPublisher(d PublisherDeps) *Publisher {
	return &Publisher{d: d, wake: make(chan struct{}, 1), buckets: map[subject]*bucket{}, held: map[subject]live.Event{}}
}

// Dropped is how many events were left out.
func (p *Publisher) Dropped() int64 { return p.dropped.Load() }

// Refresh tells every process that what a user, or who signed in by a key, may
// hear may have changed.
func (p *Publisher) Refresh(ctx context.Context, subject uuid.UUID) {
	p.Publish(ctx, live.Event{Kind: live.AccessChanged, Subject: subject})
}

// Publish implements live.Publisher.
func (p *Publisher) Publish(_ context.Context, e live.Event) {
	of := subject{e.Kind, e.SourceID}
	switch {
	case e.Kind == live.AccessChanged:
		of.id = e.Subject
	case e.Kind == live.JobMoved && e.Job != nil:
		of.id = e.Job.JobID
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, waits := p.held[of]
	switch {
	case !waits && p.spend(of) && len(p.queue) < publishRoom:
		p.queue = append(p.queue, e)
	case e.Kind == live.Attempted || !waits && len(p.held) >= publishRoom:
		p.dropped.Add(1)
		return
	default:
		if waits {
			p.dropped.Add(1) // the one that it stands for
		}
		p.held[of] = e
	}
	poke(p.wake)
}

// spend takes a token. Called with the lock.
func (p *Publisher) spend(of subject) bool {
	now := p.d.Clock.Now()
	b := p.buckets[of]
	if b == nil {
		p.makeRoom(now)
		b = &bucket{tokens: publishBurst, at: now}
		p.buckets[of] = b
	}
	if gained := int(now.Sub(b.at) / publishEvery); gained > 0 {
		b.tokens, b.at = min(publishBurst, b.tokens+gained), now
	}
	if b.tokens == 0 {
		return false
	}
	b.tokens--
	return true
}

// makeRoom forgets those that have used up nothing lately; then any.
func (p *Publisher) makeRoom(now time.Time) {
	if len(p.buckets) < bucketsKept {
		return
	}
	for of, b := range p.buckets {
		if now.Sub(b.at) > publishBurst*publishEvery {
			delete(p.buckets, of)
		}
	}
	for of := range p.buckets {
		if len(p.buckets) < bucketsKept {
			return
		}
		delete(p.buckets, of)
	}
}

// Run brings out what is published until ctx ends, then what is left.
func (p *Publisher) Run(ctx context.Context) error {
	tick := time.NewTicker(publisherTick)
	defer tick.Stop()
	for {
		var later <-chan time.Time
		p.mu.Lock()
		if len(p.held)+len(p.queue) > 0 {
			later = tick.C
		}
		p.mu.Unlock()
		select {
		case <-p.wake:
		case <-later:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			p.bringOut(last)
			return nil
		}
		p.bringOut(ctx)
	}
}

// bringOut sends what there is.
func (p *Publisher) bringOut(ctx context.Context) {
	for ctx.Err() == nil {
		events := p.next()
		if len(events) == 0 {
			return
		}
		if p.d.Bus == nil {
			for _, e := range events {
				p.d.Told(e)
			}
			continue
		}
		if err := p.d.Bus.Send(ctx, events); err != nil {
			p.dropped.Add(int64(len(events)))
			p.d.Failed(fmt.Errorf("telling other processes of %d events: %w", len(events), err))
			return
		}
	}
}

// next takes the next events to be sent.
func (p *Publisher) next() []live.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	for of, e := range p.held {
		if len(p.queue) < publishRoom && p.spend(of) {
			delete(p.held, of)
			p.queue = append(p.queue, e)
		}
	}
	n := min(len(p.queue), publishBatch)
	events := p.queue[:n:n]
	if p.queue = p.queue[n:]; len(p.queue) == 0 {
		p.queue = nil
	}
	return events
}
