package mqttbroker

import (
	"bytes"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Bounds of a session's state.
const (
	maxSubscriptions = 16
	maxQueued        = 100  // messages that wait for a device; the oldest go first
	maxWindow        = 16   // QoS 1 messages to a device without PUBACK
	maxUnreleased    = 1024 // QoS 2 publishes without PUBREL
)

// state is what a persistent session keeps while its device is away.
type state struct {
	// expiresAt is set while it is parked; guarded by Broker.mu.
	expiresAt time.Time

	mu            sync.Mutex
	subscriptions map[string]subscription
	// pubrecs are the QoS 2 publishes that were taken and not released yet.
	pubrecs map[uint16]struct{}
	queue   []message
	// unacked are the QoS 1 messages that were sent, in order.
	unacked []sentMessage
	nextID  uint16
}

type subscription struct {
	qos     byte
	noLocal bool
}

type message struct {
	topic   string
	payload []byte
	qos     byte
}

type sentMessage struct {
	message
	id uint16
}

func newState() *state { return &state{} }

// received reports whether a QoS 2 publish with the id is taken already.
func (st *state) received(id uint16) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	_, ok := st.pubrecs[id]
	return ok
}

// keep notes that a QoS 2 publish is taken.
func (st *state) keep(id uint16) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.pubrecs == nil {
		st.pubrecs = map[uint16]struct{}{}
	}
	st.pubrecs[id] = struct{}{}
}

// unreleased is how many QoS 2 publishes wait for their PUBREL.
func (st *state) unreleased() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return len(st.pubrecs)
}

// release forgets a QoS 2 publish and reports whether it was known.
func (st *state) release(id uint16) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	_, ok := st.pubrecs[id]
	delete(st.pubrecs, id)
	return ok
}

// granted is the QoS with which a subscription takes a message; ok is false when
// none matches. At most QoS 1 is granted.
func (st *state) granted(topic string, own bool) (qos byte, ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for filter, sub := range st.subscriptions {
		if matches(filter, topic) && !(own && sub.noLocal) {
			ok = true
			qos = max(qos, sub.qos)
		}
	}
	return qos, ok
}

// echo returns what gives a publish back to its own device, if that subscribed to
// the topic; called once the reading is durable.
func (s *session) echo(topic string, p publish) func() {
	qos, ok := s.state.granted(topic, true)
	if !ok {
		return func() {}
	}
	m := message{topic: topic, payload: bytes.Clone(p.payload), qos: min(qos, p.qos)}
	return func() { s.deliver(m) }
}

// deliver queues a message for the device and sends what may go.
func (s *session) deliver(m message) {
	s.state.mu.Lock()
	if len(s.state.queue) >= maxQueued {
		s.state.queue = s.state.queue[1:]
	}
	s.state.queue = append(s.state.queue, m)
	s.state.mu.Unlock()
	s.pump()
}

// pump sends queued messages as far as the device's window allows.
func (s *session) pump() {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	st.mu.Lock()
	for len(st.queue) > 0 {
		m := st.queue[0]
		if m.qos > 0 && len(st.unacked) >= s.window {
			break
		}
		st.queue = st.queue[1:]
		var id uint16
		if m.qos > 0 {
			id = st.newID()
			st.unacked = append(st.unacked, sentMessage{m, id})
		}
		s.out = appendPublish(s.out, m, id, m.qos, s.version, false)
	}
	st.mu.Unlock()
	s.flush()
}

// newID draws a packet identifier that is not in use. The caller holds mu.
func (st *state) newID() uint16 {
	for {
		st.nextID++
		used := st.nextID == 0
		for _, m := range st.unacked {
			used = used || m.id == st.nextID
		}
		if !used {
			return st.nextID
		}
	}
}

// resend sends again what the device has not acknowledged before it left.
func (s *session) resend() error {
	s.mu.Lock()
	s.state.mu.Lock()
	for _, m := range s.state.unacked {
		s.out = appendPublish(s.out, m.message, m.id, m.qos, s.version, true)
	}
	s.state.mu.Unlock()
	s.flush()
	s.mu.Unlock()
	s.pump()
	return nil
}

