package mqttbroker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
)

func TestAQoS2PublishIsTakenOnceUntilItIsReleased(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		d := h.join(t, version, h.gate.add())
		d.publish(2, 5, "first")
		d.acked(packets.Pubrec, 5, success)
		d.publish(2, 5, "first", dup)
		d.acked(packets.Pubrec, 5, success)
		d.publish(2, 5, "first") // also without the flag
		d.acked(packets.Pubrec, 5, success)
		d.publish(2, 6, "other")
		d.acked(packets.Pubrec, 6, success)
		d.ack(packets.Pubrel, 5)
		d.acked(packets.Pubcomp, 5, success)
		d.publish(2, 5, "second")
		d.acked(packets.Pubrec, 5, success)
		if got := h.ingest.payloads(); !slices.Equal(got, []string{"first", "other", "second"}) {
			t.Errorf("deliveries are %q", got)
		}
	})
}

func TestAReleaseOfNothingIsSaidToBe(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		h.ingest.hold = true
		d := h.join(t, version, h.gate.add())
		d.ack(packets.Pubrel, 77)
		d.acked(packets.Pubcomp, 77, packetIDNotFound)
		d.publish(2, 78, "x")
		h.ingest.await(t, 1)
		d.ack(packets.Pubrel, 78) // too early
		d.acked(packets.Pubcomp, 78, packetIDNotFound)
		h.ingest.release(nil, 0)
		d.acked(packets.Pubrec, 78, success)
		d.ack(packets.Pubrel, 78)
		d.acked(packets.Pubcomp, 78, success)
		d.ack(packets.Pubrel, 78)
		d.acked(packets.Pubcomp, 78, packetIDNotFound)
	})
}

func TestAQoS2PublishThatWasRefusedIsForgotten(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	h.ingest.hold = true
	d := h.join(t, 5, h.gate.add())
	d.publish(2, 1, "?")
	h.ingest.await(t, 1)
	h.ingest.release(errInvalid, 0)
	d.acked(packets.Pubrec, 1, payloadInvalid)
	d.ack(packets.Pubrel, 1)
	d.acked(packets.Pubcomp, 1, packetIDNotFound)
	d.publish(2, 1, "good")
	h.ingest.await(t, 2)
	h.ingest.release(nil, 1)
	d.acked(packets.Pubrec, 1, success)
}

func TestQoS2IsExactlyOnceOverAReconnect(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		d := h.join(t, version, a, persistent)
		d.publish(2, 1, "one")
		d.acked(packets.Pubrec, 1, success)
		d.conn.Close()
		eventually(t, "the device is away", func() bool { return h.Stats().Sessions == 0 })

		d, present := h.rejoin(t, version, a, persistent)
		if !present {
			t.Fatal("the session is not present")
		}
		d.publish(2, 1, "one", dup)
		d.acked(packets.Pubrec, 1, success)
		d.ack(packets.Pubrel, 1)
		d.acked(packets.Pubcomp, 1, success)
		d.publish(2, 1, "two")
		d.acked(packets.Pubrec, 1, success)
		if got := h.ingest.payloads(); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("deliveries are %q", got)
		}
	})
}

// The first connection is gone before the journal has its publish; the device
// sends it again on the next.
func TestAQoS2PublishOnItsWayIsNotHandedOverAgain(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		for name, taken := range map[string]bool{"after it left": false, "by takeover": true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := open(t, Config{})
				h.ingest.hold = true
				a := h.gate.add()
				d := h.join(t, version, a, persistent)
				d.publish(2, 1, "one")
				h.ingest.await(t, 1)
				if !taken {
					d.conn.Close()
					eventually(t, "the device is away", func() bool { return h.Stats().Sessions == 0 })
				}
				for range 2 {
					d, _ = h.rejoin(t, version, a, persistent)
					d.publish(2, 1, "one", dup)
					d.silent()
				}
				h.ingest.release(nil, 0)
				d.acked(packets.Pubrec, 1, success)
				d.ack(packets.Pubrel, 1)
				d.acked(packets.Pubcomp, 1, success)
				if got := h.ingest.payloads(); !slices.Equal(got, []string{"one"}) {
					t.Errorf("deliveries are %q", got)
				}
			})
		}
	})
}

func TestAQoS2PublishThatMayBeLostIsTakenAgain(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		h.ingest.hold = true
		a := h.gate.add()
		d := h.join(t, version, a, persistent)
		d.publish(2, 1, "one")
		h.ingest.await(t, 1)
		h.ingest.release(errAway, 0)
		d.cutOff(serverBusy)
		eventually(t, "the device is away", func() bool { return h.Stats().Sessions == 0 })
		d, present := h.rejoin(t, version, a, persistent)
		if !present {
			t.Fatal("the session is not present")
		}
		d.publish(2, 1, "one", dup)
		h.ingest.await(t, 2)
		h.ingest.release(nil, 1)
		d.acked(packets.Pubrec, 1, success)
	})
}

func TestUnreleasedPublishesAreBounded(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	d := h.join(t, 4, h.gate.add())
	for i := range maxUnreleased {
		d.publish(2, uint16(i+1), fmt.Sprint(i))
		d.acked(packets.Pubrec, uint16(i+1), success)
	}
	d.publish(2, maxUnreleased, "again", dup) // one of them is no further one
	d.acked(packets.Pubrec, maxUnreleased, success)
	d.publish(2, maxUnreleased+1, "one too many")
	d.cutOff(receiveMaximumPassed)
	if got := len(h.ingest.deliveries()); got != maxUnreleased {
		t.Errorf("%d deliveries, want %d", got, maxUnreleased)
	}
}
