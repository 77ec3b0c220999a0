package mqttbroker

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/modules/credentials"
)

// session is one connected device. Its reader runs in the connection's goroutine
// and writes what it has to say itself; answers from wherever a publish becomes
// durable leave by a short-lived goroutine, so that nobody waits for a slow
// device.
type session struct {
	broker   *Broker
	conn     net.Conn
	reader   *inlet
	identity credentials.Session
	version  byte
	topics
	keepAlive time.Duration
	// window is how many QoS 1 messages the device takes at once, maxPacket how
	// many bytes in a packet; 0: no bound.
	window    int
	maxPacket int
	// state outlives the connection of a persistent session. It is settled before
	// the session begins.
	state *state

	ctx    context.Context //nolint:containedctx // ends with the connection, and so does what waits on its behalf
	cancel context.CancelFunc

	// Guarded by Broker.mu.
	expiry     time.Duration
	validUntil *time.Time // nil: its credential has no end
	revoked    bool
	succeeded  bool // another session took over
	resumed    bool // and goes on with the state
	will       *will

	mu sync.Mutex
	// greeted is set when CONNACK is on its way, quiet when nothing more is to be
	// read, ended when nothing more is to be taken or given.
	greeted, quiet, ended bool
	// cause is why another goroutine wants the reader to end the session.
	cause error
	// acks are the answers owed, in the order of the publishes (MQTT 5.0, 4.6).
	// room, which the reader makes when it waits, has a token when one was given.
	acks []owed
	room chan struct{}
	// firstAck is the number of acks[0], submitting of the publish that is being
	// handed over.
	firstAck, submitting uint64
	// open counts the publishes of MQTT 5 that the receive maximum bounds.
	open int
	// out waits to be written, spare is the buffer that takes its turn. flushing is
	// set while a goroutine writes, due when the reader shall.
	out, spare    []byte
	flushing, due bool

	// writing is held while bytes are written, also by outlet.
	writing sync.Mutex
	outlet  *outlet
}

func newSession(ctx context.Context, b *Broker, conn net.Conn, reader *inlet, identity credentials.Session, c connect) *session {
	s := &session{
		broker: b, conn: conn, reader: reader, identity: identity, version: c.version, topics: topicsOf(identity.SourceID),
		keepAlive: c.keepAlive, window: maxWindow, maxPacket: int(c.maxPacket), expiry: expiryOf(c), will: c.will,
		state: newState(identity.CredentialID), firstAck: 1, outlet: newOutlet(conn),
	}
	if n := int(c.receiveMaximum); n > 0 && n < s.window {
		s.window = n
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

var (
	errOver  = errors.New("the session was ended")
	errQuiet = errors.New("the server is stopping")
	errLeft  = errors.New("the device disconnected")
)

// begin sends CONNACK; from here on the session may send and end with a word.
func (s *session) begin(ack []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	if s.ended || s.quiet {
		defer s.mu.Unlock()
		if s.quiet {
			return violation{serverUnavailable, "the server is stopping"}
		}
		return errOver
	}
	s.greeted, s.due = true, true
	_ = s.conn.SetReadDeadline(time.Time{})
	_ = s.conn.SetWriteDeadline(time.Time{})
	s.mu.Unlock()
	return s.write(ack)
}

// read handles packets until the session ends, and says why.
func (s *session) read() error {
	for {
		if err := s.answerNow(); err != nil {
			return err
		}
		if err := s.await(); err != nil {
			return err
		}
		h, err := readHeader(s.reader, s.broker.cfg.MaxPacket)
		if err != nil {
			return err
		}
		if err := s.throttle(h); err != nil {
			return err
		}
		body, err := s.packet(h)
		if err != nil {
			return err
		}
		if err := s.handle(h, body); err != nil {
			return err
		}
	}
}

// await gives the next packet its time, unless there is to be none.
func (s *session) await() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return errOver
	case s.cause != nil:
		return s.cause
	case s.quiet:
		return errQuiet
	case s.keepAlive > 0: // MQTT 5.0, 3.1.2.10
		return s.conn.SetReadDeadline(time.Now().Add(s.keepAlive + s.keepAlive/2))
	default:
		return nil
	}
}

const (
	// maxControl bounds all packets but PUBLISH.
	maxControl = 64 << 10
	// firstRead is how many bytes of a packet are made room for before they came.
	firstRead = 8 << 10
)