// onPuback notes that the device has a message.
func (s *session) onPuback(body []byte) error {
	id, err := parseID(body)
	if err != nil {
		return err
	}
	st := s.state
	st.mu.Lock()
	for i, m := range st.unacked {
		if m.id == id {
			st.unacked = append(st.unacked[:i], st.unacked[i+1:]...)
			break
		}
	}
	st.mu.Unlock()
	s.pump()
	return nil
}

// onSubscribe grants filters within the source's own topics, up to QoS 1.
func (s *session) onSubscribe(h header, body []byte) error {
	pk := packets.Packet{ProtocolVersion: s.version, FixedHeader: packets.FixedHeader{Type: h.kind, Remaining: h.remaining, Qos: 1}}
	if err := decodeSafely(pk.SubscribeDecode, body); err != nil {
		return violation{malformedPacket, err.Error()}
	}
	if code := pk.SubscribeValidate(); code != packets.CodeSuccess {
		return violation{code.Code, code.Reason}
	}
	ack := packets.Packet{
		ProtocolVersion: s.version, FixedHeader: packets.FixedHeader{Type: packets.Suback}, PacketID: pk.PacketID,
		ReasonCodes: make([]byte, len(pk.Filters)),
	}
	for i, f := range pk.Filters {
		ack.ReasonCodes[i] = s.subscribe(f)
	}
	var buf bytes.Buffer
	if err := ack.SubackEncode(&buf); err != nil {
		return err
	}
	return s.write(buf.Bytes())
}

// subscribe grants one filter and returns its reason code.
func (s *session) subscribe(f packets.Subscription) byte {
	if !s.mayHear(f.Filter) {
		if s.version < 5 {
			return 0x80
		}
		return notAuthorized
	}
	st := s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	if _, known := st.subscriptions[f.Filter]; !known && len(st.subscriptions) >= maxSubscriptions {
		if s.version < 5 {
			return 0x80
		}
		return packets.ErrQuotaExceeded.Code
	}
	if st.subscriptions == nil {
		st.subscriptions = map[string]subscription{}
	}
	sub := subscription{qos: min(f.Qos, 1), noLocal: f.NoLocal}
	st.subscriptions[f.Filter] = sub
	return sub.qos
}

// onUnsubscribe drops filters.
func (s *session) onUnsubscribe(h header, body []byte) error {
	pk := packets.Packet{ProtocolVersion: s.version, FixedHeader: packets.FixedHeader{Type: h.kind, Remaining: h.remaining, Qos: 1}}
	if err := decodeSafely(pk.UnsubscribeDecode, body); err != nil {
		return violation{malformedPacket, err.Error()}
	}
	if pk.PacketID == 0 || len(pk.Filters) == 0 {
		return violation{protocolError, "UNSUBSCRIBE without identifier or filter"}
	}
	ack := packets.Packet{
		ProtocolVersion: s.version, FixedHeader: packets.FixedHeader{Type: packets.Unsuback}, PacketID: pk.PacketID,
		ReasonCodes: make([]byte, len(pk.Filters)),
	}
	st := s.state
	st.mu.Lock()
	for i, f := range pk.Filters {
		if _, known := st.subscriptions[f.Filter]; !known {
			ack.ReasonCodes[i] = packets.CodeNoSubscriptionExisted.Code
		}
		delete(st.subscriptions, f.Filter)
	}
	st.mu.Unlock()
	var buf bytes.Buffer
	if err := ack.UnsubackEncode(&buf); err != nil {
		return err
	}
	return s.write(buf.Bytes())
}

// decodeSafely turns the library's panics on truncated packets into errors.
func decodeSafely(decode func([]byte) error, body []byte) (err error) {
	defer func() {
		if recover() != nil {
			err = packets.ErrMalformedPacket
		}
	}()
	return decode(body)
}
