package devices

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/credential"
	"ampra/core/device"
	"ampra/core/fault"
	"ampra/core/live"
)

// knocksWaiting is how many attempts wait to be told at the most. More are left
// out: whoever knocks must not wait for what is told of it.
const knocksWaiting = 1024

// lookupTime bounds the question whose an attempt was.
const lookupTime = 5 * time.Second

// Names tells which source a device named.
type Names interface {
	// Access returns what opens a source, or NotFound.
	Access(ctx context.Context, source uuid.UUID) (credential.Access, error)
	// AccessByClient returns what opens the source of a client id, or NotFound.
	AccessByClient(ctx context.Context, clientID string) (credential.Access, error)
}

// Knock is an attempt of a device that named itself, or not.
type Knock struct {
	// Attempt says what happened; its SourceID is Nil where only a name is known.
	Attempt device.Attempt
	// Proven says that the source is known to be its own.
	Proven bool
	// Name is the client id or the id of the source that it named.
	Name string
}

// NoticerDeps are what a Noticer stands on.
type NoticerDeps struct {
	Names Names
	Live  live.Publisher
	Clock clock.Clock
}

// Noticer finds out whose an attempt was, behind the device's back: so the answer
// takes the same time whatever it named. Run must be running.
type Noticer struct {
	d       NoticerDeps
	queue   chan Knock
	dropped atomic.Int64
}

// NewNoticer returns a noticer.
func NewNoticer(d NoticerDeps) *Noticer {
	return &Noticer{d: d, queue: make(chan Knock, knocksWaiting)}
}

// Note takes an attempt and returns at once. Without a reason there is none.
func (n *Noticer) Note(k Knock) {
	if k.Attempt.Reason == "" {
		return
	}
	k.Attempt.At = n.d.Clock.Now()
	k.Attempt.Detail = device.Shortened(k.Attempt.Detail)
	select {
	case n.queue <- k:
	default:
		n.dropped.Add(1)
	}
}

// Dropped is how many attempts were left out, for metrics.
func (n *Noticer) Dropped() int64 { return n.dropped.Load() }

// Run tells of attempts until ctx ends.
func (n *Noticer) Run(ctx context.Context) error {
	for {
		select {
		case k := <-n.queue:
			n.tell(ctx, k)
		case <-ctx.Done():
			return nil
		}
	}
}

// tell publishes an attempt, if there is a source that it was for.
func (n *Noticer) tell(ctx context.Context, k Knock) {
	a := k.Attempt
	if !k.Proven {
		asking, cancel := context.WithTimeout(ctx, lookupTime)
		defer cancel()
		source, err := n.source(asking, k)
		if err != nil {
			if !fault.Is(err, fault.NotFound) {
				n.dropped.Add(1)
			}
			return
		}
		a.SourceID = source
	}
	n.d.Live.Publish(ctx, live.Event{Kind: live.Attempted, SourceID: a.SourceID, At: a.At, Attempt: &a})
}

func (n *Noticer) source(ctx context.Context, k Knock) (uuid.UUID, error) {
	if k.Attempt.SourceID != uuid.Nil {
		access, err := n.d.Names.Access(ctx, k.Attempt.SourceID)
		return access.SourceID, err
	}
	if id, err := uuid.Parse(k.Name); err == nil && len(k.Name) == 36 {
		access, err := n.d.Names.Access(ctx, id)
		return access.SourceID, err
	}
	access, err := n.d.Names.AccessByClient(ctx, k.Name)
	if err != nil {
		return uuid.Nil, fmt.Errorf("finding whose an attempt was: %w", err)
	}
	return access.SourceID, nil
}
