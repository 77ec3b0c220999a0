package mqttbroker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/mochi-mqtt/server/v2/packets"
)

// away ends the connection without a DISCONNECT.
func (h *house) away(t testing.TB, d *device) {
	t.Helper()
	d.conn.Close()
	eventually(t, "the device is away", func() bool { return h.Stats().Sessions == 0 })
}

func TestAPersistentSessionGoesOn(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		d, present := h.rejoin(t, version, a, persistent)
		if present {
			t.Error("a session is present at the first time")
		}
		d.subscribe(1, packets.Subscription{Filter: a.data(), Qos: 1})
		h.away(t, d)
		d, present = h.rejoin(t, version, a, persistent)
		if !present {
			t.Error("the session is not present")
		}
		d.publish(0, 0, "x")
		if got := d.expect(packets.Publish); string(got.Payload) != "x" {
			t.Errorf("got %q", got.Payload)
		}
	})
}

func TestACleanStartForgets(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		for name, taken := range map[string]bool{"after it left": false, "by takeover": true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := open(t, Config{})
				a := h.gate.add()
				d := h.join(t, version, a, persistent)
				d.subscribe(1, packets.Subscription{Filter: a.data(), Qos: 1})
				if !taken {
					h.away(t, d)
				}
				d, present := h.rejoin(t, version, a)
				d.publish(0, 0, "x")
				d.silent()
				if present {
					t.Error("a session is present")
				}
				h.away(t, d)
				if _, present := h.rejoin(t, version, a, persistent); present {
					t.Error("a session is present that was clean")
				}
			})
		}
	})
}

func TestASessionWithoutExpiryEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	a := h.gate.add()
	kept := func(pk *packets.Packet) { pk.Connect.Clean = false } // but no expiry
	h.away(t, h.join(t, 5, a, kept))
	if _, present := h.rejoin(t, 5, a, kept); present {
		t.Error("a session is present")
	}
	if _, present := h.rejoin(t, 5, a, kept); present { // a takeover ends the connection, too
		t.Error("a session is present")
	}
}

func TestDisconnectMaySetTheExpiry(t *testing.T) {
	t.Parallel()
	bye := func(seconds uint32) packets.Packet {
		return packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Disconnect},
			Properties:  packets.Properties{SessionExpiryInterval: seconds, SessionExpiryIntervalFlag: true},
		}
	}
	h := open(t, Config{})
	a := h.gate.add()
	leave := func(d *device, seconds uint32) {
		d.send(bye(seconds))
		d.closed()
		eventually(t, "the device is away", func() bool { return h.Stats().Sessions == 0 })
	}
	leave(h.join(t, 5, a, persistent), 0)
	d, present := h.rejoin(t, 5, a, persistent)
	if present {
		t.Error("a session is present that ended with its DISCONNECT")
	}
	leave(d, 7200)
	if d, present = h.rejoin(t, 5, a, persistent); !present {
		t.Error("the session is not present")
	}
	leave(d, 0)
	d = h.join(t, 5, a)
	d.send(bye(60))
	d.cutOff(protocolError)
}

