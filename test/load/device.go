package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/sunsource"
)

// source is a sun source and what its device signs in with.
type source struct {
	id  uuid.UUID
	key string
}

// window is how many publishes of one device may be unanswered; what is due
// beyond it waits in the device, and its time runs.
const window = 32

// pending is a publish without an answer.
type pending struct {
	due    time.Time
	number int
}

// device is one MQTT 3.1.1 client at QoS 1, as cheap as one can be: a packet is
// one write, its answer four bytes.
type device struct {
	fleet  *fleet
	source source
	conn   net.Conn

	mu    sync.Mutex
	book  ledger
	slots [window]pending
	free  []uint8
	queue []time.Time // due, and not sent for lack of a slot
	// broken says why the connection ended early.
	broken error
	packet []byte
	// partial is the beginning of an answer whose end has not come yet.
	partial [ackSize]byte
	have    int
	// answered is when the last answer came.
	answered time.Time
}

// handshake bounds the sign-in of a device.
const handshake = 30 * time.Second

// connect signs a device in. user is "" where the client id says it all.
func connect(ctx context.Context, address, clientID, user, password string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: handshake, LocalAddr: ownAddress(address, clientID)}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(handshake))
	if _, err := conn.Write(connectPacket(clientID, user, password)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	var answer [4]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return nil, errors.Join(fmt.Errorf("waiting for CONNACK: %w", err), conn.Close())
	}
	if answer[0] != 0x20 || answer[3] != 0 {
		return nil, errors.Join(fmt.Errorf("refused with code %d", answer[3]), conn.Close())
	}
	return conn, conn.SetDeadline(time.Time{})
}

// connectPacket is a CONNECT of MQTT 3.1.1 for a clean session without
// keep-alive.
func connectPacket(clientID, user, password string) []byte {
	flags := byte(0x02 | 0x80 | 0x40) // the standard wants a name with each password
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, flags}, 0, 0)
	if user == "" {
		user = clientID
	}
	for _, text := range []string{clientID, user, password} {
		body = binary.BigEndian.AppendUint16(body, uint16(len(text))) //nolint:gosec // names and keys are short
		body = append(body, text...)
	}
	return append(appendLength([]byte{0x10}, len(body)), body...)
}

// appendLength writes MQTT's variable length.
func appendLength(dst []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n)) //nolint:gosec // below 128
}

// newDevice is a device on a connection that has signed in.
func newDevice(f *fleet, s source, conn net.Conn) *device {
	d := &device{fleet: f, source: s, conn: conn, free: make([]uint8, 0, window)}
	for slot := range uint8(window) {
		d.free = append(d.free, slot)
	}
	return d
}

// send publishes a reading that was due at a moment, or lets it wait.
func (d *device) send(due time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken != nil {
		return
	}
	if len(d.free) == 0 {
		d.queue = append(d.queue, due)
		return
	}
	d.publish(due)
}

// publish writes a reading to the connection. There is a free slot.
func (d *device) publish(due time.Time) {
	slot := d.free[len(d.free)-1]
	d.free = d.free[:len(d.free)-1]
	number, stamp := d.book.begin(due.UnixMilli())
	d.slots[slot] = pending{due: due, number: number}
	d.packet = appendPublish(d.packet[:0], sunsource.Topic(d.source.id), uint16(slot)+1, stamp, number)
	if _, err := d.conn.Write(d.packet); err != nil {
		d.broken = err
		return
	}
	d.fleet.sent(d.source.id, stamp, due)
}

// appendPublish writes a PUBLISH at QoS 1 with a reading.
func appendPublish(dst []byte, topic string, id uint16, stamp int64, number int) []byte {
	const reserved = 5 // type and the longest length
	dst = append(dst, make([]byte, reserved)...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(topic))) //nolint:gosec // a topic is short
	dst = append(dst, topic...)
	dst = binary.BigEndian.AppendUint16(dst, id)
	dst = appendReading(dst, stamp, number)
	var head [reserved]byte
	header := appendLength(append(head[:0], 0x32), len(dst)-reserved)
	begin := reserved - len(header)
	copy(dst[begin:], header)
	return dst[begin:]
}

// read takes the answers until the connection ends, where no poller does.
func (d *device) read() {
	var buffer [4 * window]byte
	for {
		n, err := d.conn.Read(buffer[:])
		if err == nil {
			err = d.take(buffer[:n], time.Now())
		}
		if err != nil {
			d.end(err)
			return
		}
	}
}

// ackSize is that of a PUBACK.
const ackSize = 4

// take understands answers, which may be cut anywhere.
func (d *device) take(data []byte, now time.Time) error {
	for len(data) > 0 {
		n := copy(d.partial[d.have:], data)
		d.have += n
		data = data[n:]
		if d.have < ackSize {
			return nil
		}
		d.have = 0
		if d.partial[0] != 0x40 || d.partial[1] != 2 {
			return fmt.Errorf("a packet of type %#x instead of a PUBACK", d.partial[0])
		}
		d.answer(binary.BigEndian.Uint16(d.partial[2:])-1, now)
	}
	return nil
}

func (d *device) end(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken == nil {
		d.broken = err
	}
}

// answer takes one PUBACK and sends what waited for it.
func (d *device) answer(slot uint16, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slot >= window || d.slots[slot].due.IsZero() {
		d.broken = fmt.Errorf("an answer to packet %d, which is not open", slot+1)
		return
	}
	p := d.slots[slot]
	d.slots[slot] = pending{}
	d.free = append(d.free, uint8(slot))
	d.book.acknowledge(p.number)
	d.answered = now
	d.fleet.acknowledged(p.due, now, 1)
	switch {
	case d.broken != nil:
	case len(d.queue) > 0:
		next := d.queue[0]
		d.queue = d.queue[1:]
		d.publish(next)
	case d.fleet.flatOut():
		d.publish(now)
	}
}

// open is how many readings of the device have no answer.
func (d *device) open() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken != nil {
		return 0
	}
	return window - len(d.free) + len(d.queue)
}

// stop says goodbye and closes the connection.
func (d *device) stop() {
	d.end(net.ErrClosed)
	_ = d.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = d.conn.Write([]byte{0xe0, 0})
	_ = d.conn.Close()
}
