package mqttbroker

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"ampra/modules/credentials"

	"github.com/mochi-mqtt/server/v2/packets"
)

// writeTime bounds a write to a device that has stopped reading; endTime bounds
// the last one.
const (
	writeTime = 10 * time.Second
	endTime   = 250 * time.Millisecond
)

// session is one connected device. Its reader runs in the connection's goroutine;
// answers come from wherever a publish becomes durable and leave by a short-lived
// goroutine, so that nobody waits for a slow device.
type session struct {
	broker   *Broker
	conn     net.Conn
	identity credentials.Session
	version  byte
	// root and dataTopic are the source's own topics: "sunsource/{id}/" and
	// "sunsource/{id}/data".
	root, dataTopic string
	keepAlive       time.Duration
	expiry          time.Duration
	// window is how many QoS 1 messages the device takes at once.
	window int
	// state outlives the connection of a persistent session.
	state *state

	ctx    context.Context //nolint:containedctx // ends with the connection, and so does what waits on its behalf
	cancel context.CancelFunc
	// revoked is set before anything else when the session is ended for good.
	revoked atomic.Bool
	ended   atomic.Bool
	left    bool // guarded by Broker.mu

	// acks are the answers owed, in the order of the publishes (MQTT 5.0, 4.6);
	// inFlight counts them. room has a token when a place got free.
	mu       sync.Mutex
	acks     []*owed
	inFlight int
	room     chan struct{}
	out      []byte
	flushing bool

	writing sync.Mutex
	buffer  []byte
}

func newSession(b *Broker, conn net.Conn, identity credentials.Session, pk packets.Packet) *session {
	s := &session{
		broker: b, conn: conn, identity: identity, version: pk.ProtocolVersion,
		keepAlive: time.Duration(pk.Connect.Keepalive) * time.Second, expiry: expiryOf(pk),
		window: maxWindow, state: newState(), room: make(chan struct{}, 1),
	}
	if n := int(pk.Properties.ReceiveMaximum); n > 0 && n < s.window {
		s.window = n
	}
	s.root, s.dataTopic = topicsOf(s)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// maxKeptBuffer is how large a packet's buffer a session keeps for the next one.
const maxKeptBuffer = 4 << 10

// read handles packets until the connection ends. nil is a DISCONNECT.
func (s *session) read(reader *bufio.Reader) error {
	for {
		if s.keepAlive > 0 {
			if err := s.conn.SetReadDeadline(time.Now().Add(s.keepAlive + s.keepAlive/2)); err != nil {
				return err
			}
		}
		h, err := readHeader(reader, s.broker.cfg.MaxPacket)
		if err != nil {
			return err
		}
		body, err := s.body(reader, h)
		if err != nil {
			return err
		}
		again, err := s.handle(h, body)
		if err != nil || !again {
			return err
		}
	}
}

// body reads a packet's rest. A PUBLISH's bytes are done with when it is handled,
// so that its buffer serves the next; the codec's packets keep theirs.
func (s *session) body(reader *bufio.Reader, h header) ([]byte, error) {
	var body []byte
	if h.kind == packets.Publish && h.remaining <= maxKeptBuffer {
		if cap(s.buffer) < h.remaining {
			s.buffer = make([]byte, h.remaining, max(h.remaining, 256))
		}
		body = s.buffer[:h.remaining]
	} else {
		body = make([]byte, h.remaining)
	}
	if _, err := io.ReadFull(reader, body); err != nil {
		return nil, noEOF(err)
	}
	return body, nil
}

// handle answers a packet; again is false after DISCONNECT.
func (s *session) handle(h header, body []byte) (again bool, err error) {
	switch h.kind {
	case packets.Publish:
		return true, s.onPublish(h, body)
	case packets.Pubrel:
		return true, s.onPubrel(body)
	case packets.Puback:
		return true, s.onPuback(body)
	case packets.Subscribe:
		return true, s.onSubscribe(h, body)
	case packets.Unsubscribe:
		return true, s.onUnsubscribe(h, body)
	case packets.Pingreq:
		return true, s.write([]byte{packets.Pingresp << 4, 0})
	case packets.Disconnect:
		return false, s.onDisconnect(h, body)
	default:
		return false, violation{protocolError, "a packet that a client does not send now"}
	}
}

func (s *session) onDisconnect(h header, body []byte) error {
	pk := packets.Packet{ProtocolVersion: s.version, FixedHeader: packets.FixedHeader{Type: h.kind, Remaining: h.remaining}}
	if err := pk.DisconnectDecode(body); err != nil {
		return violation{malformedPacket, err.Error()}
	}
	if s.version == 5 && pk.Properties.SessionExpiryIntervalFlag {
		if s.expiry == 0 && pk.Properties.SessionExpiryInterval > 0 {
			return violation{protocolError, "a session without expiry gets none at its end"}
		}
		s.expiry = min(time.Duration(pk.Properties.SessionExpiryInterval)*time.Second, maxExpiry)
	}
	return nil
}

// write sends bytes to the device.
func (s *session) write(b []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.ended.Load() {
		return net.ErrClosed
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	_, err := s.conn.Write(b)
	return err
}

// fail ends the session for an error of its reader: MQTT 5 is told why.
func (s *session) fail(err error) {
	var v violation
	switch {
	case errors.As(err, &v):
		s.end(v.code)
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.end(keepAliveTimeout)
	default:
		s.end(success)
	}
}

// end closes the connection, and tells MQTT 5 the reason unless it is success. It
// never waits long for a device that has stopped reading. Only the first call
// counts.
func (s *session) end(reason byte) {
	if reason == administrativeAction {
		s.revoked.Store(true)
	}
	if !s.ended.CompareAndSwap(false, true) {
		return
	}
	s.cancel()
	// Also a write under way has to end by then.
	_ = s.conn.SetWriteDeadline(time.Now().Add(endTime))
	if s.version == 5 && reason != success {
		s.writing.Lock()
		_, _ = s.conn.Write(appendDisconnect(nil, reason))
		s.writing.Unlock()
	}
	// TLS would wait for the peer to take its goodbye.
	if secure, ok := s.conn.(*tls.Conn); ok {
		_ = secure.NetConn().Close()
	}
	_ = s.conn.Close()
}
