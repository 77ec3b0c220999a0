package live

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/live"
)

// resume is a listener that waits for what the journal has of its time away: in
// each partition what lies between from and until.
type resume struct {
	stream      *Stream
	from, until live.Position
	sources     map[uuid.UUID]struct{}
	missed      []*Message // of the bus
	here        *Message   // the place that is reached then
	bytes       int
	failed      bool
}

// resumes are those that wait for the next pass over the journal.
type resumes struct {
	mu   sync.Mutex
	wake chan struct{}
	list []resume
}

func (r *resumes) add(one resume) {
	r.mu.Lock()
	r.list = append(r.list, one)
	r.mu.Unlock()
	poke(r.wake)
}

// resumeTime bounds a pass over the journal.
const resumeTime = 30 * time.Second

// keepResuming reads the journal again for those who came back. All who wait
// share a pass: after a process has ended, its listeners come at once.
func (h *Hub) keepResuming(ctx context.Context) {
	for {
		select {
		case <-h.resumes.wake:
		case <-ctx.Done():
			return
		}
		h.resumes.mu.Lock()
		waiting := h.resumes.list
		h.resumes.list = nil
		h.resumes.mu.Unlock()
		if len(waiting) > 0 {
			h.pass(ctx, waiting)
		}
	}
}

// pass reads the journal once for all who wait.
func (h *Hub) pass(ctx context.Context, waiting []resume) {
	ctx, cancel := context.WithTimeout(ctx, resumeTime)
	defer cancel()
	from, until := span(waiting)
	bySource := map[uuid.UUID][]*resume{}
	for i := range waiting {
		for id := range waiting[i].sources {
			bySource[id] = append(bySource[id], &waiting[i])
		}
	}
	err := h.d.Tail.Replay(ctx, from, until, func(part live.Part) {
		for _, r := range part.Records {
			h.hand(r, bySource[r.SourceID])
		}
		for i := range waiting {
			waiting[i].failed = waiting[i].failed || part.Gap
		}
	})
	if err != nil && ctx.Err() == nil {
		h.d.Failed(fmt.Errorf("reading the journal again for listeners that came back: %w", err))
	}
	for i := range waiting {
		h.finish(&waiting[i], err != nil)
	}
}

// span is the part of the journal that all who wait need together.
func span(waiting []resume) (from, until live.Position) {
	from, until = slices.Clone(waiting[0].from), slices.Clone(waiting[0].until)
	for _, w := range waiting {
		for p := range from {
			if p < len(w.from) {
				from[p] = min(from[p], w.from[p])
			} else {
				from[p] = 0
			}
		}
		for p, next := range w.until {
			if p == len(until) {
				until = append(until, next)
			}
			until[p] = max(until[p], next)
		}
	}
	return from, until
}

// hand gives a record to those who wait for it.
func (h *Hub) hand(r live.Record, waiting []*resume) {
	var events []encoded
	for _, w := range waiting {
		p := int(r.Partition)
		if w.failed || p >= len(w.until) || r.Offset >= w.until[p] || p < len(w.from) && r.Offset < w.from[p] {
			continue
		}
		if events == nil {
			if events = h.readings(r); len(events) == 0 {
				return
			}
		}
		for _, e := range events {
			m := &Message{Kind: e.event.Kind, Data: e.data, source: r.SourceID}
			w.missed = append(w.missed, m)
			w.bytes += m.size()
		}
		w.failed = w.bytes > queueBytes || len(w.missed) > queueMessages
	}
}

// finish tells a listener what it missed, or to read anew.
func (h *Hub) finish(w *resume, failed bool) {
	if failed || w.failed {
		h.stats.resyncs.Add(1)
		w.stream.resume([]*Message{{ID: w.here.ID, Kind: live.Resync, Data: []byte("{}")}})
		return
	}
	h.stats.resumed.Add(1)
	h.mu.RLock()
	defer h.mu.RUnlock()
	// A source may have been deleted meanwhile.
	missed := slices.DeleteFunc(w.missed, func(m *Message) bool { return !w.stream.hears(m) })
	w.stream.resume(append(missed, w.here))
}
