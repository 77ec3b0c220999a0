package mqtt

import (
	"slices"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// message is one that came in.
type message struct {
	*paho.Publish
	attempts int       // that failed
	due      time.Time // not tried again before
}

// retries says when a message that could not be stored is tried again. A failure
// holds up its own message alone, for longer each time. Failures with no success
// between them mean that the journal is away: then everything pauses.
type retries struct {
	least, most time.Duration
	waiting     []*message
	row         int       // failures since the last success, those of one pause as one
	paused      time.Time // nothing is tried before
	turn        bool      // the last that was tried had waited here
}

// backoff is the wait after so many failures.
func (r *retries) backoff(failures int) time.Duration {
	wait := r.least
	for range failures - 1 {
		if wait = min(2*wait, r.most); wait == r.most {
			break
		}
	}
	return wait
}

// failed notes that a message could not be stored. It reports whether a pause
// began after no other.
func (r *retries) failed(m *message, now time.Time) bool {
	if m.QoS > 0 {
		m.attempts++
		m.due = now.Add(r.backoff(m.attempts))
		r.waiting = append(r.waiting, m)
	}
	if now.Before(r.paused) {
		return false
	}
	r.row++
	if r.row == 1 {
		return false
	}
	r.paused = now.Add(r.backoff(r.row - 1))
	return r.row == 2
}

// succeeded notes that a message was stored. It reports whether a pause ended
// with it; then all that waits is due.
func (r *retries) succeeded() bool {
	pausing := r.row > 1
	r.row, r.paused = 0, time.Time{}
	if pausing {
		for _, m := range r.waiting {
			m.due = time.Time{}
		}
	}
	return pausing
}

// next returns a message that is to be tried again now. Without one, fresh says
// whether a new message may be tried, and wait when to ask again, 0 for never.
// New ones that are queued have their turn between those that failed.
func (r *retries) next(now time.Time, queued bool) (m *message, wait time.Duration, fresh bool) {
	if pause := r.paused.Sub(now); pause > 0 {
		return nil, pause, false
	}
	for i, m := range r.waiting {
		if left := m.due.Sub(now); left > 0 {
			if wait == 0 || left < wait {
				wait = left
			}
			continue
		}
		if queued && r.turn {
			break
		}
		r.turn = true
		r.waiting = slices.Delete(r.waiting, i, i+1)
		return m, 0, false
	}
	r.turn = false
	return nil, wait, true
}
