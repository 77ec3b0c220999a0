package mqttbroker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"time"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"

	"github.com/mochi-mqtt/server/v2/packets"
)

// maxConnect bounds a CONNECT packet: client id, name, key and a will.
const maxConnect = 64 << 10

// maxExpiry is how long the state of a persistent session waits for its device.
const maxExpiry = 24 * time.Hour

// readBuffer is small, since a process holds as many as it has sessions.
const readBuffer = 1024

// serve takes one connection from its first byte to its end.
func (b *Broker) serve(ctx context.Context, conn net.Conn) {
	defer func() {
		// The library's codec may trip over bytes from outside; that ends the
		// connection, not the broker.
		if r := recover(); r != nil {
			b.d.Log.Error("a connection ended in a panic", "remote", conn.RemoteAddr().String(), "panic", r)
		}
	}()
	_ = conn.SetDeadline(time.Now().Add(b.cfg.Handshake))
	reader := bufio.NewReaderSize(conn, readBuffer)
	s, err := b.connect(ctx, conn, reader)
	if err != nil {
		b.refused.Add(1)
		b.d.Log.Debug("a connection was refused", "remote", conn.RemoteAddr().String(), "reason", err)
		return
	}
	defer b.leave(s)
	b.d.Log.Debug("a device connected", "source", s.identity.SourceID, "remote", conn.RemoteAddr().String(), "version", s.version)
	err = s.read(reader)
	if err != nil {
		s.fail(err)
	}
	b.d.Log.Debug("a device left", "source", s.identity.SourceID, "reason", err)
}

// connect reads CONNECT, signs in, and answers. With an error the connection is
// to be closed; whatever there was to say has been said.
func (b *Broker) connect(ctx context.Context, conn net.Conn, reader *bufio.Reader) (*session, error) {
	pk, err := readConnect(reader)
	if err != nil {
		var v violation
		if errors.As(err, &v) && pk.ProtocolVersion == 5 {
			b.refuse(conn, pk, packets.Code{Code: v.code, Reason: v.text})
		}
		return nil, err
	}
	if code := pk.ConnectValidate(); code != packets.CodeSuccess {
		b.refuse(conn, pk, code)
		return nil, code
	}
	if pk.ProtocolVersion < 4 {
		b.refuse(conn, pk, packets.ErrUnsupportedProtocolVersion)
		return nil, packets.ErrUnsupportedProtocolVersion
	}
	if pk.Properties.AuthenticationMethod != "" {
		b.refuse(conn, pk, packets.ErrBadAuthenticationMethod)
		return nil, packets.ErrBadAuthenticationMethod
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Handshake)
	defer cancel()
	identity, err := b.d.Gate.SignInMQTT(ctx, pk.Connect.ClientIdentifier, string(pk.Connect.Username), credential.NewSecret(string(pk.Connect.Password)))
	if err != nil {
		code := packets.ErrBadUsernameOrPassword
		if fault.Passing(err) {
			code = packets.ErrServerUnavailable
		}
		b.refuse(conn, pk, code)
		return nil, err
	}
	s := newSession(b, conn, identity, pk)
	if pk.Connect.WillFlag && !s.owns(pk.Connect.WillTopic) {
		b.refuse(conn, pk, packets.ErrNotAuthorized)
		return nil, packets.ErrNotAuthorized
	}
	if b.stopping.Load() {
		b.refuse(conn, pk, packets.ErrServerUnavailable)
		return nil, packets.ErrServerUnavailable
	}
	present := b.enter(s, pk.Connect.Clean)
	// The credential may have been replaced while it was being checked. From here
	// on a revocation finds the session; one that came before is found here.
	holds, err := b.d.Gate.Holds(ctx, identity)
	if err != nil || !holds {
		defer b.leave(s)
		code := packets.ErrBadUsernameOrPassword
		if err != nil {
			code = packets.ErrServerUnavailable
		}
		b.refuse(conn, pk, code)
		return nil, fmt.Errorf("the credential was revoked during the sign-in: %w", code)
	}
	if err := s.welcome(pk, present); err != nil {
		b.leave(s)
		return nil, err
	}
	return s, nil
}

// readConnect reads the first packet, which must be CONNECT.
func readConnect(reader *bufio.Reader) (packets.Packet, error) {
	var pk packets.Packet
	h, err := readHeader(reader, maxConnect)
	if err != nil {
		return pk, err
	}
	if h.kind != packets.Connect {
		return pk, violation{protocolError, "the first packet is not CONNECT"}
	}
	body := make([]byte, h.remaining)
	if _, err := io.ReadFull(reader, body); err != nil {
		return pk, noEOF(err)
	}
	pk.FixedHeader = packets.FixedHeader{Type: h.kind, Remaining: h.remaining}
	if err := pk.ConnectDecode(body); err != nil {
		return pk, violation{malformedPacket, err.Error()}
	}
	return pk, nil
}

