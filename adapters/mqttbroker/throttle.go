package mqttbroker

import (
	"time"

	"github.com/google/uuid"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Limits tell how long a source has to wait before its next delivery.
type Limits interface {
	Wait(source, user uuid.UUID) time.Duration
}

// throttle, called when a packet's header was read, lets a session that is over
// its limits wait before the rest of a PUBLISH is: what the device sends beyond
// stays on its side of the connection, whatever its QoS. All other packets are
// taken, pings among them, until there is a PUBLISH before them. The time is ours
// and not the device's: its keep-alive begins anew.
func (s *session) throttle(h header) error {
	limits := s.broker.d.Limits
	if limits == nil || h.kind != packets.Publish {
		return nil
	}
	wait := limits.Wait(s.identity.SourceID, s.identity.OwnerID)
	if wait <= 0 {
		return nil
	}
	if err := s.hold(wait); err != nil {
		return err
	}
	return s.await()
}

// hold waits in the reader's own goroutine. It ends early when the session does,
// or is to take nothing more.
func (s *session) hold(wait time.Duration) error {
	s.mu.Lock()
	due := s.due
	if s.room == nil {
		s.room = make(chan struct{}, 1)
	}
	room := s.room
	s.mu.Unlock()
	if due { // answers do not wait for it
		if err := s.flush(false); err != nil {
			return err
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return nil
		case <-s.ctx.Done():
			return errOver
		case <-room: // an answer was given, or quiesce wants to be heard
			if s.isQuiet() {
				return errQuiet
			}
		}
	}
}
