package mqttbroker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/core/credential"
	"ampra/modules/credentials"
)

// patience is how long a test waits for what has to come.
const patience = 10 * time.Second

// both are the protocol versions.
var both = map[string]byte{"MQTT 3.1.1": 4, "MQTT 5": 5}

// eachVersion runs a test in both versions.
func eachVersion(t *testing.T, test func(t *testing.T, version byte)) {
	t.Helper()
	for name, version := range both {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, version)
		})
	}
}

// pipes is a listener of connections in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	errs   chan error
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), closed: make(chan struct{}), errs: make(chan error, 100)}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case err := <-p.errs:
		return nil, err
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

func (p *pipes) dial(t testing.TB) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	select {
	case p.conns <- server:
	case <-p.closed:
		t.Fatal("the listener is closed")
	}
	return client
}

// house is a running broker and what it stands on.
type house struct {
	*Broker
	gate   *fakeGate
	ingest *fakeIngest
	usage  *fakeUsage
	brake  *fakeLimits
	pipes  *pipes
	tcp    net.Listener
	stop   func() error
}

// open starts a broker, which is stopped at the test's end.
func open(t testing.TB, cfg Config, listeners ...net.Listener) *house {
	t.Helper()
	h := &house{gate: newGate(), ingest: newIngest(), usage: &fakeUsage{}, brake: &fakeLimits{}, pipes: newPipes()}
	log := io.Discard
	if os.Getenv("MQTTBROKER_TEST_LOG") != "" {
		log = t.Output()
	}
	h.Broker = New(cfg, Deps{
		Gate: h.gate, Ingest: h.ingest, Usage: h.usage, Limits: h.brake, Foreign: nil,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	listeners = append(listeners, h.pipes)
	h.tcp = listeners[0]
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx, listeners...) }()
	h.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Errorf("Run ended with %v", err)
		}
		if n := h.usage.total(); n != 0 {
			t.Errorf("%d sessions were opened and not closed", n)
		}
	})
	return h
}

// onTCP is open with a listener on loopback.
func onTCP(t testing.TB, cfg Config) *house {
	t.Helper()
	return open(t, cfg, loopback(t))
}

func loopback(t testing.TB) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (h *house) dialTCP(t testing.TB) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", h.tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// device is a client that speaks byte by byte, with the library's codec.
type device struct {
	testing.TB
	conn    net.Conn
	reader  *bufio.Reader
	version byte
	account
}

func attach(t testing.TB, conn net.Conn, version byte, a account) *device {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	return &device{TB: t, conn: conn, reader: bufio.NewReader(conn), version: version, account: a}
}

// hello is a CONNECT of the account; changes are made to it.
func (d *device) hello(changes ...func(*packets.Packet)) packets.Packet {
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: d.version,
		Connect: packets.ConnectParams{
			ProtocolName: []byte("MQTT"), Clean: true, ClientIdentifier: d.clientID,
			UsernameFlag: true, Username: []byte(d.clientID), PasswordFlag: true, Password: []byte(d.key),
		},
	}
	for _, change := range changes {
		change(&pk)
	}
	return pk
}

func persistent(pk *packets.Packet) {
	pk.Connect.Clean = false
	if pk.ProtocolVersion == 5 {
		pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 3600, true
	}
}

// join connects over a pipe and is let in.
func (h *house) join(t testing.TB, version byte, a account, changes ...func(*packets.Packet)) *device {
	t.Helper()
	d, _ := h.rejoin(t, version, a, changes...)
	return d
}

// rejoin is join that also returns whether the session was present.
func (h *house) rejoin(t testing.TB, version byte, a account, changes ...func(*packets.Packet)) (d *device, present bool) {
	t.Helper()
	d = attach(t, h.pipes.dial(t), version, a)
	d.send(d.hello(changes...))
	return d, d.welcomed()
}

// joinTCP is join over loopback.
func (h *house) joinTCP(t testing.TB, version byte, a account, changes ...func(*packets.Packet)) *device {
	t.Helper()
	d := attach(t, h.dialTCP(t), version, a)
	d.send(d.hello(changes...))
	d.welcomed()
	return d
}

func (d *device) welcomed() (present bool) {
	d.Helper()
	ack := d.expect(packets.Connack)
	if ack.ReasonCode != 0 {
		d.Fatalf("CONNACK has 0x%02X, want success", ack.ReasonCode)
	}
	return ack.SessionPresent
}

// encode is a packet's bytes.
func encode(t testing.TB, pk packets.Packet) []byte {
	t.Helper()
	var buf bytes.Buffer
	encoders := map[byte]func(*bytes.Buffer) error{
		packets.Connect: pk.ConnectEncode, packets.Publish: pk.PublishEncode, packets.Puback: pk.PubackEncode,
		packets.Pubrec: pk.PubrecEncode, packets.Pubrel: pk.PubrelEncode, packets.Pubcomp: pk.PubcompEncode,
		packets.Subscribe: pk.SubscribeEncode, packets.Unsubscribe: pk.UnsubscribeEncode, packets.Pingreq: pk.PingreqEncode,
		packets.Disconnect: pk.DisconnectEncode, packets.Auth: pk.AuthEncode,
	}
	if err := encoders[pk.FixedHeader.Type](&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func (d *device) send(pk packets.Packet) {
	d.Helper()
	pk.ProtocolVersion = d.version
	d.write(encode(d, pk)...)
}

func (d *device) write(b ...byte) {
	d.Helper()
	_ = d.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := d.conn.Write(b); err != nil {
		d.Fatalf("writing: %v", err)
	}
}

// reading is a PUBLISH to the device's own topic.
func (d *device) reading(qos byte, id uint16, payload string, changes ...func(*packets.Packet)) packets.Packet {
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos}, ProtocolVersion: d.version,
		TopicName: d.data(), PacketID: id, Payload: []byte(payload),
	}
	for _, change := range changes {
		change(&pk)
	}
	return pk
}

