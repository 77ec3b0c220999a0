package mqttbroker

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

func TestPacketsOfAnySizeArriveInAnyPieces(t *testing.T) {
	t.Parallel()
	h := onTCP(t, Config{})
	a := h.gate.add()
	d := h.joinTCP(t, 4, a)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same pieces each time
	const count = 60                      // within the receive maximum
	var stream []byte
	var sent []string
	for i := range uint16(count) {
		text := strings.Repeat(string(rune('a'+i%26)), 1+random.IntN(9000))
		sent = append(sent, text)
		stream = append(stream, encode(t, d.reading(1, i+1, text))...)
	}
	go func() {
		for len(stream) > 0 {
			n := min(len(stream), 1+random.IntN(6000))
			if random.IntN(3) == 0 {
				n = min(len(stream), 1+random.IntN(5))
			}
			if _, err := d.conn.Write(stream[:n]); err != nil {
				t.Error(err)
				return
			}
			stream = stream[n:]
		}
	}()
	for i := range uint16(count) {
		d.acked(packets.Puback, i+1, success)
	}
	got := h.ingest.payloads()
	if len(got) != count {
		t.Fatalf("%d payloads came, want %d", len(got), count)
	}
	for i := range got {
		if got[i] != sent[i] {
			t.Fatalf("payload %d has %d bytes of %.1q, want %d of %.1q", i, len(got[i]), got[i], len(sent[i]), sent[i])
		}
	}
}

func TestASilentSessionHoldsNoBuffer(t *testing.T) {
	t.Parallel()
	h := onTCP(t, Config{})
	a := h.gate.add()
	d := h.joinTCP(t, 4, a)
	var b basins
	for range 3 {
		d.ping()
	}
	in := newInlet(d.conn, &b)
	if in.raw == nil {
		t.Skip("connections can't be waited on without a buffer here")
	}
	if _, err := d.conn.Write([]byte{packets.Pingreq << 4, 0}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := in.ReadByte(); err != nil {
			t.Fatal(err)
		}
	}
	if in.buffer == nil {
		t.Error("what was read was in no buffer")
	}
	_ = d.conn.SetReadDeadline(time.Unix(1, 0))
	if _, err := in.ReadByte(); err == nil || in.buffer != nil {
		t.Errorf("waiting ended with %v, holding %d bytes", err, len(in.buffer))
	}
}
