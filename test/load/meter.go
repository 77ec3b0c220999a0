package main

import (
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// sighting is a reading that was just sent and is to be looked for.
type sighting struct {
	source uuid.UUID
	stamp  int64
	due    time.Time
}

// meter takes what senders report. Times count from when a reading was due, not
// from when it could be sent.
type meter struct {
	// from and to bound what counts, in Unix nanoseconds; 0 while it is not known.
	from, to atomic.Int64
	acks     histogram
	// late is how much after its moment a reading was sent because of the generator.
	late   histogram
	inSpan atomic.Int64 // readings acknowledged between from and to
	total  atomic.Int64 // and since the beginning
	// wanted gives the next reading that is sent to who measures when it can be
	// queried.
	wanted chan chan sighting
}

func (m *meter) begin(now time.Time, length time.Duration) {
	m.to.Store(now.Add(length).UnixNano())
	m.from.Store(now.UnixNano())
}

// counts tells whether what is due at a moment is measured.
func (m *meter) counts(due time.Time) bool {
	from := m.from.Load()
	return from != 0 && due.UnixNano() >= from && due.UnixNano() < m.to.Load()
}

// sent is told of each delivery that is on its way.
func (m *meter) sent(id uuid.UUID, stamp int64, due time.Time) {
	select {
	case give := <-m.wanted:
		give <- sighting{source: id, stamp: stamp, due: due}
	default:
	}
}

// acknowledged is told of each answer and of how many readings it is for.
func (m *meter) acknowledged(due, now time.Time, readings int) {
	m.total.Add(int64(readings))
	if m.counts(due) {
		m.acks.add(now.Sub(due))
	}
	if m.counts(now) {
		m.inSpan.Add(int64(readings))
	}
}
