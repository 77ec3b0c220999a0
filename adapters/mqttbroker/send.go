package mqttbroker

import (
	"fmt"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	// writeTime bounds a write to a device that has stopped reading.
	writeTime = 10 * time.Second
	// maxOut is how many bytes may wait for a device before messages stay in its queue.
	maxOut = 32 << 10
	// keptOut is how large a buffer a session keeps for its next answers.
	keptOut = 512
)

// say has the reader send bytes. To be called by the reader.
func (s *session) say(b ...byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = append(s.out, b...)
	s.due = true
}

// wake sees to it that what waits is written by another goroutine. The caller
// holds mu.
func (s *session) wake() {
	if s.flushing || s.ended || !s.greeted {
		return
	}
	s.flushing = true
	if s.outlet.raw != nil {
		s.broker.outbox.put(s)
		return
	}
	// The connection's own is counted until it has ended, so the group is not waited
	// out meanwhile.
	s.broker.running.Go(func() {
		if err := s.flush(true); err != nil {
			s.abort(fmt.Errorf("answering: %w", err))
		}
	})
}

// answerNow writes what the reader has to say, before it waits for more: once for
// all the packets that are in its buffer, which bounds what waits. A device that
// does not read is read no further.
func (s *session) answerNow() error {
	s.mu.Lock()
	due := s.due
	s.mu.Unlock()
	if due && !s.packetWaits() {
		return s.flush(false)
	}
	return nil
}

// packetWaits reports whether a whole packet is in the reader's buffer.
func (s *session) packetWaits() bool {
	waiting := s.reader.Peek()
	if len(waiting) < 2 {
		return false
	}
	remaining, rest, ok := takeLength(waiting[1:])
	return ok && remaining <= len(rest)
}

// flush writes what waits until nothing does. own is set by the goroutine that
// wake meant.
func (s *session) flush(own bool) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.pour(own)
}

// pour is flush with writing held.
func (s *session) pour(own bool) error {
	var chunk []byte
	for {
		var err error
		if chunk, err = s.draw(chunk, own); err != nil || len(chunk) == 0 {
			return err
		}
		if err := s.write(chunk); err != nil {
			return err
		}
	}
}

// draw takes what waits, none when nothing does, and keeps the memory of what is
// written for what comes next.
func (s *session) draw(written []byte, own bool) (chunk []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cap(written) <= keptOut && written != nil {
		s.spare = written[:0]
	}
	chunk = s.state.fill(s, s.out)
	s.due = false
	if s.ended || len(chunk) == 0 {
		s.out = chunk
		s.flushing = s.flushing && !own
		if s.ended {
			err = errOver
		}
		return nil, err
	}
	s.out, s.spare = s.spare, nil
	return chunk, nil
}

// write writes with writing held, and waits for the device for writeTime at the
// most. The connection has a deadline only meanwhile: setting one is dearer than
// writing an answer into a buffer that has room.
func (s *session) write(b []byte) error {
	n, err := s.outlet.write(b)
	if err != nil || n == len(b) {
		return err
	}
	s.allow(time.Now().Add(writeTime))
	if _, err = s.conn.Write(b[n:]); err == nil {
		s.allow(time.Time{})
	}
	return err
}

// allow sets the deadline of writes, unless the session's end has set the last.
func (s *session) allow(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		_ = s.conn.SetWriteDeadline(until)
	}
}

// answer has the reader send an acknowledgement that waits for nothing.
func (s *session) answer(kind byte, id uint16, code byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = appendAck(s.out, kind, id, code, s.version)
	s.due = true
	if kind == packets.Pubcomp {
		s.closeOne()
	}
}

// closeOne gives back a place of the receive maximum (MQTT 5.0, 4.9). The caller
// holds mu.
func (s *session) closeOne() { s.open = max(0, s.open-1) }
