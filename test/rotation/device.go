package rotation

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// device is one connection, byte by byte: a library would hide what is looked for
// here, and speaks one version only.
type device struct {
	conn    net.Conn
	reader  *bufio.Reader
	version byte

	writing sync.Mutex
	last    uint16
}

// dial connects; receive is the size of the socket's buffer in bytes, 0 for the
// system's.
func dial(ctx context.Context, address string, receive int) (*device, error) {
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok && receive > 0 {
		_ = tcp.SetReadBuffer(receive)
	}
	return &device{conn: conn, reader: bufio.NewReaderSize(conn, 512)}, nil
}

func (d *device) close() { _ = d.conn.Close() }

// text is a text with its length before it.
func text(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) //nolint:gosec // a program's own texts
}

// packet is a packet with its header.
func packet(kind byte, body []byte) []byte {
	return slices.Concat([]byte{kind}, binary.AppendUvarint(nil, uint64(len(body))), body)
}

// connectPacket is a CONNECT with a clean session.
func connectPacket(version byte, clientID, key string) []byte {
	body := append(text("MQTT"), version, 0b1100_0010, 0, 60)
	if version == 5 {
		body = append(body, 0)
	}
	return packet(0x10, slices.Concat(body, text(clientID), text(clientID), text(key)))
}

// signIn sends CONNECT and returns the code of the answer.
func (d *device) signIn(version byte, clientID, key string) (byte, error) {
	d.version = version
	if err := d.send(connectPacket(version, clientID, key)); err != nil {
		return 0, err
	}
	return d.welcome()
}

// welcome reads the CONNACK.
func (d *device) welcome() (byte, error) {
	kind, body, err := d.read(time.Now().Add(patience))
	if err != nil {
		return 0, err
	}
	if kind != 0x20 || len(body) < 2 {
		return 0, fmt.Errorf("packet 0x%02x % x is no answer to CONNECT", kind, body)
	}
	return body[1], nil
}

func (d *device) send(bytes []byte) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	_ = d.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := d.conn.Write(bytes)
	return err
}

// publishPacket is a PUBLISH at QoS 1.
func (d *device) publishPacket(topic, payload string) []byte {
	d.last++
	if d.last == 0 {
		d.last = 1
	}
	body := binary.BigEndian.AppendUint16(text(topic), d.last)
	if d.version == 5 {
		body = append(body, 0)
	}
	return packet(0x32, append(body, payload...))
}

// publish publishes and reports whether that is acknowledged as taken.
func (d *device) publish(topic, payload string) (accepted bool, err error) {
	if err := d.send(d.publishPacket(topic, payload)); err != nil {
		return false, err
	}
	for {
		kind, body, err := d.read(time.Now().Add(patience))
		if err != nil {
			return false, err
		}
		if kind == 0x40 {
			return taken(body), nil
		}
	}
}

// taken reads a PUBACK: without a code, or with one below 0x80, it is success.
func taken(body []byte) bool { return len(body) < 3 || body[2] < 0x80 }

// subscribe subscribes to what the device may hear of itself.
func (d *device) subscribe(filter string) error {
	body := []byte{0, 9}
	if d.version == 5 {
		body = append(body, 0)
	}
	if err := d.send(packet(0x82, append(append(body, text(filter)...), 1))); err != nil {
		return err
	}
	kind, answer, err := d.read(time.Now().Add(patience))
	if err != nil || kind != 0x90 || answer[len(answer)-1] > 2 {
		return fmt.Errorf("subscribing is answered with 0x%02x % x: %w", kind, answer, err)
	}
	return nil
}

// goodbye ends the session in order.
func (d *device) goodbye() { _ = d.send([]byte{0xE0, 0}) }

// read reads one packet.
func (d *device) read(deadline time.Time) (kind byte, body []byte, err error) {
	_ = d.conn.SetReadDeadline(deadline)
	if kind, err = d.reader.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(d.reader)
	if err != nil || n > 1<<20 {
		return kind, nil, errors.Join(err, fmt.Errorf("a packet of %d bytes", n))
	}
	body = make([]byte, n)
	_, err = io.ReadFull(d.reader, body)
	return kind, body, err
}
