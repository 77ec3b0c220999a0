// Package devices holds the use cases of devices' health: it notes when each
// source's device is heard, judges its silence, keeps how devices knocked in vain,
// and answers its owner. What is measured is no matter of it.
package devices

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/device"
	"ampra/core/live"
	"ampra/core/telemetry"
)

// How the tracker remembers.
const (
	// maxTracked is how many sources it holds, of which each takes about half a
	// kilobyte; idle is for how long one that is not heard stays.
	maxTracked = 200_000
	idle       = 10 * time.Minute
	// maxArrivals is how many readings of a source wait until its pulse is read.
	maxArrivals = 16
	// behind: readings that were received so long ago come from a backlog, and
	// nothing can be said of who is silent.
	behind    = 30 * time.Second
	lastFlush = 5 * time.Second
	// wholly is at how many ticks all are written down.
	wholly   = 15
	loadPart = 5000
)

// TrackerDeps are what a Tracker stands on.
type TrackerDeps struct {
	Book  device.Book
	Live  live.Publisher
	Clock clock.Clock
	// Process names this process among all.
	Process uuid.UUID
	// Failed is told of a flush that failed; what it held is kept for the next.
	Failed func(error)
	// Flushed is told of each that did not: of how many sources, and how long it took.
	Flushed func(sources int, took time.Duration)
}

// Tracker gathers who is heard where readings become durable, and writes it down
// at intervals, not at each reading.
type Tracker struct {
	d TrackerDeps

	mu     sync.Mutex
	heard  map[uuid.UUID]*tracked
	since  time.Time // since when all is heard, zero while it is not
	late   bool      // the last readings came from a backlog
	failed bool      // the last readings could not be stored
	missed int64     // sources that there was no room for
}

// tracked is what is known of one source.
type tracked struct {
	pulse device.Pulse
	// arrivals wait for the pulse to be read; nil once it is.
	arrivals []arrival
	loaded   bool
	dirty    bool
	first    time.Time // heard since the last flush
	last     time.Time
	powers   device.Powers
	powerAt  [device.NumPowers]int64 // unix milliseconds
}

type arrival struct{ received, stamp time.Time }

// NewTracker returns a tracker that has heard nobody.
func NewTracker(d TrackerDeps) *Tracker {
	return &Tracker{d: d, heard: map[uuid.UUID]*tracked{}, since: d.Clock.Now()}
}

// Stored notes readings of which errs, as of telemetry.Archive's Write, says which
// are durable.
func (t *Tracker) Stored(readings []telemetry.Placed, errs []error) {
	if len(readings) == 0 {
		return
	}
	now := t.d.Clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	var newest time.Time
	any := false
	for i := range readings {
		if i < len(errs) && errs[i] != nil {
			continue
		}
		any = true
		r := &readings[i].Reading
		if r.ReceivedAt.After(newest) {
			newest = r.ReceivedAt
		}
		t.hear(r)
	}
	t.failed = !any
	if any {
		t.late = now.Sub(newest) > behind
	}
}

func (t *Tracker) hear(r *telemetry.Reading) {
	if apart := r.ReceivedAt.Sub(r.Timestamp); apart > device.Near || apart < -device.Near {
		return // measured another time
	}
	known := t.heard[r.SourceID]
	if known == nil {
		if len(t.heard) >= maxTracked {
			t.missed++
			return
		}
		known = &tracked{}
		t.heard[r.SourceID] = known
	}
	if known.loaded {
		if !known.pulse.Hear(r.ReceivedAt, r.Timestamp) {
			return
		}
	} else {
		known.wait(arrival{r.ReceivedAt, r.Timestamp})
	}
	if !known.dirty {
		known.dirty, known.first = true, r.ReceivedAt
	}
	if r.ReceivedAt.After(known.last) {
		known.last = r.ReceivedAt
	}
	known.measure(r)
}

// wait keeps an arrival. Of too many the last stands for those between.
func (k *tracked) wait(a arrival) {
	if len(k.arrivals) == maxArrivals {
		k.arrivals[maxArrivals-1] = a
		return
	}
	k.arrivals = append(k.arrivals, a)
}

// measure keeps the newest powers.
func (k *tracked) measure(r *telemetry.Reading) {
	at := r.Timestamp.UnixMilli()
	for f := range k.powers {
		if watts, ok := r.Values.Get(telemetry.Field(f)); ok && at >= k.powerAt[f] {
			k.powers[f], k.powerAt[f] = &watts, at
		}
	}
}

// Run flushes until ctx ends, and once more then: at each tick those who were not
// heard for long, so that they are seen to come, and all at every wholly-th.
func (t *Tracker) Run(ctx context.Context, tick <-chan time.Time) error {
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			return t.Flush(last)
		case <-tick:
			flush := t.FlushNew
			if n%wholly == 0 {
				flush = t.Flush
			}
			if err := flush(ctx); err != nil && ctx.Err() == nil {
				t.d.Failed(err)
			}
		}
	}
}

