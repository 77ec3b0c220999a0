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

// wake sees to it that what waits is written by a goroutine. The caller holds mu.
func (s *session) wake() {
	if s.flushing || s.ended || !s.greeted {
		return
	}
	s.flushing = true
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
	n := s.reader.Buffered()
	if n < 2 {
		return false
	}
	head, err := s.reader.Peek(min(n, 5))
	if err != nil {
		return false
	}
	remaining, rest, ok := takeLength(head[1:])
	return ok && len(head)-len(rest)+remaining <= n
}

// flush writes what waits until nothing does. own is set by the goroutine that
// wake started.
func (s *session) flush(own bool) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	var chunk []byte
	for {
		s.mu.Lock()
		if cap(chunk) <= keptOut && chunk != nil {
			s.spare = chunk[:0]
		}
		chunk = s.state.fill(s, s.out)
		s.due = false
		if s.ended || len(chunk) == 0 {
			s.out = chunk
			s.flushing = s.flushing && !own
			ended := s.ended
			s.mu.Unlock()
			if ended {
				return errOver
			}
			return nil
		}
		s.out, s.spare = s.spare, nil
		err := s.conn.SetWriteDeadline(time.Now().Add(writeTime))
		s.mu.Unlock()
		if err == nil {
			_, err = s.conn.Write(chunk)
		}
		if err != nil {
			return err
		}
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