func dup(pk *packets.Packet) { pk.FixedHeader.Dup = true }

func (d *device) publish(qos byte, id uint16, payload string, changes ...func(*packets.Packet)) {
	d.Helper()
	d.send(d.reading(qos, id, payload, changes...))
}

func (d *device) ack(kind byte, id uint16) {
	d.Helper()
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: kind}, PacketID: id}
	if kind == packets.Pubrel {
		pk.FixedHeader.Qos = 1
	}
	d.send(pk)
}

func (d *device) subscribe(id uint16, filters ...packets.Subscription) []byte {
	d.Helper()
	d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: id, Filters: filters})
	ack := d.expect(packets.Suback)
	if ack.PacketID != id {
		d.Fatalf("SUBACK has the id %d, want %d", ack.PacketID, id)
	}
	return ack.ReasonCodes
}

func (d *device) ping() {
	d.Helper()
	d.write(packets.Pingreq<<4, 0)
	d.expect(packets.Pingresp)
}

// receive reads the next packet.
func (d *device) receive() (packets.Packet, error) {
	_ = d.conn.SetReadDeadline(time.Now().Add(patience))
	pk := packets.Packet{ProtocolVersion: d.version}
	first, err := d.reader.ReadByte()
	if err != nil {
		return pk, err
	}
	if err := pk.FixedHeader.Decode(first); err != nil {
		return pk, err
	}
	if pk.FixedHeader.Remaining, _, err = packets.DecodeLength(d.reader); err != nil {
		return pk, err
	}
	body := make([]byte, pk.FixedHeader.Remaining)
	if _, err := io.ReadFull(d.reader, body); err != nil {
		return pk, err
	}
	decoders := map[byte]func([]byte) error{
		packets.Connack: pk.ConnackDecode, packets.Publish: pk.PublishDecode, packets.Puback: pk.PubackDecode,
		packets.Pubrec: pk.PubrecDecode, packets.Pubcomp: pk.PubcompDecode, packets.Suback: pk.SubackDecode,
		packets.Unsuback: pk.UnsubackDecode, packets.Pingresp: pk.PingrespDecode, packets.Disconnect: pk.DisconnectDecode,
	}
	decode, ok := decoders[pk.FixedHeader.Type]
	if !ok {
		return pk, errors.New("a server sends no " + packets.PacketNames[pk.FixedHeader.Type])
	}
	return pk, decode(body)
}

// expect reads the next packet, which has to be of the kind.
func (d *device) expect(kind byte) packets.Packet {
	d.Helper()
	pk, err := d.receive()
	if err != nil {
		d.Fatalf("reading %s: %v", packets.PacketNames[kind], err)
	}
	if pk.FixedHeader.Type != kind {
		d.Fatalf("got %s (id %d, code 0x%02X), want %s", packets.PacketNames[pk.FixedHeader.Type], pk.PacketID, pk.ReasonCode, packets.PacketNames[kind])
	}
	return pk
}

// acked expects an acknowledgement. MQTT 3.1.1 has no code.
func (d *device) acked(kind byte, id uint16, code byte) {
	d.Helper()
	pk := d.expect(kind)
	if d.version < 5 {
		code = 0
	}
	if pk.PacketID != id || pk.ReasonCode != code {
		d.Fatalf("%s has the id %d and 0x%02X, want %d and 0x%02X", packets.PacketNames[kind], pk.PacketID, pk.ReasonCode, id, code)
	}
}

// cutOff expects the end of the session: MQTT 5 is told the code, unless it is
// success.
func (d *device) cutOff(code byte) {
	d.Helper()
	if d.version == 5 && code != success {
		if pk := d.expect(packets.Disconnect); pk.ReasonCode != code {
			d.Fatalf("DISCONNECT has 0x%02X, want 0x%02X", pk.ReasonCode, code)
		}
	}
	d.closed()
}

// closed expects the end of the connection, without another packet, and closes
// it too.
func (d *device) closed() {
	d.Helper()
	pk, err := d.receive()
	defer d.conn.Close()
	switch {
	case err == nil:
		d.Fatalf("got %s (code 0x%02X), want the connection's end", packets.PacketNames[pk.FixedHeader.Type], pk.ReasonCode)
	case errors.Is(err, os.ErrDeadlineExceeded):
		d.Fatal("the connection is still open")
	}
}

// silent expects that nothing comes for a moment: a ping is answered first.
func (d *device) silent() {
	d.Helper()
	d.ping()
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("it never was so: %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

// sessionOf is what the gate says of an account's sign-in.
func sessionOf(h *house, a account) credentials.Session {
	session, _, _ := h.gate.match(a.clientID, "", credential.NewSecret(a.key))
	return session
}

// quiet is a log that nobody reads.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
