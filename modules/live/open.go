package live

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/fault"
	"ampra/core/live"
	"ampra/core/sunsource"
)

// Ask says what somebody wants to hear.
type Ask struct {
	// Sources are those that are named; nil for all of one's own, or those of a
	// group.
	Sources []uuid.UUID
	// PowerGroupID keeps only the sources of one group.
	PowerGroupID *uuid.UUID
	// LastEventID is the id of the last event that was heard, "" for none.
	LastEventID string
	// Unreadable names parameters that could not be read as what they should be.
	Unreadable fault.Fields
}

// Bounds of asking.
const (
	maxNamed    = 500
	limitRetry  = 10 * time.Second
	journalTime = 5 * time.Second
)

// Open begins to listen for the actor, who signed in by key. NotFound says that
// one of the named sources is not the actor's, TooMany that there are too many
// listeners, Unavailable that readings can't be heard now. What LastEventID says
// was heard is not told again, and what came after it first; where that is not
// known any more, the first that is told is a resync.
func (h *Hub) Open(ctx context.Context, who actor.Actor, key Key, ask Ask) (*Stream, error) {
	wrong := ask.Unreadable
	wrong.Check(ask.Sources == nil || ask.PowerGroupID == nil, "powerGroupId", "must not be sent together with sources")
	wrong.Check(len(ask.Sources) <= maxNamed, "sources", "must name at most 500 sources")
	if err := wrong.Err(); err != nil {
		return nil, err
	}
	s := &Stream{hub: h, who: who, key: key, ask: ask, wake: make(chan struct{}, 1), sources: map[uuid.UUID]struct{}{}}
	// It joins before its sources are looked for, so that it hears when they change.
	if err := h.join(s); err != nil {
		return nil, err
	}
	if err := h.begin(ctx, s); err != nil {
		h.leave(s)
		return nil, err
	}
	return s, nil
}

func (h *Hub) begin(ctx context.Context, s *Stream) error {
	if err := h.awaitJournal(ctx); err != nil {
		return err
	}
	if err := h.awaitPlace(ctx, s.ask.LastEventID); err != nil {
		return err
	}
	return h.found(ctx, s, func(sources []uuid.UUID) error {
		if s.ask.Sources != nil && len(sources) < len(unique(s.ask.Sources)) {
			return fault.New(fault.NotFound, "There is no such sun source among yours.")
		}
		h.resumeLocked(s, sources)
		return nil
	})
}

// found calls act, with the lock, with what a stream is to hear of: not with what
// was found before a change of sources.
func (h *Hub) found(ctx context.Context, s *Stream, act func(sources []uuid.UUID) error) error {
	for {
		h.mu.RLock()
		epoch := h.epoch
		h.mu.RUnlock()
		sources, err := h.sourcesOf(ctx, s)
		if err != nil {
			return err
		}
		h.mu.Lock()
		if h.epoch != epoch {
			h.mu.Unlock()
			continue // until ctx ends
		}
		defer h.mu.Unlock()
		return act(sources)
	}
}

func unique(ids []uuid.UUID) []uuid.UUID {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}

// sourcesOf finds what a stream is to hear of.
func (h *Hub) sourcesOf(ctx context.Context, s *Stream) ([]uuid.UUID, error) {
	if s.ask.Sources != nil {
		found := make([]uuid.UUID, 0, len(s.ask.Sources))
		for _, id := range unique(s.ask.Sources) {
			_, err := h.d.Sources.Get(ctx, s.who.UserID, id)
			switch {
			case err == nil:
				found = append(found, id)
			case !fault.Is(err, fault.NotFound):
				return nil, err
			}
		}
		return found, nil
	}
	list, err := h.d.Sources.List(ctx, s.who.UserID, sunsource.Filter{PowerGroupID: s.ask.PowerGroupID}, sunsource.Page{})
	if err != nil {
		return nil, err
	}
	found := make([]uuid.UUID, len(list))
	for i := range list {
		found[i] = list[i].ID
	}
	return found, nil
}

// join adds a stream that hears of no source yet.
func (h *Hub) join(s *Stream) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	user := s.who.UserID
	switch {
	case h.stopped:
		return fault.Retry(fault.Unavailable, limitRetry, "The server is stopping.")
	case len(h.byUser[user]) >= h.cfg.PerUser:
		return fault.Retry(fault.TooMany, limitRetry, "You have %d live streams open already. Close one first.", len(h.byUser[user]))
	case len(h.streams) >= h.cfg.Streams:
		return fault.Retry(fault.TooMany, limitRetry, "The server has too many live streams open.")
	}
	h.streams[s] = struct{}{}
	if h.byUser[user] == nil {
		h.byUser[user] = map[*Stream]struct{}{}
	}
	h.byUser[user][s] = struct{}{}
	poke(h.wanted)
	return nil
}