// Flush writes down who was heard, and tells who came back. What could not be
// written is kept.
func (t *Tracker) Flush(ctx context.Context) error {
	began := t.d.Clock.Now()
	if _, err := t.load(ctx); err != nil {
		return err
	}
	heard := t.take(began)
	if err := t.write(ctx, heard); err != nil {
		return err
	}
	if since, ok := t.listening(began); ok {
		if err := t.d.Book.Listening(ctx, device.Listener{Process: t.d.Process, Since: since, HeardAt: began}); err != nil {
			return fmt.Errorf("noting that devices are heard: %w", err)
		}
	}
	t.d.Flushed(len(heard), t.d.Clock.Now().Sub(began))
	return nil
}

// FlushNew is Flush for those alone who are new here.
func (t *Tracker) FlushNew(ctx context.Context) error {
	began := t.d.Clock.Now()
	fresh, err := t.load(ctx)
	if err != nil || len(fresh) == 0 {
		return err
	}
	var heard []device.Heard
	t.mu.Lock()
	for _, id := range fresh {
		if known := t.heard[id]; known != nil && known.dirty {
			heard = append(heard, known.heard(id, began))
			known.dirty = false
		}
	}
	t.mu.Unlock()
	if err := t.write(ctx, heard); err != nil {
		return err
	}
	t.d.Flushed(len(heard), t.d.Clock.Now().Sub(began))
	return nil
}

// write stores who was heard, and tells who came back.
func (t *Tracker) write(ctx context.Context, heard []device.Heard) error {
	changes, err := t.d.Book.Hear(ctx, heard)
	t.tell(ctx, changes)
	if err != nil {
		t.keep(heard)
		return fmt.Errorf("noting who was heard: %w", err)
	}
	return nil
}

// load reads the pulses of sources that are new here, and has them learn what was
// heard meanwhile. It returns them.
func (t *Tracker) load(ctx context.Context) ([]uuid.UUID, error) {
	t.mu.Lock()
	var fresh []uuid.UUID
	for id, known := range t.heard {
		if !known.loaded {
			fresh = append(fresh, id)
		}
	}
	t.mu.Unlock()
	for part := range slices.Chunk(fresh, loadPart) {
		stored, err := t.d.Book.Load(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("reading what is known of devices: %w", err)
		}
		t.mu.Lock()
		for _, s := range stored {
			if known := t.heard[s.SourceID]; known != nil {
				known.pulse = s.Pulse
			}
		}
		for _, id := range part {
			known := t.heard[id]
			if known == nil {
				continue
			}
			for _, a := range known.arrivals {
				known.pulse.Hear(a.received, a.stamp)
			}
			known.arrivals, known.loaded = nil, true
		}
		t.mu.Unlock()
	}
	return fresh, nil
}

// take returns what is to be written, and forgets who has not been heard for long.
func (t *Tracker) take(now time.Time) []device.Heard {
	t.mu.Lock()
	defer t.mu.Unlock()
	var heard []device.Heard
	for id, known := range t.heard {
		switch {
		case !known.loaded: // heard since the pulses were read
		case known.dirty:
			heard = append(heard, known.heard(id, now))
			known.dirty = false
		case now.Sub(known.last) > idle:
			delete(t.heard, id)
		}
	}
	return heard
}

func (k *tracked) heard(id uuid.UUID, now time.Time) device.Heard {
	late, _ := k.pulse.Times(now)
	h := device.Heard{
		SourceID: id, FirstAt: k.first, LastSeenAt: k.last, Online: now.Sub(k.last) < late,
		CheckAt: k.last.Add(late), Pulse: k.pulse, Powers: k.powers,
	}
	var newest int64
	for _, at := range k.powerAt {
		newest = max(newest, at)
	}
	for f, at := range k.powerAt {
		if newest-at > device.Latest.Milliseconds() {
			h.Powers[f] = nil
		}
	}
	return h
}

// keep has what could not be written be written the next time.
func (t *Tracker) keep(heard []device.Heard) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range heard {
		if known := t.heard[heard[i].SourceID]; known != nil {
			known.dirty, known.first = true, heard[i].FirstAt
		}
	}
}

// tell publishes changes, and has those that came back be judged with more
// patience.
func (t *Tracker) tell(ctx context.Context, changes []device.Change) {
	t.mu.Lock()
	for _, c := range changes {
		if known := t.heard[c.SourceID]; known != nil && (c.Was == device.Late || c.Was == device.Offline) {
			known.pulse.Recovered(c.Since)
			if !known.dirty {
				known.dirty, known.first = true, known.last
			}
		}
	}
	t.mu.Unlock()
	publish(ctx, t.d.Live, changes)
}

func publish(ctx context.Context, to live.Publisher, changes []device.Change) {
	for i := range changes {
		c := changes[i]
		to.Publish(ctx, live.Event{Kind: live.StateChanged, SourceID: c.SourceID, At: c.Since, State: &c})
	}
}

// listening reports whether all that is sent is heard, and since when.
func (t *Tracker) listening(now time.Time) (since time.Time, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.late || t.failed:
		t.since = time.Time{}
	case t.since.IsZero():
		t.since = now
	}
	return t.since, !t.since.IsZero()
}

// Tracked is how many sources are held, for metrics.
func (t *Tracker) Tracked() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.heard)
}

// Missed is how often a source was not noted for want of room, for metrics.
func (t *Tracker) Missed() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.missed
}
