package mqttbroker

import (
	"bytes"
	"slices"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// message is what a device gets.
type message struct {
	topic   string
	payload []byte
	// properties are the publisher's, of MQTT 5, but for the expiry.
	properties []byte
	// expires is when the message is worth nothing any more; zero: never.
	expires time.Time
	qos     byte
	retain  bool
}

func (m message) size() int { return len(m.topic) + len(m.payload) + len(m.properties) }

// queued is a message in the queue. id is 0 until it was sent once.
type queued struct {
	message
	id uint16
}

// echo returns what a publish gives back to its own device, nil if that did not
// subscribe to the topic. To be delivered when the reading is durable.
func (st *state) echo(topic string, p publish) *message {
	sub, ok := st.granted(topic)
	if !ok {
		return nil
	}
	m := message{topic: topic, payload: bytes.Clone(p.payload), qos: min(sub.qos, p.qos), retain: p.retain && sub.keepRetain}
	_ = eachProperty(p.properties, publishProps, func(prop property) error { // they are checked
		if prop.kind == packets.PropMessageExpiryInterval {
			m.expires = time.Now().Add(time.Duration(prop.number) * time.Second)
		} else {
			m.properties = append(m.properties, prop.raw...)
		}
		return nil
	})
	return &m
}

// deliver queues a message for the device and has it sent. Beyond the bounds the
// oldest that wait are dropped.
func (st *state) deliver(m message) {
	st.mu.Lock()
	for len(st.queue) > st.sent && (len(st.queue) >= maxQueued || st.bytes+m.size() > maxQueuedBytes) {
		st.remove(st.sent)
	}
	if len(st.queue) < maxQueued && (st.bytes == 0 || st.bytes+m.size() <= maxQueuedBytes) {
		st.queue = append(st.queue, queued{message: m})
		st.bytes += m.size()
	}
	owner := st.owner
	st.mu.Unlock()
	if owner == nil {
		return
	}
	owner.mu.Lock()
	defer owner.mu.Unlock()
	owner.wake()
}

// remove takes a message out of the queue. The caller holds mu.
func (st *state) remove(i int) {
	st.bytes -= st.queue[i].size()
	st.queue = slices.Delete(st.queue, i, i+1)
	if len(st.queue) == 0 {
		st.queue = nil
	}
}

// fill appends the messages that may go to the device now: as many as its window
// and maxOut allow.
func (st *state) fill(s *session, dst []byte) []byte {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.owner != s || st.sent == len(st.queue) {
		return dst
	}
	now := time.Now()
	for st.sent < len(st.queue) && len(dst) < maxOut {
		m := &st.queue[st.sent]
		again := m.id != 0
		left, expired := m.left(now)
		if expired && !again || s.maxPacket > 0 && publishSize(m.message, s.version) > s.maxPacket {
			st.remove(st.sent)
			continue
		}
		if m.qos == 0 {
			dst = appendPublish(dst, m.message, 0, s.version, false, left)
			st.remove(st.sent)
			continue
		}
		if st.sent >= s.window {
			break
		}
		if !again {
			m.id = st.newID()
		}
		dst = appendPublish(dst, m.message, m.id, s.version, again, left)
		st.sent++
	}
	return dst
}

// left is how many seconds a message has left. One without expiry has 0.
func (m message) left(now time.Time) (seconds uint32, expired bool) {
	if m.expires.IsZero() {
		return 0, false
	}
	left := m.expires.Sub(now)
	if left <= 0 {
		return 0, true
	}
	return uint32((left + time.Second - 1) / time.Second), false //nolint:gosec // it came as 32 bits
}

// newID draws a packet identifier that is not in use. The caller holds mu.
func (st *state) newID() uint16 {
	for {
		st.lastID++
		if st.lastID != 0 && !slices.ContainsFunc(st.queue, func(m queued) bool { return m.id == st.lastID }) {
			return st.lastID
		}
	}
}

// acknowledged drops a message that the device has.
func (st *state) acknowledged(id uint16) {
	st.mu.Lock()
	defer st.mu.Unlock()
	i := slices.IndexFunc(st.queue[:st.sent], func(m queued) bool { return m.id == id })
	if i < 0 {
		return
	}
	st.remove(i)
	st.sent--
}

// onPuback notes that the device has a message; another may go.
func (s *session) onPuback(body []byte) error {
	id, err := parseAck(body, s.version)
	if err != nil {
		return err
	}
	s.state.acknowledged(id)
	s.say()
	return nil
}