func TestMessagesSurviveAReconnect(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		d := h.join(t, version, a, persistent)
		d.subscribe(1, packets.Subscription{Filter: a.data(), Qos: 1})
		h.ingest.set(func(f *fakeIngest) { f.hold = true })
		for i := range 30 {
			d.publish(1, uint16(i+1), fmt.Sprint(i))
		}
		h.ingest.await(t, 30)
		for i := range 20 {
			h.ingest.release(nil, i)
		}
		first, ids := d.sort(20, maxWindow)
		d.ack(packets.Puback, ids[1]) // the second alone
		more, id := d.sort(0, 1)
		ids = append(ids, id...)
		want := append(slices.Delete(slices.Clone(first), 1, 2), more...)
		h.away(t, d)
		for i := 20; i < 30; i++ { // durable while the device is away
			h.ingest.release(nil, i)
		}

		d, present := h.rejoin(t, version, a, persistent)
		if !present {
			t.Fatal("the session is not present")
		}
		var again []string
		var last []uint16
		for range maxWindow {
			pk := d.expect(packets.Publish)
			if !pk.FixedHeader.Dup {
				t.Errorf("%s is not marked as sent again", pk.Payload)
			}
			again, last = append(again, string(pk.Payload)), append(last, pk.PacketID)
		}
		if !slices.Equal(again, want) || !slices.Equal(last, slices.Delete(slices.Clone(ids), 1, 2)) {
			t.Errorf("%v came again with %v, want %v with the ids of %v", again, last, want, ids)
		}
		d.silent()
		for i := range 13 {
			d.ack(packets.Puback, last[i])
			pk := d.expect(packets.Publish)
			if got, want := string(pk.Payload), fmt.Sprint(17+i); got != want || pk.FixedHeader.Dup {
				t.Errorf("got %s (again: %t), want %s for the first time", got, pk.FixedHeader.Dup, want)
			}
		}
		d.silent()
	})
}

func TestASmallerWindowAfterAReconnectIsKept(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	a := h.gate.add()
	d := h.join(t, 5, a, persistent)
	d.subscribe(1, packets.Subscription{Filter: a.data(), Qos: 1})
	for i := range 5 {
		d.publish(1, uint16(i+1), fmt.Sprint(i))
		d.sort(1, 1)
	}
	h.away(t, d)
	d = h.join(t, 5, a, persistent, func(pk *packets.Packet) { pk.Properties.ReceiveMaximum = 2 })
	for i := range 4 {
		pk := d.expect(packets.Publish)
		if string(pk.Payload) != fmt.Sprint(i) || !pk.FixedHeader.Dup {
			t.Errorf("got %q (again: %t), want %d again", pk.Payload, pk.FixedHeader.Dup, i)
		}
		if i > 0 {
			d.silent()
			d.ack(packets.Puback, pk.PacketID)
		}
	}
}

func TestOnlyTheSessionThatGoesOnGetsTheMessages(t *testing.T) {
	t.Parallel()
	st := newState(uuid.Nil)
	before, now := &session{version: 5, window: 10, state: st}, &session{version: 5, window: 10, state: st}
	st.adopt(before)
	st.adopt(now)
	st.deliver(message{topic: "t", qos: 1})
	if got := st.fill(before, nil); len(got) > 0 || st.sent > 0 {
		t.Error("a session that was taken over took a message along")
	}
	if got := st.fill(now, nil); len(got) == 0 || st.sent != 1 {
		t.Error("the session that goes on got no message")
	}
}

func TestAStateIsWorthNothingWithAnotherKey(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		d := h.join(t, version, a, persistent)
		d.publish(2, 1, "with the leaked key")
		d.acked(packets.Pubrec, 1, success)
		h.away(t, d)
		a = h.gate.rotate(a, 0)
		d, present := h.rejoin(t, version, a, persistent)
		if present {
			t.Error("a session of the old key is present")
		}
		d.publish(2, 1, "with the new key")
		d.acked(packets.Pubrec, 1, success)
		if got := h.ingest.payloads(); len(got) != 2 {
			t.Errorf("deliveries are %q", got)
		}
	})
}

func TestASessionMayChangeItsProtocol(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	a := h.gate.add()
	d := h.join(t, 4, a, persistent)
	d.subscribe(1, packets.Subscription{Filter: a.data(), Qos: 1})
	d.publish(1, 1, "x")
	d.sort(1, 1)
	h.away(t, d)
	d, present := h.rejoin(t, 5, a, persistent)
	if pk := d.expect(packets.Publish); !present || string(pk.Payload) != "x" || !pk.FixedHeader.Dup {
		t.Errorf("got %+v (present: %t)", pk, present)
	}
}
