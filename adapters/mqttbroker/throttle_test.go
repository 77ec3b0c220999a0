package mqttbroker

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/mochi-mqtt/server/v2/packets"
)

// fakeLimits let every delivery through but those for which there are waits.
type fakeLimits struct {
	mu    sync.Mutex
	waits []time.Duration
	asked int
}

func (l *fakeLimits) Wait(uuid.UUID, uuid.UUID) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if len(l.waits) == 0 {
		return 0
	}
	wait := l.waits[0]
	l.waits = l.waits[1:]
	return wait
}

// hold has the next deliveries wait.
func (l *fakeLimits) hold(waits ...time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits = waits
}

func TestWhoSendsTooMuchWaitsAndLosesNothing(t *testing.T) {
	t.Parallel()
	eachVersionInTime(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		d := h.join(t, version, h.gate.add(), func(pk *packets.Packet) { pk.Connect.Keepalive = 10 })
		for qos := range byte(3) {
			h.brake.hold(80*time.Second, 40*time.Second) // longer than the keep-alive, which is none of the device's fault
			began := time.Now()
			go func() { // a pipe has no buffer: the device stands, as behind a full connection
				_ = d.conn.SetWriteDeadline(time.Time{})
				_, _ = d.conn.Write(encode(t, d.reading(qos, 1, "first")))
				_, _ = d.conn.Write(encode(t, d.reading(qos, 2, "second")))
				_, _ = d.conn.Write([]byte{packets.Pingreq << 4, 0})
			}()
			for id := range uint16(2) {
				switch qos {
				case 1:
					d.awaitFor(100 * time.Second)
					d.acked(packets.Puback, id+1, success)
				case 2:
					d.awaitFor(100 * time.Second)
					d.acked(packets.Pubrec, id+1, success)
				}
			}
			d.awaitFor(200 * time.Second)
			d.expect(packets.Pingresp)
			if took := time.Since(began); took != 120*time.Second {
				t.Errorf("QoS %d: both took %s, want 2m0s", qos, took)
			}
			if qos == 2 {
				for id := range uint16(2) {
					d.ack(packets.Pubrel, id+1)
					d.acked(packets.Pubcomp, id+1, success)
				}
			}
		}
		d.endsAfter(keepAliveTimeout, 15*time.Second) // the device's own silence still counts
	})
}

// awaitFor waits for the next packet longer than patience.
func (d *device) awaitFor(most time.Duration) {
	d.Helper()
	_ = d.conn.SetReadDeadline(time.Now().Add(most))
	if _, err := d.reader.Peek(1); err != nil {
		d.Fatalf("nothing came: %v", err)
	}
}

func TestPingsAreAnsweredUntilAPublishStandsBeforeThem(t *testing.T) {
	t.Parallel()
	eachVersionInTime(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		d := h.join(t, version, h.gate.add())
		h.brake.hold(time.Minute)
		began := time.Now()
		d.ping()
		d.ping()
		if took := time.Since(began); took != 0 {
			t.Errorf("pings took %s", took)
		}
		if h.brake.asked != 0 {
			t.Errorf("limits were asked %d times for what is no publish", h.brake.asked)
		}
	})
}

func TestAnswersDoNotWaitForWhoIsHeldBack(t *testing.T) {
	t.Parallel()
	eachVersionInTime(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		d := h.join(t, version, h.gate.add())
		h.brake.hold(0, time.Minute)
		began := time.Now()
		first, second := encode(t, d.reading(1, 1, "first")), encode(t, d.reading(1, 2, "second"))
		go func() { _, _ = d.conn.Write(slices.Concat([]byte{packets.Pingreq << 4, 0}, first, second)) }()
		d.expect(packets.Pingresp)
		d.acked(packets.Puback, 1, success)
		if took := time.Since(began); took != 0 {
			t.Errorf("the first answer took %s, its publish was not held back", took)
		}
		d.awaitFor(2 * time.Minute)
		d.acked(packets.Puback, 2, success)
		if took := time.Since(began); took != time.Minute {
			t.Errorf("the second answer took %s, want 1m0s", took)
		}
	})
}

func TestASessionThatIsHeldBackEndsAtOnce(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(t *testing.T, h *house, a account) (code byte){
		"by a revocation": func(t *testing.T, h *house, a account) byte {
			h.gate.rotate(a, 0)
			ctx, all := t.Context(), h.all()
			go h.check(ctx, all)
			return administrativeAction
		},
		"by a stop": func(_ *testing.T, h *house, _ account) byte {
			go func() { _ = h.stop() }()
			return serverShuttingDown
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := open(t, Config{})
				a := h.gate.add()
				d := h.join(t, 5, a)
				h.brake.hold(time.Hour)
				go func() { _, _ = d.conn.Write(encode(t, d.reading(0, 0, "x"))) }()
				synctest.Wait()
				began := time.Now()
				d.cutOff(act(t, h, a))
				if took := time.Since(began); took > time.Second {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// all are the sessions now.
func (b *Broker) all() []*session {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*session
	for _, s := range b.sessions {
		all = append(all, s)
	}
	return all
}
