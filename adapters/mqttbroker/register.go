package mqttbroker

import (
	"context"
	"time"
)

// enter makes s the session of its source. A session that is there is taken over:
// it ends, and its state goes on in s unless s begins clean. A state belongs to
// the credential that made it, so that one made with a leaked key is worth nothing
// after its rotation.
func (b *Broker) enter(ctx context.Context, s *session, clean bool) (present bool) {
	source := s.identity.SourceID
	b.mu.Lock()
	old, st := b.sessions[source], b.parked[source]
	delete(b.parked, source)
	if old != nil && old.expiry > 0 && !old.revoked {
		st = old.state
	}
	present = !clean && st != nil && st.credential == s.identity.CredentialID
	if present {
		s.state = st
	}
	s.state.adopt(s)
	b.sessions[source] = s
	b.bound(s, s.identity.ValidUntil)
	left := b.wills[source]
	delete(b.wills, source)
	if old != nil {
		old.succeeded, old.resumed = true, present
	}
	b.mu.Unlock()

	if old != nil {
		old.end(sessionTakenOver)
	}
	if left != nil && !present {
		b.publishWill(ctx, left) // its session is over
	}
	b.d.Usage.Opened(source)
	return present
}

// bound notes when a session's credential ends. The caller holds mu.
func (b *Broker) bound(s *session, until *time.Time) {
	source := s.identity.SourceID
	if b.sessions[source] != s {
		return
	}
	s.validUntil = until
	if until == nil {
		delete(b.ending, source)
	} else {
		b.ending[source] = s
	}
}

// dismiss is leave for a session that never began: it has no will.
func (b *Broker) dismiss(ctx context.Context, s *session) {
	b.mu.Lock()
	s.will = nil
	b.mu.Unlock()
	b.leave(ctx, s)
}

// leave ends a session, parks its state if it is persistent, and sees to its
// will. To be called once for each that entered.
func (b *Broker) leave(ctx context.Context, s *session) {
	s.end(success)
	source := s.identity.SourceID
	b.mu.Lock()
	if b.sessions[source] == s {
		delete(b.sessions, source)
		delete(b.ending, source)
		s.state.adopt(nil)
		if s.expiry > 0 && !s.revoked && !b.stopping {
			s.state.expiresAt = time.Now().Add(s.expiry)
			b.parked[source] = s.state
		}
	}
	left := b.inherit(s)
	b.mu.Unlock()
	b.d.Usage.Closed(source)
	if left != nil {
		b.publishWill(ctx, left)
	}
}
