package mqttbroker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/core/change"
)

// eachVersionInTime runs a test in both versions, in a bubble with its own time.
func eachVersionInTime(t *testing.T, test func(t *testing.T, version byte)) {
	t.Helper()
	for name, version := range both {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, version) })
		})
	}
}

// pass lets time pass in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// endsAfter expects the session's end after so long.
func (d *device) endsAfter(code byte, want time.Duration) {
	d.Helper()
	began := time.Now()
	_ = d.conn.SetReadDeadline(began.Add(100 * want))
	if d.version == 5 && code != success {
		first, err := d.reader.Peek(3)
		if err != nil || first[0] != 0xE0 || first[2] != code {
			d.Fatalf("got % X (%v), want DISCONNECT 0x%02X", first, err, code)
		}
	} else if _, err := d.reader.Peek(1); err == nil {
		d.Fatal("got a packet, want the connection's end")
	}
	if took := time.Since(began); took != want {
		d.Errorf("it took %s, want %s", took, want)
	}
}

func TestADeviceThatIsSilentForLongerThanItSaidIsCutOff(t *testing.T) {
	t.Parallel()
	eachVersionInTime(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		d := h.join(t, version, h.gate.add(), func(pk *packets.Packet) { pk.Connect.Keepalive = 60 })
		for range 5 {
			pass(89 * time.Second)
			d.ping()
			pass(89 * time.Second)
			d.publish(0, 0, "x")
		}
		synctest.Wait()
		d.endsAfter(keepAliveTimeout, 90*time.Second)
	})
}

func TestHalfAPacketKeepsNothingAlive(t *testing.T) {
	t.Parallel()
	eachVersionInTime(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		d := h.join(t, version, h.gate.add(), func(pk *packets.Packet) { pk.Connect.Keepalive = 10 })
		pass(14 * time.Second)
		d.write(0x30, 0x7F, 'x')
		d.endsAfter(keepAliveTimeout, time.Second)
	})
}

func TestWithoutAKeepAliveSilenceIsNoMatter(t *testing.T) {
	t.Parallel()
	eachVersionInTime(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		d := h.join(t, version, h.gate.add())
		pass(72 * time.Hour)
		d.ping()
	})
}

func TestAConnectionThatDoesNotSignInIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := open(t, Config{Handshake: 7 * time.Second})
		attach(t, h.pipes.dial(t), 4, account{}).endsAfter(success, 7*time.Second)
		slow := attach(t, h.pipes.dial(t), 5, account{})
		slow.write(0x10)
		pass(6 * time.Second)
		slow.write(0x20)
		slow.endsAfter(success, time.Second)
	})
}

func TestAStateWaitsForItsExpiry(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		version byte
		asked   uint32
		kept    time.Duration
	}{
		"MQTT 3.1.1":        {version: 4, kept: maxExpiry},
		"MQTT 5, a minute":  {version: 5, asked: 60, kept: time.Minute},
		"MQTT 5, for ever":  {version: 5, asked: 0xFFFFFFFF, kept: maxExpiry},
		"MQTT 5, two years": {version: 5, asked: 63_072_000, kept: maxExpiry},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := open(t, Config{})
				a := h.gate.add()
				asking := func(pk *packets.Packet) {
					pk.Connect.Clean = false
					pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = c.asked, c.version == 5
				}
				leave := func(d *device) {
					d.conn.Close()
					synctest.Wait()
				}
				leave(h.join(t, c.version, a, asking))
				pass(c.kept - 2*time.Second)
				d, present := h.rejoin(t, c.version, a, asking)
				if !present {
					t.Error("the session is not present before its end")
				}
				leave(d)
				pass(c.kept + 2*time.Second)
				h.mu.Lock()
				waiting := len(h.parked)
				h.mu.Unlock()
				if _, present := h.rejoin(t, c.version, a, asking); present || waiting > 0 {
					t.Error("the session is present after its end")
				}
			})
		})
	}
}

func TestAGraceEndsOnTime(t *testing.T) {
	t.Parallel()
	eachVersionInTime(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		before := h.join(t, version, a)
		next := h.gate.rotate(a, time.Hour)
		h.Apply(t.Context(), change.Change{Kind: change.CredentialsRotated, SourceID: a.source})
		pass(time.Hour - time.Millisecond)
		before.ping()
		before.endsAfter(administrativeAction, time.Millisecond)
		synctest.Wait()
		pass(2 * sweepTime)
		d := h.join(t, version, next)
		pass(time.Hour)
		d.ping()
	})
}

func TestARotationMayTakeTheGraceBack(t *testing.T) {
	t.Parallel()
	eachVersionInTime(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a := h.gate.add()
		d := h.join(t, version, a)
		a = h.gate.rotate(a, time.Hour)
		h.Apply(t.Context(), change.Change{Kind: change.CredentialsRotated, SourceID: a.source})
		d.ping()
		h.gate.rotate(a, 0)
		go h.Apply(t.Context(), change.Change{Kind: change.CredentialsRotated, SourceID: a.source})
		d.cutOff(administrativeAction)
	})
}

func TestAMessageCountsDownWhileItWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := open(t, Config{})
		a := h.gate.add()
		d := h.join(t, 5, a, persistent)
		d.subscribe(1, packets.Subscription{Filter: a.data(), Qos: 1})
		h.ingest.set(func(f *fakeIngest) { f.hold = true })
		for i, seconds := range []uint32{10, 100} {
			d.publish(1, uint16(i+1), "x", func(pk *packets.Packet) { pk.Properties.MessageExpiryInterval = seconds })
		}
		d.ping()
		d.conn.Close()
		synctest.Wait()
		h.ingest.release(nil, 0, 1)
		pass(30 * time.Second)
		d = h.join(t, 5, a, persistent)
		if got := d.expect(packets.Publish); got.Properties.MessageExpiryInterval != 70 {
			t.Errorf("it has %d s left, want 70", got.Properties.MessageExpiryInterval)
		}
		d.silent()
	})
}