// refuse sends a CONNACK with a failure.
func (b *Broker) refuse(conn net.Conn, pk packets.Packet, code packets.Code) {
	if pk.ProtocolVersion < 5 {
		old, ok := packets.V5CodesToV3[code]
		switch {
		case ok:
			code = old
		case code == packets.ErrNotAuthorized:
			code = packets.Err3NotAuthorized
		default:
			return // MQTT 3.1.1 has no code for it: the connection just closes
		}
	}
	ack := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connack}, ProtocolVersion: pk.ProtocolVersion, ReasonCode: code.Code,
	}
	var buf bytes.Buffer
	if err := ack.ConnackEncode(&buf); err == nil {
		_, _ = conn.Write(buf.Bytes())
	}
}

// welcome sends the CONNACK of a session and what waits for its device.
func (s *session) welcome(pk packets.Packet, present bool) error {
	ack := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connack}, ProtocolVersion: s.version, SessionPresent: present,
		Properties: packets.Properties{
			ReceiveMaximum: s.broker.cfg.ReceiveMaximum, MaximumPacketSize: uint32(min(s.broker.cfg.MaxPacket, math.MaxInt32)), //nolint:gosec // bounded
			SharedSubAvailableFlag: true, SubIDAvailableFlag: true, // present and 0: not available
		},
	}
	if asked := pk.Properties.SessionExpiryInterval; pk.Properties.SessionExpiryIntervalFlag && time.Duration(asked)*time.Second > maxExpiry {
		ack.Properties.SessionExpiryInterval, ack.Properties.SessionExpiryIntervalFlag = uint32(maxExpiry.Seconds()), true
	}
	var buf bytes.Buffer
	if err := ack.ConnackEncode(&buf); err != nil {
		return err
	}
	_ = s.conn.SetReadDeadline(time.Time{})
	if err := s.write(buf.Bytes()); err != nil {
		return err
	}
	return s.resend()
}

// enter makes s the session of its source. A session that is there is taken over:
// it ends, and its state goes on in s unless s begins clean.
func (b *Broker) enter(s *session, clean bool) (present bool) {
	source := s.identity.SourceID
	b.mu.Lock()
	old := b.sessions[source]
	b.sessions[source] = s
	parked := b.parked[source]
	delete(b.parked, source)
	b.mu.Unlock()

	if old != nil {
		old.end(sessionTakenOver)
		if parked == nil && old.expiry > 0 {
			parked = old.state
		}
	}
	if !clean && parked != nil {
		s.state, present = parked, true
	}
	b.d.Usage.Opened(source)
	return present
}

// leave ends a session and parks its state if it is persistent.
func (b *Broker) leave(s *session) {
	s.end(success)
	b.mu.Lock()
	if s.left {
		b.mu.Unlock()
		return
	}
	s.left = true
	source := s.identity.SourceID
	if b.sessions[source] == s {
		delete(b.sessions, source)
		if s.expiry > 0 && !s.revoked.Load() {
			s.state.expiresAt = time.Now().Add(s.expiry)
			b.parked[source] = s.state
		}
	}
	b.mu.Unlock()
	b.d.Usage.Closed(source)
}

// expiryOf is how long the state of a session outlives its connection. In MQTT
// 3.1.1 a session that is not clean has no end; ours is a day.
func expiryOf(pk packets.Packet) time.Duration {
	if pk.ProtocolVersion < 5 {
		if pk.Connect.Clean {
			return 0
		}
		return maxExpiry
	}
	return min(time.Duration(pk.Properties.SessionExpiryInterval)*time.Second, maxExpiry)
}

// owns reports whether a topic is the device's own to publish to: its data topic
// or a level below it.
func (s *session) owns(topic string) bool {
	own := s.dataTopic
	return topic == own || (strings.HasPrefix(topic, own) && len(topic) > len(own)+1 && topic[len(own)] == '/')
}

// mayHear reports whether a filter stays within the source's own topics.
func (s *session) mayHear(filter string) bool {
	return strings.HasPrefix(filter, s.root) && validFilter(filter)
}

// validFilter checks a topic filter's wildcards (MQTT 5.0, 4.7.1).
func validFilter(filter string) bool {
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if strings.Contains(level, "#") && (level != "#" || i != len(levels)-1) {
			return false
		}
		if strings.Contains(level, "+") && level != "+" {
			return false
		}
	}
	return !strings.ContainsRune(filter, 0)
}

// matches reports whether a topic is in a filter.
func matches(filter, topic string) bool {
	for {
		want, moreWant, isMoreWant := strings.Cut(filter, "/")
		level, moreLevel, isMoreLevel := strings.Cut(topic, "/")
		switch {
		case want == "#":
			return true
		case want != "+" && want != level:
			return false
		case !isMoreWant && !isMoreLevel:
			return true
		case isMoreWant && !isMoreLevel:
			return moreWant == "#" // "a/#" is also in "a"
		case !isMoreWant:
			return false
		}
		filter, topic = moreWant, moreLevel
	}
}

// names of a source's topics.
func topicsOf(s *session) (root, data string) {
	data = sunsource.Topic(s.identity.SourceID)
	return strings.TrimSuffix(data, "data"), data
}
