package mqttbroker

import (
	"fmt"
	"net"
	"sync"
	"syscall"
)

// outlet writes to a connection without waiting, where it allows that. It is used
// by one goroutine at a time.
type outlet struct {
	raw syscall.RawConn
	// attempt, for raw, writes what it can of pending, and leaves its result in put
	// and err.
	attempt func(fd uintptr) bool
	pending []byte
	put     int
	err     error
}

func newOutlet(conn net.Conn) *outlet {
	out := &outlet{raw: rawOf(conn)}
	if out.raw != nil {
		out.attempt = out.tryWrite
	}
	return out
}

// write writes what the connection takes at once. With fewer bytes than there are
// and no error it would have to wait.
func (out *outlet) write(b []byte) (n int, err error) {
	if out.raw == nil {
		return 0, nil
	}
	out.pending, out.put, out.err = b, 0, nil
	err = out.raw.Write(out.attempt)
	out.pending = nil
	if err == nil {
		err = out.err
	}
	return out.put, err
}

// outbox is where sessions wait that have something to say. A few goroutines write
// for all of them, as long as no device makes them wait: one for each answer costs
// as much as the answer.
type outbox struct {
	bell chan struct{}

	mu sync.Mutex
	// waiting are the sessions from first on.
	waiting []*session
	first   int
}

func newOutbox() outbox { return outbox{bell: make(chan struct{}, 1)} }

// put lets a session wait for its turn. It does not block.
func (o *outbox) put(s *session) {
	o.mu.Lock()
	o.waiting = append(o.waiting, s)
	first := len(o.waiting)-o.first == 1
	o.mu.Unlock()
	if first {
		o.ring()
	}
}

func (o *outbox) ring() {
	select {
	case o.bell <- struct{}{}:
	default: // it has rung
	}
}

// turns is how many sessions one goroutine takes at a time.
const turns = 16

// take moves the next sessions to dst.
func (o *outbox) take(dst []*session) []*session {
	o.mu.Lock()
	n := min(turns, len(o.waiting)-o.first)
	dst = append(dst, o.waiting[o.first:o.first+n]...)
	clear(o.waiting[o.first : o.first+n])
	o.first += n
	rest := len(o.waiting) - o.first
	if rest == 0 || o.first > len(o.waiting)/2 { // each is moved once at the most, for one that was taken
		all := o.waiting
		o.waiting = append(all[:0], all[o.first:]...)
		clear(all[rest:]) // nothing here keeps a session that has gone
		o.first = 0
	}
	o.mu.Unlock()
	if rest > 0 {
		o.ring() // for another
	}
	return dst
}

// run writes for those who wait until over is closed.
func (o *outbox) run(over <-chan struct{}) {
	var batch []*session
	for {
		batch = o.take(batch[:0])
		for i, s := range batch {
			s.flushSoon()
			batch[i] = nil
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-o.bell:
		case <-over:
			return
		}
	}
}

// flushSoon writes what waits, unless that takes waiting: then a goroutine of its
// own does.
func (s *session) flushSoon() {
	if !s.writing.TryLock() {
		s.flushLater(nil)
		return
	}
	var chunk []byte
	for {
		var err error
		if chunk, err = s.draw(chunk, true); err != nil || len(chunk) == 0 {
			s.writing.Unlock()
			return
		}
		n, err := s.outlet.write(chunk)
		if err != nil {
			s.writing.Unlock()
			s.abort(fmt.Errorf("answering: %w", err))
			return
		}
		if n < len(chunk) {
			s.flushLater(chunk[n:])
			return
		}
	}
}

// flushLater has a goroutine write what waits, however long it takes. With a rest
// of what was begun writing is held, and handed on.
func (s *session) flushLater(rest []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended { // the group of the connections may be waited out
		s.flushing = false
		if rest != nil {
			s.writing.Unlock()
		}
		return
	}
	// The connection's own is counted until it has ended, so the group is not waited
	// out meanwhile.
	s.broker.running.Go(func() {
		if rest == nil {
			s.writing.Lock()
		}
		defer s.writing.Unlock()
		err := error(nil)
		if rest != nil {
			err = s.write(rest)
		}
		if err == nil {
			err = s.pour(true)
		}
		if err != nil {
			s.abort(fmt.Errorf("answering: %w", err))
		}
	})
}
