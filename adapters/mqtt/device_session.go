package mqtt

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/log"
	"github.com/eclipse/paho.golang/paho/session"
)

// maxPacketIDs is how many packet identifiers there are.
const maxPacketIDs = math.MaxUint16

// reasonQuota is the broker's "too much at the moment".
const reasonQuota = 0x97

// deviceSession is what one connection of a device keeps: which message has
// which packet identifier. It ends with the connection; the device sends again
// what it still holds. It publishes at QoS 1 only and subscribes to nothing.
// paho calls it; there is one sender.
type deviceSession struct {
	device *Device

	mu      sync.Mutex
	limit   int
	lastID  uint16
	current *deviceMessage // being handed to paho by the sender
	sent    map[uint16]sentMessage
}

type sentMessage struct {
	*deviceMessage
	at time.Time
}

var _ session.SessionManager = (*deviceSession)(nil)

func newDeviceSession(d *Device) *deviceSession {
	return &deviceSession{device: d, limit: d.cfg.Window, sent: map[uint16]sentMessage{}}
}

// hasRoom reports whether the broker takes one more.
func (s *deviceSession) hasRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent) < s.limit
}

// oldest is how long the oldest message has waited for its acknowledgement.
func (s *deviceSession) oldest() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var age time.Duration
	for _, m := range s.sent {
		age = max(age, time.Since(m.at))
	}
	return age
}

// unacknowledged empties the session.
func (s *deviceSession) unacknowledged() []*deviceMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := make([]*deviceMessage, 0, len(s.sent)+1)
	for _, m := range s.sent {
		left = append(left, m.deviceMessage)
	}
	if s.current != nil {
		left = append(left, s.current)
	}
	clear(s.sent)
	s.current = nil
	return left
}

// send writes a message. From here on the session holds it.
func (s *deviceSession) send(ctx context.Context, client *paho.Client, topic string, m *deviceMessage) error {
	s.mu.Lock()
	s.current = m
	s.mu.Unlock()
	publish := &paho.Publish{QoS: 1, Topic: topic, Payload: m.payload}
	_, err := client.PublishWithOptions(ctx, publish, paho.PublishOptions{Method: paho.PublishMethod_AsyncSend})
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	return nil
}

// AddToSession gives the sender's message its packet identifier.
func (s *deviceSession) AddToSession(_ context.Context, packet session.Packet, _ chan<- packets.ControlPacket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || packet.Type() != packets.PUBLISH {
		return fmt.Errorf("a device only publishes, packet type %d", packet.Type())
	}
	for range maxPacketIDs {
		s.lastID++
		if _, taken := s.sent[s.lastID]; s.lastID == 0 || taken {
			continue
		}
		packet.SetIdentifier(s.lastID)
		s.sent[s.lastID] = sentMessage{s.current, time.Now()}
		s.current = nil
		return nil
	}
	return session.ErrPacketIdentifiersExhausted
}

// PacketReceived takes acknowledgements. Anything else is not for a device.
func (s *deviceSession) PacketReceived(packet *packets.ControlPacket, _ chan<- *packets.Publish) error {
	ack, ok := packet.Content.(*packets.Puback)
	if !ok {
		return nil
	}
	s.mu.Lock()
	m, ok := s.sent[ack.PacketID]
	delete(s.sent, ack.PacketID)
	s.mu.Unlock()
	switch {
	case !ok: // an acknowledgement of nothing
	case ack.ReasonCode == reasonQuota:
		s.device.slowDown(m.deviceMessage)
	case ack.ReasonCode >= 0x80:
		refused := &Refused{Code: ack.ReasonCode}
		if ack.Properties != nil {
			refused.Reason = ack.Properties.ReasonString
		}
		s.device.resolve(m.deviceMessage, refused)
	default:
		s.device.resolve(m.deviceMessage, nil)
	}
	s.device.rouse()
	return nil
}

// ConAckReceived notes how much the broker takes at once.
func (s *deviceSession) ConAckReceived(_ io.Writer, _ *packets.Connect, ack *packets.Connack) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ack.Properties != nil && ack.Properties.ReceiveMaximum != nil {
		s.limit = max(min(s.limit, int(*ack.Properties.ReceiveMaximum)), 1)
	}
	return nil
}

// The rest of what paho asks of a session: nothing to do for this one.

// ConnectionLost does nothing: the device sees the connection's end itself.
func (s *deviceSession) ConnectionLost(*packets.Disconnect) error { return nil }

// Ack does nothing: a device receives nothing.
func (s *deviceSession) Ack(*packets.Publish) error { return nil }

// Close does nothing.
func (s *deviceSession) Close() error { return nil }

// SetErrorLogger does nothing: errors are returned.
func (s *deviceSession) SetErrorLogger(log.Logger) {}

// SetDebugLogger does nothing.
func (s *deviceSession) SetDebugLogger(log.Logger) {}

// dial connects, and shakes hands for TLS.
func (d *Device) dial(ctx context.Context) (net.Conn, error) {
	dialer := &net.Dialer{}
	if !d.secure {
		return dialer.DialContext(ctx, "tcp", d.address)
	}
	conn, err := (&tls.Dialer{NetDialer: dialer, Config: d.cfg.TLS}).DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	return &packetConn{Conn: conn}, nil
}

// packetConn writes each MQTT packet at once. paho locks a connection that is a
// Locker around a packet and writes its parts one by one: over TLS each would be
// a record and a system call of its own.
type packetConn struct {
	net.Conn
	mu  sync.Mutex
	buf []byte
}

var _ sync.Locker = (*packetConn)(nil)

// Lock begins a packet.
func (c *packetConn) Lock() { c.mu.Lock() }

// Write gathers a packet's part; only called between Lock and Unlock.
func (c *packetConn) Write(part []byte) (int, error) {
	c.buf = append(c.buf, part...)
	return len(part), nil
}

// Unlock writes the packet. An error closes the connection, whose reader then
// tells of it.
func (c *packetConn) Unlock() {
	defer c.mu.Unlock()
	if _, err := c.Conn.Write(c.buf); err != nil {
		_ = c.Close()
	}
	c.buf = slices.Delete(c.buf, 0, len(c.buf))
	if cap(c.buf) > 64<<10 {
		c.buf = nil
	}
}
