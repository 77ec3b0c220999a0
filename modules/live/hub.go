// Package live tells listeners what happens while it happens: a hub in each
// process with the API, which hears of readings where they become durable and of
// everything else from whoever publishes it, in whatever process. It promises
// that a listener who comes back within minutes, to any process, misses nothing
// or is told to read anew. It keeps nothing for longer, and knows no HTTP.
package live

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"ampra/core/change"
	"ampra/core/clock"
	"ampra/core/live"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

// Config holds the settings. What is 0 has the default.
type Config struct {
	// Streams is how many listeners a process has at the most, 10,000; PerUser how
	// many of them may be one user's, 50.
	Streams, PerUser int
	// RingBytes bounds what is kept to be told again, 64 MiB.
	RingBytes int
}

// Keys tells whether what somebody signed in by still holds.
type Keys interface {
	// Holds returns nil, Unauthenticated when it is over, or another fault when that
	// can't be told now.
	Holds(ctx context.Context, key Key) error
}

// Owners tells whose a source is.
type Owners interface {
	// Owner returns the owner's id, or NotFound.
	Owner(ctx context.Context, source uuid.UUID) (uuid.UUID, error)
}

// Deps are what a hub stands on.
type Deps struct {
	Sources sunsource.Repository
	Owners  Owners
	Keys    Keys
	Feed    change.Feed
	// Bus is nil where there is only this process.
	Bus live.Bus
	// Tail is nil where readings come from Tap.
	Tail live.Tail
	// Encode makes JSON of an event.
	Encode func(live.Event) ([]byte, error)
	Clock  clock.Clock
	Random io.Reader
	// Failed is told of what went wrong and is tried again, or left out.
	Failed func(error)
}

// Hub has the listeners of a process. Run must be running.
type Hub struct {
	cfg     Config
	d       Deps
	process uint32
	stats   stats

	// mu makes one order of all that is told, and guards what follows it.
	mu       sync.RWMutex
	seq      uint64
	ring     ring
	streams  map[*Stream]struct{}
	byUser   map[uuid.UUID]map[*Stream]struct{}
	followed map[uuid.UUID]*followed
	// version moves whenever another source begins to be followed.
	version uint64
	// epoch moves with every change of sources, so that nobody follows what was
	// found before one.
	epoch uint64
	// journal is where the tail is, nil while it does not run.
	journal live.Position
	began   chan struct{} // closed when journal is there
	wanted  chan struct{} // somebody listens, so that the tail is wanted
	// heard is from when on everything of the bus was heard, in unix ms; 0 while it
	// is not heard.
	heard   int64
	stopped bool

	tapped  tapped
	refresh refreshes
	resumes resumes
}

// followed is a source that somebody listens to, or did until lately.
type followed struct {
	streams []*Stream
	// since is the seq behind which all of it is told.
	since uint64
	// idle is from when on nobody listens, in unix ms; 0 while somebody does.
	idle int64
	late late
}

type stats struct{ resyncs, told, dropped, resumed atomic.Int64 }

// Stats are the hub's figures, for metrics.
type Stats struct {
	// Streams are the listeners now.
	Streams int
	// Told counts events handed to listeners, Resyncs how often one had to read
	// anew, Resumed how often one came back and missed nothing, Dropped events that
	// could not be told.
	Told, Resyncs, Resumed, Dropped int64
	// RingBytes is what is kept to be told again.
	RingBytes int
}

// Stats returns the figures.
func (h *Hub) Stats() Stats {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return Stats{
		Streams: len(h.streams), Told: h.stats.told.Load(), Resyncs: h.stats.resyncs.Load(),
		Resumed: h.stats.resumed.Load(), Dropped: h.stats.dropped.Load(), RingBytes: h.ring.bytes,
	}
}

// New returns a hub and subscribes it to the feed. An error is the random
// source's.
func New(cfg Config, d Deps) (*Hub, error) {
	cfg.Streams, cfg.PerUser = orDefault(cfg.Streams, 10_000), orDefault(cfg.PerUser, 50)
	var b [4]byte
	if _, err := io.ReadFull(d.Random, b[:]); err != nil {
		return nil, fmt.Errorf("drawing the mark of live events: %w", err)
	}
	h := &Hub{
		cfg: cfg, d: d, process: binary.BigEndian.Uint32(b[:]),
		ring:    ring{limit: orDefault(cfg.RingBytes, 64<<20)},
		streams: map[*Stream]struct{}{}, byUser: map[uuid.UUID]map[*Stream]struct{}{}, followed: map[uuid.UUID]*followed{},
		began: make(chan struct{}), wanted: make(chan struct{}, 1),
		tapped:  tapped{wake: make(chan struct{}, 1)},
		refresh: refreshes{wake: make(chan struct{}, 1), subjects: map[uuid.UUID]struct{}{}, sources: map[uuid.UUID]struct{}{}},
		resumes: resumes{wake: make(chan struct{}, 1)},
	}
	d.Feed.Subscribe(h.changed)
	return h, nil
}

