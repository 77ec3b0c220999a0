package mqttbroker

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/core/change"
)

// willing has CONNECT leave a will, with a delay in seconds.
func willing(a account, delay uint32) func(*packets.Packet) {
	return func(pk *packets.Packet) {
		pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, a.data()+"/status", []byte("offline")
		pk.Connect.WillProperties.WillDelayInterval = delay
	}
}

func TestTheWillOfALostDeviceIsADelivery(t *testing.T) {
	t.Parallel()
	bye := func(code byte) func(d *device) {
		return func(d *device) {
			d.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ReasonCode: code})
		}
	}
	cases := map[string]struct {
		leave func(d *device)
		new   bool // in MQTT 5 alone
		want  int
	}{
		"it is lost":                   {leave: func(d *device) { d.conn.Close() }, want: 1},
		"it breaks the protocol":       {leave: func(d *device) { d.write(0x00, 0x00) }, want: 1},
		"it disconnects":               {leave: bye(0)},
		"it disconnects with its will": {leave: bye(4), new: true, want: 1},
	}
	eachVersion(t, func(t *testing.T, version byte) {
		for name, c := range cases {
			if c.new && version < 5 {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := onTCP(t, Config{})
				a := h.gate.add()
				d := h.joinTCP(t, version, a, willing(a, 0))
				c.leave(d)
				d.conn.Close()
				eventually(t, "it is gone", func() bool { return h.usage.total() == 0 })
				got := h.ingest.await(t, c.want)
				if len(got) != c.want {
					t.Fatalf("%d deliveries, want %d", len(got), c.want)
				}
				if c.want == 1 && (got[0].SourceID != a.source || got[0].Topic != a.data()+"/status" || got[0].Name != "status" || string(got[0].Payload) != "offline" || got[0].Origin != "mqtt") {
					t.Errorf("got %+v", got[0])
				}
			})
		}
	})
}

func TestTheWillOfWhoWasNeverLetInIsNone(t *testing.T) {
	t.Parallel()
	h := onTCP(t, Config{})
	a := h.gate.add()
	var asked atomic.Int64
	h.gate.hook(nil, func() { // the store is away for a moment, when the sign-in is confirmed
		if asked.Add(1) == 1 {
			h.gate.fail(nil, errStore)
		} else {
			h.gate.fail(nil, nil)
		}
	})
	d := attach(t, h.dialTCP(t), 5, a)
	d.send(d.hello(willing(a, 0)))
	d.expect(packets.Connack)
	d.closed()
	eventually(t, "it is gone", func() bool { return h.usage.total() == 0 && h.Stats().Refused == 1 })
	if got := h.ingest.payloads(); len(got) > 0 {
		t.Errorf("deliveries are %q", got)
	}
}

func TestARevokedDeviceLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, delay := range map[string]uint32{"at once": 0, "after a delay": 60} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := open(t, Config{})
				a := h.gate.add()
				d := h.join(t, 5, a, willing(a, delay), persistent)
				if delay > 0 { // it is lost before its key is replaced
					d.conn.Close()
					synctest.Wait()
				}
				h.gate.rotate(a, 0)
				go h.Apply(t.Context(), change.Change{Kind: change.CredentialsRotated, SourceID: a.source})
				if delay == 0 {
					d.cutOff(administrativeAction)
				}
				pass(2 * time.Minute)
				if got := h.ingest.payloads(); len(got) > 0 {
					t.Errorf("deliveries are %q", got)
				}
			})
		})
	}
}

func TestAWillWaitsForItsDelay(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		delay uint32
		join  []func(*packets.Packet) // how the device comes back after 30 s; nil: not
		clean bool
		want  []time.Duration
	}{
		"it stays away":                        {delay: 60, want: []time.Duration{time.Minute}},
		"it comes back":                        {delay: 60, join: []func(*packets.Packet){persistent}},
		"it comes back and begins anew":        {delay: 60, join: []func(*packets.Packet){func(*packets.Packet) {}}, want: []time.Duration{30 * time.Second}},
		"it comes back too late":               {delay: 20, join: []func(*packets.Packet){persistent}, want: []time.Duration{20 * time.Second}},
		"the session ends before the delay":    {delay: 7200, want: []time.Duration{time.Hour}},
		"the session ends with the connection": {delay: 60, clean: true, want: []time.Duration{0}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := open(t, Config{})
				a := h.gate.add()
				changes := []func(*packets.Packet){willing(a, c.delay), persistent}
				if c.clean {
					changes = changes[:1]
				}
				d := h.join(t, 5, a, changes...)
				d.conn.Close()
				left := time.Now()
				var got []time.Duration
				for len(h.ingest.deliveries()) == 0 && time.Since(left) < 30*time.Second {
					synctest.Wait()
					if len(h.ingest.deliveries()) == 0 {
						pass(500 * time.Millisecond)
					}
				}
				if len(h.ingest.deliveries()) > 0 {
					got = append(got, time.Since(left).Round(2*time.Second))
				}
				if c.join != nil {
					d = h.join(t, 5, a, c.join...)
					d.ping()
				}
				for len(got) == 0 && time.Since(left) < 3*time.Hour {
					if len(h.ingest.deliveries()) > 0 {
						got = append(got, time.Since(left).Round(2*time.Second))
					}
					pass(500 * time.Millisecond)
				}
				if !slices.Equal(got, c.want) || len(h.ingest.deliveries()) != len(c.want) {
					t.Errorf("published after %v (%d in all), want %v", got, len(h.ingest.deliveries()), c.want)
				}
			})
		})
	}
}

func TestATakeoverPublishesTheWillOfASessionThatIsOver(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		version byte
		delay   uint32
		clean   bool
		want    int
	}{
		"MQTT 3.1.1":                              {version: 4, want: 1},
		"MQTT 5 without delay":                    {version: 5, want: 1},
		"MQTT 5 with delay, the session goes on":  {version: 5, delay: 60, want: 0},
		"MQTT 5 with delay, the session is clean": {version: 5, delay: 60, clean: true, want: 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := onTCP(t, Config{})
			a := h.gate.add()
			first := h.joinTCP(t, c.version, a, willing(a, c.delay), persistent)
			again := persistent
			if c.clean {
				again = func(*packets.Packet) {}
			}
			second := h.joinTCP(t, c.version, a, again)
			first.cutOff(sessionTakenOver)
			eventually(t, "the first is gone", func() bool { return h.usage.total() == 1 })
			second.ping()
			if got := h.ingest.await(t, c.want); len(got) != c.want {
				t.Errorf("%d deliveries, want %d", len(got), c.want)
			}
		})
	}
}

func TestTheServersStopIsNoLossOfTheDevice(t *testing.T) {
	t.Parallel()
	h := onTCP(t, Config{})
	a := h.gate.add()
	d := h.joinTCP(t, 5, a, willing(a, 0))
	ended := make(chan error, 1)
	go func() { ended <- h.stop() }()
	d.cutOff(serverShuttingDown)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := h.ingest.payloads(); len(got) > 0 {
		t.Errorf("deliveries are %q", got)
	}
}
