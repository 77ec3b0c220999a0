package live

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/change"
	"ampra/core/fault"
)

// accessEvery is how often it is asked whether a listener's session or token
// still holds, should nobody have told that it ended.
const accessEvery = time.Minute

// refreshes are what may have changed of what listeners may hear.
type refreshes struct {
	mu       sync.Mutex
	wake     chan struct{}
	subjects map[uuid.UUID]struct{}
	sources  map[uuid.UUID]struct{}
	all      bool
}

func (r *refreshes) subject(id uuid.UUID) {
	r.mu.Lock()
	r.subjects[id] = struct{}{}
	r.mu.Unlock()
	poke(r.wake)
}

func (r *refreshes) source(id uuid.UUID) {
	r.mu.Lock()
	r.sources[id] = struct{}{}
	r.mu.Unlock()
	poke(r.wake)
}

func (r *refreshes) everybody() {
	r.mu.Lock()
	r.all = true
	r.mu.Unlock()
	poke(r.wake)
}

func (r *refreshes) take() (subjects, sources map[uuid.UUID]struct{}, all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	subjects, sources, all = r.subjects, r.sources, r.all
	r.subjects, r.sources, r.all = map[uuid.UUID]struct{}{}, map[uuid.UUID]struct{}{}, false
	return subjects, sources, all
}

// changed follows the change feed: a source that is gone is told of no more when
// it returns.
func (h *Hub) changed(_ context.Context, c change.Change) {
	switch c.Kind {
	case change.SourceDeleted:
		h.forget(c.SourceID)
	case change.SourceCreated:
		h.mu.RLock()
		anybody := len(h.streams) > 0
		h.mu.RUnlock()
		if anybody {
			h.refresh.source(c.SourceID)
		}
	case change.Missed:
		h.refresh.everybody()
	default: // it changes nothing of who may hear what
	}
}

// forget takes a source from all listeners, and what was told of it from what is
// told again.
func (h *Hub) forget(source uuid.UUID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.epoch++
	if f := h.followed[source]; f != nil {
		for _, s := range f.streams {
			delete(s.sources, source)
			s.forget(source)
			if s.ask.Sources != nil && len(s.sources) == 0 {
				s.end() // there is nothing left to hear, ever
			}
		}
		delete(h.followed, source)
	}
}

// forget drops what waits of a source.
func (s *Stream) forget(source uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range s.queue {
		if m.source == source {
			s.bytes -= m.size()
			s.queue[i] = &Message{ID: m.ID, seq: m.seq, at: m.at}
			s.bytes += s.queue[i].size()
		}
	}
	for i, m := range s.replay {
		if m.source == source {
			s.replay[i] = &Message{ID: m.ID}
		}
	}
}

// keepAccess asks anew what listeners may hear: at once where something is known
// to have changed, else now and then.
func (h *Hub) keepAccess(ctx context.Context) {
	tick := time.NewTicker(accessEvery)
	defer tick.Stop()
	for {
		select {
		case <-h.refresh.wake:
			subjects, sources, all := h.refresh.take()
			for source := range sources {
				if owner, err := h.d.Owners.Owner(ctx, source); err == nil {
					subjects[owner] = struct{}{}
				} else if !fault.Is(err, fault.NotFound) {
					all = true
				}
			}
			h.look(ctx, h.concerned(subjects, all), true)
		case <-tick.C:
			h.look(ctx, h.concerned(nil, true), false)
		case <-ctx.Done():
			return
		}
	}
}

// concerned are the streams of users or keys.
func (h *Hub) concerned(subjects map[uuid.UUID]struct{}, all bool) []*Stream {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var found []*Stream
	for s := range h.streams {
		_, byUser := subjects[s.who.UserID]
		_, byKey := subjects[s.key.Subject()]
		if all || byUser || byKey {
			found = append(found, s)
		}
	}
	return found
}

// lookTime bounds a look at one stream.
const lookTime = 5 * time.Second

// look asks whether streams may go on, and with sources set what they hear of. A
// stream of which that can't be told now goes on, and is asked for again.
func (h *Hub) look(ctx context.Context, streams []*Stream, sources bool) {
	held := map[Key]error{}
	for _, s := range streams {
		if ctx.Err() != nil {
			return
		}
		err, asked := held[s.key]
		if !asked {
			err = h.holds(ctx, s.key)
			held[s.key] = err
		}
		switch {
		case fault.Is(err, fault.Unauthenticated):
			h.leave(s)
			continue
		case err != nil:
			h.d.Failed(fmt.Errorf("asking whether a listener may go on: %w", err))
			continue
		}
		if sources {
			h.relist(ctx, s)
		}
	}
}

func (h *Hub) holds(ctx context.Context, key Key) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	return h.d.Keys.Holds(ctx, key)
}

// relist finds anew what a stream hears of.
func (h *Hub) relist(ctx context.Context, s *Stream) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	err := h.found(ctx, s, func(sources []uuid.UUID) error {
		if !s.gone {
			h.follow(s, sources)
		}
		return nil
	})
	if err != nil {
		h.d.Failed(fmt.Errorf("finding the sources of a listener: %w", err))
	}
}
