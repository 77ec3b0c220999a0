package mqttbroker

import (
	"fmt"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

func TestMoreThanTheReceiveMaximumEndsAnMQTT5Session(t *testing.T) {
	t.Parallel()
	for qos := byte(1); qos <= 2; qos++ {
		t.Run(fmt.Sprintf("QoS %d", qos), func(t *testing.T) {
			t.Parallel()
			h := open(t, Config{ReceiveMaximum: 3})
			h.ingest.hold = true
			d := h.join(t, 5, h.gate.add())
			for id := uint16(1); id <= 3; id++ {
				d.publish(qos, id, "x")
			}
			h.ingest.await(t, 3)
			d.silent()
			d.publish(qos, 4, "x")
			d.cutOff(receiveMaximumPassed)
			if got := len(h.ingest.deliveries()); got != 3 {
				t.Errorf("%d deliveries, want 3", got)
			}
		})
	}
}

func TestTheReceiveMaximumCountsWhatIsNotCompleted(t *testing.T) {
	t.Parallel()
	h := open(t, Config{ReceiveMaximum: 2})
	a := h.gate.add()
	d := h.join(t, 5, a, persistent)
	for id := uint16(1); id <= 50; id++ { // each gives its place back
		d.publish(1, id, "x")
		d.acked(packets.Puback, id, success)
		d.publish(2, id, "x")
		d.acked(packets.Pubrec, id, success)
		d.publish(2, 1000, "x", func(pk *packets.Packet) { pk.TopicName = "other" })
		d.acked(packets.Pubrec, 1000, notAuthorized)
		d.ack(packets.Pubrel, id)
		d.acked(packets.Pubcomp, id, success)
	}
	d.publish(2, 51, "x")
	d.acked(packets.Pubrec, 51, success)
	d.publish(2, 52, "x")
	d.acked(packets.Pubrec, 52, success)
	d.publish(0, 0, "QoS 0 is not counted")
	d.silent()
	d.publish(1, 53, "x") // two are not released
	d.cutOff(receiveMaximumPassed)
	eventually(t, "the device is away", func() bool { return h.Stats().Sessions == 0 })

	d = h.join(t, 5, a, persistent) // each connection begins with all places
	d.publish(2, 51, "x", dup)
	d.acked(packets.Pubrec, 51, success)
	d.publish(1, 53, "x")
	d.acked(packets.Puback, 53, success)
}

func TestMQTT311IsHeldBackInstead(t *testing.T) {
	t.Parallel()
	h := onTCP(t, Config{ReceiveMaximum: 3})
	h.ingest.hold = true
	d := h.joinTCP(t, 4, h.gate.add())
	for id := uint16(1); id <= 10; id++ {
		d.publish(1+byte(id%2), id, "x")
	}
	for n := 3; n <= 10; n++ {
		h.ingest.await(t, n)
		<-time.After(5 * time.Millisecond)
		if got := len(h.ingest.deliveries()); got != n {
			t.Fatalf("%d deliveries with %d answered, want %d", got, n-3, n)
		}
		h.ingest.release(nil, n-3)
		d.acked(answerTo(1+byte((n-2)%2)), uint16(n-2), success)
	}
	h.ingest.release(nil, 8, 9)
}

func TestADeviceThatDoesNotReadIsHeldBack(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		d := h.join(t, version, a)
		d.subscribe(1, packets.Subscription{Filter: a.data()})
		// A pipe has no buffer of its own: what the broker does not read stays here.
		sent := make(chan int, 1)
		go func() {
			one := encode(t, d.reading(0, 0, string(make([]byte, 1000))))
			ping := []byte{packets.Pingreq << 4, 0}
			n := 0
			for ; n < 1_000_000; n++ {
				_ = d.conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
				if _, err := d.conn.Write(append(one, ping...)); err != nil {
					break
				}
			}
			sent <- n
		}()
		if n := <-sent; n > 1000 {
			t.Errorf("it could send %d publishes without reading", n)
		}
		h.mu.Lock()
		s := h.sessions[a.source]
		h.mu.Unlock()
		if s == nil {
			return // given up already
		}
		s.mu.Lock()
		waiting := len(s.out)
		s.mu.Unlock()
		s.state.mu.Lock()
		queued := s.state.bytes
		s.state.mu.Unlock()
		if waiting > 2*maxOut || queued > maxQueuedBytes {
			t.Errorf("%d bytes wait to be written and %d in the queue", waiting, queued)
		}
	})
}

func TestADeviceThatLeavesRightAfterAPublishHasPublished(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := onTCP(t, Config{})
		a := h.gate.add()
		d := h.joinTCP(t, version, a)
		bye := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ProtocolVersion: version}
		d.write(append(encode(t, d.reading(0, 0, "last words")), encode(t, bye)...)...)
		d.conn.Close()
		if got := string(h.ingest.await(t, 1)[0].Payload); got != "last words" {
			t.Errorf("got %q", got)
		}
	})
}

func TestAnswersLeaveWhileTheNextPacketIsStillComing(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := onTCP(t, Config{})
		d := h.joinTCP(t, version, h.gate.add())
		next := encode(t, d.reading(1, 2, "y"))
		for cut := 1; cut < len(next); cut++ {
			d.write(append(encode(t, d.reading(1, 1, "x")), next[:cut]...)...)
			d.acked(packets.Puback, 1, success)
			d.write(next[cut:]...)
			d.acked(packets.Puback, 2, success)
		}
	})
}
