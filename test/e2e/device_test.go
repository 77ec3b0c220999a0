package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// device5 is a device that speaks MQTT 5, over one connection.
type device5 struct {
	t      testing.TB
	client *paho.Client
	// cut has the reason code of the broker's DISCONNECT, or gone where the
	// connection just ended.
	cut chan int
}

// gone is a connection that ended without a word.
const gone = -1

// signIn is what a device signs in with.
type signIn struct{ clientID, user, password string }

func (s source) signIn() signIn {
	return signIn{*s.Details.ClientID, *s.Details.ClientID, *s.Details.Key}
}

// connect5 signs in by MQTT 5 and ends the test when it is refused.
func connect5(t testing.TB, conn net.Conn, as signIn) *device5 {
	t.Helper()
	d, code, err := try5(t, conn, as)
	if err != nil {
		t.Fatalf("signing in as %s by MQTT 5: code 0x%02x: %v", as.clientID, code, err)
	}
	return d
}

// try5 signs in by MQTT 5. code is the broker's, 0 for success.
func try5(t testing.TB, conn net.Conn, as signIn) (d *device5, code byte, err error) {
	t.Helper()
	d = &device5{t: t, cut: make(chan int, 4)}
	d.client = paho.NewClient(paho.ClientConfig{
		Conn: conn, PacketTimeout: patience,
		OnServerDisconnect: func(p *paho.Disconnect) { d.cut <- int(p.ReasonCode) },
		OnClientError:      func(error) { d.cut <- gone },
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ack, err := d.client.Connect(ctx, &paho.Connect{
		ClientID: as.clientID, KeepAlive: 60, CleanStart: true,
		UsernameFlag: as.user != "", Username: as.user, PasswordFlag: true, Password: []byte(as.password),
	})
	if err != nil {
		_ = conn.Close()
		if ack != nil {
			code = ack.ReasonCode
		}
		return nil, code, err
	}
	t.Cleanup(d.leave)
	return d, 0, nil
}

// leave says goodbye.
func (d *device5) leave() { _ = d.client.Disconnect(&paho.Disconnect{}) }

// publish publishes at QoS 1 and returns the acknowledgement's code.
func (d *device5) publish(topic, payload string) (byte, error) {
	return d.publishWithin(patience, topic, payload)
}

// publishWithin waits only so long: the library does not always see that no
// acknowledgement can come any more.
func (d *device5) publishWithin(limit time.Duration, topic, payload string) (byte, error) {
	ctx, cancel := context.WithTimeout(d.t.Context(), limit)
	defer cancel()
	ack, err := d.client.Publish(ctx, &paho.Publish{QoS: 1, Topic: topic, Payload: []byte(payload)})
	if ack != nil { // paho also makes an error of a code of 0x80 and above
		return ack.ReasonCode, nil
	}
	return 0, err
}

// send publishes what must be taken. Codes below 0x80 are words of success.
func (d *device5) send(topic, payload string) {
	d.t.Helper()
	if code, err := d.publish(topic, payload); err != nil || code >= 0x80 {
		d.t.Fatalf("publishing by MQTT 5: code 0x%02x, %v", code, err)
	}
}

// cutOff waits for the end of the connection and returns its reason code.
func (d *device5) cutOff(limit time.Duration) (int, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case code := <-d.cut:
		return code, nil
	case <-timer.C:
		return 0, fmt.Errorf("still connected after %s", limit)
	}
}

// device3 is a device that speaks MQTT 3.1.1, byte by byte, since the library
// speaks version 5 only.
type device3 struct {
	t      testing.TB
	conn   net.Conn
	reader *bufio.Reader
	lastID uint16
}

// The packets of MQTT that a device sends and gets.
const (
	packetConnect, packetConnack, packetPublish, packetPuback = 0x10, 0x20, 0x32, 0x40
)

// connect3 signs in by MQTT 3.1.1. code is the CONNACK's, 0 for success.
func connect3(t testing.TB, conn net.Conn, as signIn) (d *device3, code byte) {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	d = &device3{t: t, conn: conn, reader: bufio.NewReader(conn)}
	body := field("MQTT")
	body = append(body, 4, 0b1100_0010, 0, 60) // version, name + password + clean session, keep-alive
	body = append(body, field(as.clientID)...)
	body = append(body, field(as.user)...)
	body = append(body, field(as.password)...)
	d.write(packetConnect, body)
	kind, answer, err := d.read()
	if err != nil || kind != packetConnack || len(answer) != 2 {
		t.Fatalf("signing in as %s by MQTT 3.1.1: packet 0x%02x % x, %v", as.clientID, kind, answer, err)
	}
	return d, answer[1]
}

// publish publishes at QoS 1 and waits for the acknowledgement.
func (d *device3) publish(topic, payload string) error {
	d.lastID++
	body := binary.BigEndian.AppendUint16(field(topic), d.lastID)
	d.write(packetPublish, append(body, payload...))
	kind, answer, err := d.read()
	if err != nil {
		return err
	}
	if kind != packetPuback || len(answer) != 2 || binary.BigEndian.Uint16(answer) != d.lastID {
		return fmt.Errorf("packet 0x%02x % x is no acknowledgement of %d", kind, answer, d.lastID)
	}
	return nil
}

// closed waits until the broker has closed the connection.
func (d *device3) closed(limit time.Duration) error {
	_ = d.conn.SetReadDeadline(time.Now().Add(limit))
	kind, err := d.reader.ReadByte()
	switch {
	case err == nil:
		return fmt.Errorf("a packet 0x%02x came, MQTT 3.1.1 knows no word for it", kind)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("still connected after %s", limit)
	default:
		return nil
	}
}

// field is a text with its length before it.
func field(text string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)
}

// write sends a packet. An error shows when the answer is read.
func (d *device3) write(kind byte, body []byte) {
	packet := bytes.NewBuffer([]byte{kind})
	n := len(body)
	for ; n > 127; n >>= 7 {
		packet.WriteByte(byte(n) | 0x80)
	}
	packet.WriteByte(byte(n))
	packet.Write(body)
	_, _ = d.conn.Write(packet.Bytes())
}

// read reads a packet of at most 127 bytes.
func (d *device3) read() (kind byte, body []byte, err error) {
	_ = d.conn.SetReadDeadline(time.Now().Add(patience))
	if kind, err = d.reader.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := d.reader.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, n)
	_, err = io.ReadFull(d.reader, body)
	return kind, body, err
}

// dial opens a connection without TLS.
func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatalf("connecting to the broker: %v", err)
	}
	return conn
}

// dialTLS opens a connection with TLS that trusts the server's own certificate
// and nothing else, as a device does that was given it.
func dialTLS(t testing.TB, s *server) net.Conn {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(s.data, "tls", "cert.pem"))
	if err != nil {
		t.Fatalf("the self-made certificate: %v", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		t.Fatal("the self-made certificate can't be read")
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: &tls.Config{RootCAs: authorities, ServerName: "localhost", MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(t.Context(), "tcp", s.mqttTLS)
	if err != nil {
		t.Fatalf("connecting to the broker with TLS: %v", err)
	}
	return conn
}
