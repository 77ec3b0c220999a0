package live

import (
	"sync"

	"github.com/google/uuid"

	"ampra/core/actor"
)

// Bounds of what waits for one listener. One that reads slower is told to read
// anew instead.
const (
	queueMessages = 1000
	queueBytes    = 1 << 20
)

// Key is what somebody signed in by: enough to ask whether it still holds, and
// not enough to sign in with.
type Key struct {
	// Digest is that of the session's or the token's text.
	Digest [32]byte
	// Token says that it is an API token's.
	Token bool
}

// Subject names the key in an event AccessChanged.
func (k Key) Subject() uuid.UUID { return uuid.UUID(k.Digest[:16]) }

// Stream is one listener. Ready, Take, Beat and Close are for its one reader.
type Stream struct {
	hub *Hub
	who actor.Actor
	key Key
	ask Ask

	wake chan struct{}

	// Guarded by the hub's lock.
	sources map[uuid.UUID]struct{}
	gone    bool // it has left the hub

	mu      sync.Mutex
	queue   []*Message
	bytes   int
	ended   bool
	holding bool       // a replay comes before the queue
	replay  []*Message // what comes before the queue
}

// Ready gives a value when there is something to take.
func (s *Stream) Ready() <-chan struct{} { return s.wake }

// Take returns what is to be told now, in order, at most about max bytes of it.
// more says that there is more; open is false when the stream is over, for good
// or because the listener may hear nothing any more.
func (s *Stream) Take(into []*Message, max int) (told []*Message, more, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for max > 0 && len(s.replay) > 0 {
		m := s.replay[0]
		s.replay[0], s.replay = nil, s.replay[1:]
		into, max = append(into, m), max-m.size()
	}
	if len(s.replay) > 0 {
		return into, true, !s.ended
	}
	s.replay = nil
	if s.holding {
		return into, false, !s.ended
	}
	for max > 0 && len(s.queue) > 0 {
		m := s.queue[0]
		s.queue[0], s.queue = nil, s.queue[1:]
		into, max = append(into, m), max-m.size()
		s.bytes -= m.size()
	}
	if len(s.queue) > 0 {
		return into, true, !s.ended
	}
	s.queue = nil
	return into, false, !s.ended
}

// Beat is the id that holds now, for a listener that has been told everything;
// "" when there is something left to take.
func (s *Stream) Beat() string {
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holding || len(s.replay) > 0 || len(s.queue) > 0 {
		return ""
	}
	return s.hub.here(s.hub.now()).String()
}

// Close ends the stream. It may be called several times.
func (s *Stream) Close() { s.hub.leave(s) }

// push puts a message behind what waits. Called with the hub's lock, so that all
// come in order.
func (s *Stream) push(m *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return
	case len(s.queue) >= queueMessages || s.bytes+m.size() > queueBytes:
		s.fallBehind()
	default:
		s.queue = append(s.queue, m)
		s.bytes += m.size()
	}
	s.signal()
}

// fallBehind drops what waits and tells to read anew instead. Called with both
// locks.
func (s *Stream) fallBehind() {
	s.hub.stats.resyncs.Add(1)
	m := s.hub.resync()
	s.queue, s.bytes = []*Message{m}, m.size()
}

// reset is fallBehind, from outside. Called with the hub's lock.
func (s *Stream) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.fallBehind()
	s.signal()
}

// resume puts what was missed before what waits. Called once, when it is known.
func (s *Stream) resume(missed []*Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replay, s.holding = missed, false
	s.signal()
}

// end makes Take say that it is over.
func (s *Stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.queue, s.replay, s.bytes, s.holding = nil, nil, 0, false
	s.signal()
}

func (s *Stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}