func orDefault(value, otherwise int) int {
	if value == 0 {
		return otherwise
	}
	return value
}

func (h *Hub) now() int64 { return h.d.Clock.Now().UnixMilli() }

// here is the place in what was told that is reached now. Called with the lock.
func (h *Hub) here(at int64) cursor {
	return cursor{at: at, process: h.process, seq: h.seq, journal: h.journal}
}

// resync is a message that tells to read anew. Called with the lock.
func (h *Hub) resync() *Message {
	at := h.now()
	return &Message{ID: h.here(at).String(), Kind: live.Resync, Data: []byte("{}"), seq: h.seq, at: at}
}

// encoded is an event with its JSON.
type encoded struct {
	event live.Event
	data  []byte
}

func (h *Hub) encode(e live.Event) (encoded, bool) {
	data, err := h.d.Encode(e)
	if err != nil {
		h.stats.dropped.Add(1)
		h.d.Failed(fmt.Errorf("encoding a live event: %w", err))
		return encoded{}, false
	}
	return encoded{e, data}, true
}

// tell gives an event to those who listen, and keeps it. Called with the lock.
func (h *Hub) tell(e encoded, at int64) {
	if f := h.followed[e.event.SourceID]; f != nil && !f.late.admit(e.event, at) {
		h.stats.dropped.Add(1)
		f.since = h.seq // who comes back from before reads anew, too
		return
	}
	h.seq++
	m := &Message{ID: h.here(at).String(), Kind: e.event.Kind, Data: e.data, source: e.event.SourceID, seq: h.seq, at: at}
	h.ring.add(m)
	f := h.followed[m.source]
	if f == nil {
		return
	}
	for _, s := range f.streams {
		s.push(m)
	}
	h.stats.told.Add(int64(len(f.streams)))
}

// Told is what publishes in a process that is alone: it tells an event that is no
// reading. It must not be called with readings.
func (h *Hub) Told(e live.Event) {
	if e.Kind == live.AccessChanged {
		h.refresh.subject(e.Subject)
		return
	}
	if one, ok := h.encode(e); ok {
		h.mu.Lock()
		h.tell(one, h.now())
		h.mu.Unlock()
	}
}

// Wants reports whether readings of a source are told to anybody, or were lately.
func (h *Hub) Wants(source uuid.UUID) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.followed[source] != nil
}

// resetAll makes every listener read anew. Called with the lock.
func (h *Hub) resetAll() {
	for s := range h.streams {
		s.reset()
	}
}

// tapped are readings that are durable and wait to be told.
type tapped struct {
	mu   sync.Mutex
	wake chan struct{}
	list []telemetry.Reading
	lost bool
}

// tapRoom bounds how many readings wait to be told.
const tapRoom = 20_000

// Durable takes readings of one source that are durable now. It does not block.
func (h *Hub) Durable(readings []telemetry.Reading) {
	if len(readings) == 0 || !h.Wants(readings[0].SourceID) {
		return
	}
	h.tapped.mu.Lock()
	if len(h.tapped.list)+len(readings) > tapRoom {
		h.tapped.list, h.tapped.lost = nil, true
	} else {
		h.tapped.list = append(h.tapped.list, readings...)
	}
	h.tapped.mu.Unlock()
	poke(h.tapped.wake)
}

func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default: // it will look anyway
	}
}

// tellTapped tells readings as they become durable.
func (h *Hub) tellTapped(ctx context.Context) {
	for {
		select {
		case <-h.tapped.wake:
		case <-ctx.Done():
			return
		}
		h.tapped.mu.Lock()
		list, lost := h.tapped.list, h.tapped.lost
		h.tapped.list, h.tapped.lost = nil, false
		h.tapped.mu.Unlock()
		if lost {
			h.mu.Lock()
			h.forgetRing()
			h.mu.Unlock()
		}
		for i := range list {
			h.tellReading(list[i])
		}
	}
}

func (h *Hub) tellReading(r telemetry.Reading) {
	if one, ok := h.encode(live.Event{Kind: live.ReadingTaken, SourceID: r.SourceID, Reading: &r}); ok {
		h.mu.Lock()
		h.tell(one, h.now())
		h.mu.Unlock()
	}
}

// forgetRing notes that something could not be told: those who listen read anew,
// and so does who comes back from before. Called with the lock.
func (h *Hub) forgetRing() {
	h.seq++
	h.ring = ring{limit: h.ring.limit, floor: h.seq, lostAt: h.now()}
	h.resetAll()
}