// packet reads a packet's rest. The bytes are done with when it is handled: those
// of a small one lie in the buffer that they were read into.
func (s *session) packet(h header) ([]byte, error) {
	if h.kind != packets.Publish && h.remaining > maxControl {
		return nil, violation{packetTooLarge, "the packet is too large"}
	}
	if h.remaining == 0 {
		return nil, nil
	}
	if s.reader.fits(h.remaining) {
		return s.reader.next(h.remaining)
	}
	return readBody(s.reader, h.remaining, nil)
}

// readBody reads n bytes, into the buffer if they fit. Memory is taken as the
// bytes come, not as they are announced.
func readBody(r io.Reader, n int, buffer []byte) ([]byte, error) {
	if cap(buffer) < n {
		buffer = make([]byte, 0, min(n, firstRead))
	}
	buffer = buffer[:0]
	for len(buffer) < n {
		if len(buffer) == cap(buffer) {
			buffer = append(make([]byte, 0, min(n, 2*cap(buffer))), buffer...)
		}
		end := min(n, cap(buffer))
		read, err := io.ReadFull(r, buffer[len(buffer):end])
		buffer = buffer[:len(buffer)+read]
		if err != nil {
			return nil, noEOF(err)
		}
	}
	return buffer, nil
}

// handle takes a packet.
func (s *session) handle(h header, body []byte) error {
	switch h.kind {
	case packets.Publish:
		return s.onPublish(h, body)
	case packets.Pubrel:
		return s.onPubrel(body)
	case packets.Puback:
		return s.onPuback(body)
	case packets.Subscribe:
		return s.onSubscribe(body)
	case packets.Unsubscribe:
		return s.onUnsubscribe(body)
	case packets.Pingreq:
		if len(body) > 0 {
			return malformed("the packet is too long")
		}
		s.say(packets.Pingresp<<4, 0)
		return nil
	case packets.Disconnect:
		return s.onDisconnect(body)
	default:
		return violation{protocolError, "a packet that a client does not send now"}
	}
}

func (s *session) onDisconnect(body []byte) error {
	g, err := parseDisconnect(body, s.version)
	if err != nil {
		return err
	}
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if g.changed {
		if s.expiry == 0 && g.expiry > 0 {
			return violation{protocolError, "a session without expiry gets none at its end"}
		}
		s.expiry = min(time.Duration(g.expiry)*time.Second, maxExpiry)
	}
	if g.code == success {
		s.will = nil
	}
	return errLeft
}

// fail ends the session for what its reader returned: MQTT 5 is told why.
func (s *session) fail(err error) {
	s.mu.Lock()
	if s.cause != nil {
		err = s.cause
	}
	s.mu.Unlock()
	var v violation
	switch {
	case errors.As(err, &v):
		s.end(v.code)
	case errors.Is(err, errQuiet), errors.Is(err, os.ErrDeadlineExceeded) && s.isQuiet():
		s.drain()
		s.end(serverShuttingDown)
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.end(keepAliveTimeout)
	default:
		s.end(success)
	}
}

// abort has the reader end the session. It does not block.
func (s *session) abort(cause error) {
	s.mu.Lock()
	if !s.ended && s.cause == nil {
		s.cause = cause
		_ = s.conn.SetReadDeadline(time.Unix(1, 0))
	}
	s.mu.Unlock()
	s.cancel()
}

// quiesce has the reader take nothing more, and end the session when all answers
// are given.
func (s *session) quiesce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = true
	_ = s.conn.SetReadDeadline(time.Unix(1, 0))
	select {
	case s.room <- struct{}{}: // for one that is held back
	default:
	}
}

func (s *session) isQuiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quiet
}

// drain waits until no answer is owed, or the session ends.
func (s *session) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.acks) > 0 && s.waitForRoom() == nil {
	}
}

// end ends the session, and tells MQTT 5 the reason unless it is success. When it
// returns nothing is taken or given any more; that takes endTime at the most,
// also when the device has stopped reading. Only the first call counts.
func (s *session) end(reason byte) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended = true
	s.cancel()
	if !s.greeted { // whoever wanted to greet it says what there is to say
		s.mu.Unlock()
		return
	}
	// Also a write that is under way has to end by then.
	_ = s.conn.SetWriteDeadline(time.Now().Add(endTime))
	_ = s.conn.SetReadDeadline(time.Now().Add(lingerTime))
	last := s.out
	s.out = nil
	if reason == administrativeAction {
		last = nil
	}
	s.mu.Unlock()

	guard := time.AfterFunc(endTime, func() { abandon(s.conn) })
	defer guard.Stop()
	if s.version == 5 && reason != success {
		last = appendDisconnect(last, reason)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if len(last) > 0 {
		if _, err := s.conn.Write(last); err != nil {
			abandon(s.conn)
			return
		}
	}
	hangUp(s.conn)
}
