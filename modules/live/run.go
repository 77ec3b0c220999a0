package live

import (
	"context"
	"sync"
	"time"

	"ampra/core/fault"
	"ampra/core/live"
	"ampra/core/telemetry"
)

// sweepEvery is how often what is over is let go.
const sweepEvery = 5 * time.Second

// Run tells until ctx ends; then every stream ends.
func (h *Hub) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	defer h.stop()
	all.Go(func() { h.tellTapped(ctx) })
	all.Go(func() { h.keepAccess(ctx) })
	if h.d.Bus != nil {
		all.Go(func() { h.hear(ctx) })
	}
	if h.d.Tail != nil {
		all.Go(func() { h.tail(ctx) })
		all.Go(func() { h.keepResuming(ctx) })
	}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.sweep()
		case <-ctx.Done():
			return nil
		}
	}
}

// stop ends all streams and lets none begin.
func (h *Hub) stop() {
	h.mu.Lock()
	h.stopped = true
	left := make([]*Stream, 0, len(h.streams))
	for s := range h.streams {
		left = append(left, s)
	}
	h.mu.Unlock()
	for _, s := range left {
		h.leave(s)
	}
}

// sweep lets go what is too old to be told again.
func (h *Hub) sweep() {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.now() - Window.Milliseconds()
	h.ring.expire(before)
	for id, f := range h.followed {
		if f.late.owes(h.now()) {
			for _, s := range f.streams {
				s.reset()
			}
		}
		if len(f.streams) == 0 && f.idle < before {
			delete(h.followed, id)
		}
	}
}

// hear tells what other processes, and this one, have sent.
func (h *Hub) hear(ctx context.Context) {
	err := h.d.Bus.Listen(ctx, func() {
		h.mu.Lock()
		if h.heard > 0 { // something was missed
			h.forgetRing()
			h.refresh.everybody()
		}
		h.heard = h.now()
		h.mu.Unlock()
	}, h.Told)
	if err != nil && ctx.Err() == nil {
		h.d.Failed(err)
	}
}

// tail reads the journal while somebody listens, or did until lately.
func (h *Hub) tail(ctx context.Context) {
	for {
		select {
		case <-h.wanted:
		case <-ctx.Done():
			return
		}
		reading, stop := context.WithCancel(ctx)
		var read sync.WaitGroup
		read.Go(func() {
			if err := h.d.Tail.Follow(reading, h.beginTail, h.take); err != nil && reading.Err() == nil {
				h.d.Failed(err)
			}
		})
		h.untilNobodyListens(ctx)
		stop()
		read.Wait()
		h.endTail()
	}
}

// untilNobodyListens returns when no source is followed any more, or ctx ends.
func (h *Hub) untilNobodyListens(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		h.mu.RLock()
		nobody := len(h.followed) == 0 && len(h.streams) == 0
		h.mu.RUnlock()
		if nobody {
			return
		}
	}
}

func (h *Hub) beginTail(at live.Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.journal = at
	close(h.began)
}

// endTail forgets where the tail was: nothing is told of what follows. Who comes
// back from before finds it in the journal.
func (h *Hub) endTail() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.journal != nil {
		h.began = make(chan struct{})
	}
	h.journal = nil
	h.seq++
	h.ring.floor = h.seq
	clear(h.followed)
	for s := range h.streams { // somebody came meanwhile
		s.sources = nil
		s.end()
	}
}

// awaitJournal waits until readings are heard.
func (h *Hub) awaitJournal(ctx context.Context) error {
	if h.d.Tail == nil {
		return nil
	}
	h.mu.RLock()
	began := h.began
	h.mu.RUnlock()
	limit := time.NewTimer(journalTime)
	defer limit.Stop()
	select {
	case <-began:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		return fault.Retry(fault.Unavailable, limitRetry, "Readings can't be heard right now. Try again soon.")
	}
}

// How long a listener from another process waits for this one to read what that
// one has read, and how often it looks.
const (
	placeTime = 3 * time.Second
	placeLook = 10 * time.Millisecond
)

// awaitPlace waits until what was told up to an event's id has been read here too:
// it would be told again otherwise, as it comes.
func (h *Hub) awaitPlace(ctx context.Context, lastEventID string) error {
	from, known := parseCursor(lastEventID)
	if h.d.Tail == nil || !known || from.process == h.process {
		return nil
	}
	look := time.NewTicker(placeLook)
	defer look.Stop()
	for range int(placeTime / placeLook) {
		h.mu.RLock()
		behind := h.behind(from)
		h.mu.RUnlock()
		if !behind {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil // it is to read anew
}

// behind reports whether this process has not read yet what another one had told.
// Called with the lock.
func (h *Hub) behind(from cursor) bool {
	for p := range min(len(from.journal), len(h.journal)) {
		if h.journal[p] < from.journal[p] {
			return true
		}
	}
	return false
}

// take tells what the tail has read. Which sources are followed is asked before
// it is decoded and again, with the lock, before it is told: a source that begins
// to be followed in between must not miss what this part has of it.
func (h *Hub) take(part live.Part) {
	decoded := make(map[int][]encoded)
	for {
		version := h.decode(part, decoded)
		h.mu.Lock()
		if h.version == version {
			break
		}
		h.mu.Unlock()
	}
	defer h.mu.Unlock()
	for len(h.journal) <= int(part.Partition) {
		h.journal = append(h.journal, 0)
	}
	if part.Gap {
		h.forgetRing()
	}
	at := h.now()
	for i := range part.Records {
		h.journal[part.Partition] = part.Records[i].Offset + 1
		for _, one := range decoded[i] {
			h.tell(one, at)
		}
	}
	h.journal[part.Partition] = part.Next
}

// decode reads those records of a part that are of sources which are followed,
// and have not been read yet. It returns the version of what is followed.
func (h *Hub) decode(part live.Part, into map[int][]encoded) uint64 {
	var wanted []int
	h.mu.RLock()
	version := h.version
	for i := range part.Records {
		if _, done := into[i]; !done && h.followed[part.Records[i].SourceID] != nil {
			wanted = append(wanted, i)
		}
	}
	h.mu.RUnlock()
	for _, i := range wanted {
		into[i] = h.readings(part.Records[i])
	}
	return version
}

// readings are those of a record, as events. What can't be read is the writer's
// matter.
func (h *Hub) readings(r live.Record) []encoded {
	entry, err := telemetry.DecodeEntry(r.Value)
	if err != nil {
		return nil
	}
	events := make([]encoded, 0, len(entry.Readings))
	for i := range entry.Readings {
		one, ok := h.encode(live.Event{Kind: live.ReadingTaken, SourceID: entry.SourceID, Reading: &entry.Readings[i]})
		if ok {
			events = append(events, one)
		}
	}
	return events
}