// leave removes a stream. Its sources are followed for a while still, so that it
// can come back.
func (h *Hub) leave(s *Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.gone {
		return
	}
	s.gone = true
	h.follow(s, nil)
	delete(h.streams, s)
	user := s.who.UserID
	if delete(h.byUser[user], s); len(h.byUser[user]) == 0 {
		delete(h.byUser, user)
	}
	s.end()
}

// follow makes a stream hear of these sources and no others. Called with the lock.
func (h *Hub) follow(s *Stream, sources []uuid.UUID) {
	now := make(map[uuid.UUID]struct{}, len(sources))
	for _, id := range sources {
		now[id] = struct{}{}
		if _, had := s.sources[id]; had {
			continue
		}
		f := h.followed[id]
		if f == nil {
			f = &followed{since: h.seq}
			h.followed[id] = f
			h.version++
		}
		f.idle = 0
		f.streams = append(f.streams, s)
	}
	for id := range s.sources {
		if _, stays := now[id]; !stays {
			h.unfollow(s, id)
		}
	}
	s.sources = now
}

// unfollow takes a stream from a source. Called with the lock.
func (h *Hub) unfollow(s *Stream, id uuid.UUID) {
	f := h.followed[id]
	if f == nil {
		return
	}
	if i := slices.Index(f.streams, s); i >= 0 {
		f.streams[i] = f.streams[len(f.streams)-1]
		f.streams[len(f.streams)-1] = nil
		f.streams = f.streams[:len(f.streams)-1]
	}
	if len(f.streams) == 0 {
		f.streams, f.idle = nil, h.now()
	}
}

// busMargin is by how much earlier than a listener's last id events of the bus
// are told again: so much may the clocks of two processes differ, or one of them
// have heard later.
const busMargin = 5 * time.Second

// resumeLocked makes a stream follow its sources and tells what it missed.
// Called with the lock.
func (h *Hub) resumeLocked(s *Stream, sources []uuid.UUID) {
	now := h.now()
	from, known := parseCursor(s.ask.LastEventID)
	covered := known && from.process == h.process && from.seq >= h.ring.floor && from.seq <= h.seq && h.covered(sources, from.seq)
	h.follow(s, sources)
	here := &Message{ID: h.here(now).String()}
	switch {
	case s.ask.LastEventID == "":
		s.replay = []*Message{here}
	case !known || now-from.at > Window.Milliseconds():
		s.replay = []*Message{h.resync()}
		h.stats.resyncs.Add(1)
	case covered:
		s.replay = append(h.ring.after(from.seq, s.hears), here)
		h.stats.resumed.Add(1)
	default:
		h.resumeElsewhere(s, from, here)
	}
	s.signal()
}

// hears reports whether a message is of one of the stream's sources. Called with
// the lock.
func (s *Stream) hears(m *Message) bool {
	_, ok := s.sources[m.source]
	return ok
}

// covered reports whether all sources were followed since a seq. Called with the
// lock.
func (h *Hub) covered(sources []uuid.UUID, seq uint64) bool {
	for _, id := range sources {
		if f := h.followed[id]; f == nil || f.since > seq {
			return false
		}
	}
	return true
}

// resumeElsewhere tells what was missed by a listener that was heard by another
// process, or by this one before it followed all that is asked for: what the bus
// brought since then, by time, and readings from the journal. Called with the
// lock.
func (h *Hub) resumeElsewhere(s *Stream, from cursor, here *Message) {
	since := from.at - busMargin.Milliseconds()
	heard := h.d.Bus != nil && h.heard > 0 && h.heard <= since && !h.lost(since)
	if !heard || h.d.Tail == nil || h.journal == nil || len(from.journal) == 0 || len(from.journal) > len(h.journal) || h.behind(from) {
		s.replay = []*Message{h.resync()}
		h.stats.resyncs.Add(1)
		return
	}
	missed := h.ring.after(0, func(m *Message) bool {
		return m.Kind != live.ReadingTaken && m.at >= since && s.hears(m)
	})
	// A cut in between must not make it forget what is still to come.
	for i, m := range missed {
		again := *m
		again.ID = ""
		missed[i] = &again
	}
	s.holding = true
	h.resumes.add(resume{
		stream: s, from: from.journal, until: slices.Clone(h.journal), sources: maps.Clone(s.sources), missed: missed, here: here,
	})
}

// lost reports whether the ring has dropped something for want of room since a
// time. Called with the lock.
func (h *Hub) lost(since int64) bool {
	return h.ring.lostAt >= since
}
