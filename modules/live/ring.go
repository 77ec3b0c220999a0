package live

import (
	"time"

	"github.com/google/uuid"

	"ampra/core/live"
)

// Window is how long what was told can be told again.
const Window = 5 * time.Minute

// Message is an event as it is told. Many listeners share one.
type Message struct {
	// ID is for Last-Event-ID, "" where the one before still holds.
	ID string
	// Kind is "" where there is nothing to tell but the ID.
	Kind live.Kind
	// Data is the event as JSON.
	Data []byte

	source uuid.UUID
	seq    uint64
	at     int64 // unix ms
}

// messageOverhead is what a message takes beside its texts, about.
const messageOverhead = 160

func (m *Message) size() int { return len(m.ID) + len(m.Data) + messageOverhead }

// ring keeps what was told in the last minutes, bounded by bytes.
type ring struct {
	limit int
	list  []*Message
	head  int // of list; what is before it is gone
	bytes int
	// floor is the seq up to which messages are gone, lostAt when the newest of
	// those was told that went for want of room.
	floor  uint64
	lostAt int64
}

func (r *ring) add(m *Message) {
	r.list = append(r.list, m)
	r.bytes += m.size()
	for r.bytes > r.limit && r.head < len(r.list) {
		r.lostAt = r.list[r.head].at
		r.drop()
	}
}

// expire drops what is older than a time.
func (r *ring) expire(before int64) {
	for r.head < len(r.list) && r.list[r.head].at < before {
		r.drop()
	}
}

func (r *ring) drop() {
	m := r.list[r.head]
	r.list[r.head] = nil
	r.head++
	r.bytes -= m.size()
	r.floor = m.seq
	if r.head > len(r.list)/2 {
		r.list = append([]*Message(nil), r.list[r.head:]...)
		r.head = 0
	}
}

// after returns the messages behind a seq that want says yes to.
func (r *ring) after(seq uint64, want func(*Message) bool) []*Message {
	var found []*Message
	for i := len(r.list) - 1; i >= r.head && r.list[i].seq > seq; i-- {
		if want(r.list[i]) {
			found = append(found, r.list[i])
		}
	}
	for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
		found[i], found[j] = found[j], found[i]
	}
	return found
}
