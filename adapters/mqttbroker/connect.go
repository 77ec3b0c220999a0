package mqttbroker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	health "ampra/core/device"
	"ampra/core/fault"
	"ampra/modules/credentials"
)

const (
	// maxConnect bounds a CONNECT packet: client id, name, key and a will.
	maxConnect = 16 << 10
	// maxExpiry is how long the state of a persistent session waits for its device.
	maxExpiry = 24 * time.Hour
)

// open reads CONNECT, signs in, and answers. With an error the connection is to
// be closed; whatever there was to say has been said.
func (b *Broker) open(ctx context.Context, conn net.Conn) (*session, error) {
	_ = conn.SetDeadline(time.Now().Add(b.cfg.Handshake))
	ctx = health.WithRemote(ctx, conn.RemoteAddr().String())
	reader := newInlet(conn, &b.basins)
	c, err := readConnect(reader)
	if err == nil {
		err = c.acceptable()
	}
	var s *session
	if err == nil {
		s, err = b.signIn(ctx, conn, reader, c)
	}
	if err == nil {
		return s, nil
	}
	reader.close()
	if v, ok := errors.AsType[violation](err); ok {
		refuse(conn, v.code, c.version)
	}
	return nil, err
}

// readConnect reads the first packet, which must be CONNECT.
func readConnect(reader *inlet) (connect, error) {
	h, err := readHeader(reader, maxConnect)
	if err != nil {
		return connect{}, err
	}
	if h.kind != packets.Connect {
		return connect{}, violation{protocolError, "the first packet is not CONNECT"}
	}
	body, err := readBody(reader, h.remaining, nil)
	if err != nil {
		return connect{}, err
	}
	return parseConnect(body)
}

// acceptable refuses what the broker does not do.
func (c connect) acceptable() error {
	switch {
	case c.authentication:
		return violation{badAuthentication, "there is no exchange of AUTH packets"}
	case c.clientID == "":
		return violation{clientIDInvalid, "the client id is empty"}
	default:
		return nil
	}
}

// signIn checks who connects and makes the session.
func (b *Broker) signIn(ctx context.Context, conn net.Conn, reader *inlet, c connect) (*session, error) {
	identity, err := b.identify(ctx, c)
	if err != nil {
		return nil, err
	}
	s := newSession(ctx, b, conn, reader, identity, c)
	if c.will != nil {
		if _, ok := s.own([]byte(c.will.topic)); !ok {
			s.cancel()
			return nil, violation{notAuthorized, "the will's topic is not the device's own"}
		}
	}
	present := b.enter(ctx, s, c.clean)
	// The credential may have been replaced while it was being checked. From here
	// on a revocation finds the session; one that came before is found here.
	holds, err := b.confirm(ctx, s)
	switch {
	case b.isRevoked(s), err == nil && !holds:
		err = errRevoked
	case err != nil:
		err = fmt.Errorf("%w: %w", violation{serverUnavailable, "the sign-in can't be confirmed now"}, err)
	default:
		if err = s.welcome(c, present); err != nil && b.isRevoked(s) {
			err = errRevoked
		}
	}
	if err != nil {
		b.dismiss(ctx, s)
		return nil, err
	}
	return s, nil
}

var errRevoked = violation{badCredentials, "the credential was revoked during the sign-in"}

// identify asks the gate who connects.
func (b *Broker) identify(ctx context.Context, c connect) (credentials.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Handshake)
	defer cancel()
	identity, err := b.d.Gate.SignInMQTT(ctx, c.clientID, c.username, c.password)
	switch {
	case fault.Is(err, fault.Unauthenticated):
		return credentials.Session{}, violation{badCredentials, "the client id, user name or key is wrong"}
	case err != nil:
		return credentials.Session{}, fmt.Errorf("%w: %w", violation{serverUnavailable, "the sign-in can't be checked now"}, err)
	}
	return identity, nil
}

// welcome sends the CONNACK of a session and lets it begin.
func (s *session) welcome(c connect, present bool) error {
	ack := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connack}, ProtocolVersion: s.version, SessionPresent: present,
		Properties: packets.Properties{
			ReceiveMaximum: s.broker.cfg.ReceiveMaximum, MaximumPacketSize: uint32(min(s.broker.cfg.MaxPacket, math.MaxInt32)), //nolint:gosec // bounded
			SharedSubAvailableFlag: true, SubIDAvailableFlag: true, // present and 0: not available
		},
	}
	if time.Duration(c.expiry)*time.Second > maxExpiry {
		ack.Properties.SessionExpiryInterval, ack.Properties.SessionExpiryIntervalFlag = uint32(maxExpiry.Seconds()), true
	}
	var buf bytes.Buffer
	if err := ack.ConnackEncode(&buf); err != nil {
		return fmt.Errorf("encoding CONNACK: %w", err)
	}
	return s.begin(buf.Bytes())
}

// refuse answers a CONNECT with a failure.
func refuse(conn net.Conn, code, version byte) {
	answer := refusal(code, version)
	if answer == nil {
		return
	}
	_ = conn.SetWriteDeadline(time.Now().Add(endTime))
	_ = conn.SetReadDeadline(time.Now().Add(lingerTime))
	if _, err := conn.Write(answer); err == nil {
		hangUp(conn)
		linger(conn)
	}
}

// refusal is a CONNACK with a failure, nil where the protocol has none for it:
// then the connection just closes.
func refusal(code, version byte) []byte {
	if version == 5 || version > 5 && code == unsupportedProtocol {
		return []byte{packets.Connack << 4, 3, 0, code, 0}
	}
	if version == 0 {
		return nil
	}
	switch code { // MQTT 3.1.1, 3.2.2.3
	case unsupportedProtocol:
		code = 1
	case clientIDInvalid:
		code = 2
	case serverUnavailable, serverBusy:
		code = 3
	case badCredentials:
		code = 4
	case notAuthorized:
		code = 5
	default:
		return nil
	}
	return []byte{packets.Connack << 4, 2, 0, code}
}

// expiryOf is how long the state of a session outlives its connection. In MQTT
// 3.1.1 a session that is not clean has no end; ours is a day.
func expiryOf(c connect) time.Duration {
	if c.version < 5 {
		if c.clean {
			return 0
		}
		return maxExpiry
	}
	return min(time.Duration(c.expiry)*time.Second, maxExpiry)
}
