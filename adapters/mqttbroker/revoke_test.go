package mqttbroker

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/core/change"
)

func rotated(a account) change.Change {
	return change.Change{Kind: change.CredentialsRotated, SourceID: a.source}
}

func TestAChangeCutsOffWhatItRevoked(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		do     func(h *house, a account)
		change change.Kind
	}{
		"rotation":                      {func(h *house, a account) { h.gate.rotate(a, 0) }, change.CredentialsRotated},
		"deactivation":                  {func(h *house, a account) { h.gate.setActive(a, false) }, change.SourceUpdated},
		"deletion":                      {func(h *house, a account) { h.gate.remove(a) }, change.SourceDeleted},
		"a store that can't be asked":   {func(h *house, _ account) { h.gate.fail(nil, errStore) }, change.SourceUpdated},
		"changes that were missed":      {func(h *house, a account) { h.gate.rotate(a, 0) }, change.Missed},
		"a kind that is not known here": {func(h *house, a account) { h.gate.rotate(a, 0) }, "source.painted"},
	}
	eachVersion(t, func(t *testing.T, version byte) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := onTCP(t, Config{})
				a := h.gate.add()
				d := h.joinTCP(t, version, a, persistent)
				c.do(h, a)
				source := a.source
				if c.change == change.Missed {
					source = [16]byte{}
				}
				h.Apply(t.Context(), change.Change{Kind: c.change, SourceID: source})
				h.mu.Lock()
				s := h.sessions[a.source]
				h.mu.Unlock()
				if s != nil && s.ctx.Err() == nil {
					t.Error("the session lives on when Apply returns")
				}
				d.cutOff(administrativeAction)
				h.gate.fail(nil, nil)
				eventually(t, "the session is gone", func() bool { return h.Stats().Sessions == 0 })
				h.mu.Lock()
				defer h.mu.Unlock()
				if len(h.parked) != 0 {
					t.Error("its state is kept")
				}
			})
		}
	})
}

func TestAChangeLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		a, b := h.gate.add(), h.gate.add()
		first, second := h.join(t, version, a), h.join(t, version, b)
		h.Apply(t.Context(), change.Change{Kind: change.SourceUpdated, SourceID: a.source}) // it is still active
		h.Apply(t.Context(), change.Change{Kind: change.Missed})
		h.gate.remove(account{clientID: "nobody"})
		h.Apply(t.Context(), change.Change{Kind: change.SourceDeleted})
		first.ping()
		second.ping()
		h.gate.rotate(a, time.Hour) // it has its grace
		h.Apply(t.Context(), rotated(a))
		first.ping()
	})
}

func TestDeletionForgetsAStateThatWaits(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	a := h.gate.add()
	h.away(t, h.join(t, 4, a, persistent))
	h.Apply(t.Context(), change.Change{Kind: change.SourceDeleted, SourceID: a.source})
	if _, present := h.rejoin(t, 4, a, persistent); present {
		t.Error("the session of a source that was deleted is present")
	}
}

func TestAllAreAskedWhenChangesWereMissed(t *testing.T) {
	t.Parallel()
	h := onTCP(t, Config{})
	var stay, go_ []*device
	for i := range 3 * confirmers {
		a := h.gate.add()
		d := h.joinTCP(t, byte(4+i%2), a)
		if i%3 == 0 {
			h.gate.rotate(a, 0)
			go_ = append(go_, d)
		} else {
			stay = append(stay, d)
		}
	}
	h.Apply(t.Context(), change.Change{Kind: change.Missed})
	for _, d := range go_ {
		d.cutOff(administrativeAction)
	}
	for _, d := range stay {
		d.ping()
	}
}

// The key is replaced when the sign-in is under way: after it was checked and
// before the session is registered, or just before the question whether it holds.
func TestASignInUnderWayIsCutOff(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		for name, before := range map[string]bool{"before it is registered": true, "after it is registered": false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := onTCP(t, Config{})
				a := h.gate.add()
				var done atomic.Bool
				rotate := func() { // Apply asks the gate, too
					if done.CompareAndSwap(false, true) {
						h.gate.rotate(a, 0)
						h.Apply(t.Context(), rotated(a))
					}
				}
				if before {
					h.gate.hook(rotate, nil)
				} else {
					h.gate.hook(nil, rotate)
				}
				d := attach(t, h.dialTCP(t), version, a)
				d.send(d.hello())
				want := map[byte]byte{4: 4, 5: badCredentials}[version]
				if ack := d.expect(packets.Connack); ack.ReasonCode != want {
					t.Errorf("CONNACK has 0x%02X, want 0x%02X", ack.ReasonCode, want)
				}
				d.closed()
				eventually(t, "nobody is connected", func() bool { return h.Stats().Sessions == 0 })
			})
		}
	})
}

// Between the answer that it holds and CONNACK.
func TestARevocationRightBeforeConnackIsNoSession(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := onTCP(t, Config{})
		a := h.gate.add()
		s := newSession(t.Context(), h.Broker, h.dialTCP(t), nil, sessionOf(h, a), connect{version: version})
		t.Cleanup(func() { s.conn.Close() })
		h.enter(t.Context(), s, true)
		h.gate.rotate(a, 0)
		h.Apply(t.Context(), rotated(a))
		if err := s.welcome(connect{version: version}, false); err == nil {
			t.Error("a revoked session was welcomed")
		}
		if !h.isRevoked(s) {
			t.Error("the session is not revoked")
		}
		h.dismiss(t.Context(), s)
	})
}

func TestAGraceEndsTheSessionThatUsesIt(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		for name, before := range map[string]bool{"signed in before the rotation": true, "signed in within the grace": false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := onTCP(t, Config{})
				a := h.gate.add()
				var d *device
				if before {
					d = h.joinTCP(t, version, a)
				}
				h.gate.rotate(a, 300*time.Millisecond)
				end := time.Now().Add(300 * time.Millisecond)
				h.Apply(t.Context(), rotated(a))
				if !before {
					d = h.joinTCP(t, version, a)
				}
				d.ping()
				d.cutOff(administrativeAction)
				if early := time.Until(end); early > 0 {
					t.Errorf("it was cut off %s before the end", early)
				}
				if late := time.Since(end); late > sweepTime+500*time.Millisecond {
					t.Errorf("it was cut off %s after the end", late)
				}
			})
		}
	})
}

func TestWhileTheGateIsNotTrustedEachPublishIsAskedFor(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := onTCP(t, Config{})
		a := h.gate.add()
		d := h.joinTCP(t, version, a)
		h.gate.untrusted.Store(true)
		asked := h.gate.questions.Load()
		for i := range 5 {
			d.publish(1, uint16(i+1), "x")
			d.acked(packets.Puback, uint16(i+1), success)
		}
		if got := h.gate.questions.Load() - asked; got != 5 {
			t.Errorf("it was asked %d times, want 5", got)
		}
		h.gate.rotate(a, 0) // nobody says so
		d.publish(1, 6, "with the old key")
		d.cutOff(administrativeAction)
		if got := len(h.ingest.deliveries()); got != 5 {
			t.Errorf("%d deliveries, want 5", got)
		}
	})
}

func TestWhileTheGateCantBeAskedNothingIsTaken(t *testing.T) {
	t.Parallel()
	h := onTCP(t, Config{})
	a := h.gate.add()
	d := h.joinTCP(t, 5, a)
	h.gate.untrusted.Store(true)
	h.gate.fail(nil, errStore)
	d.publish(0, 0, "x")
	d.cutOff(administrativeAction)
	if got := len(h.ingest.deliveries()); got != 0 {
		t.Errorf("%d deliveries, want none", got)
	}
}

func TestADeviceThatHasStoppedReadingDoesNotDelayARevocation(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("TLS: %t", secure), func(t *testing.T) {
				t.Parallel()
				server, client := certificates(t)
				var l net.Listener = small{loopback(t)}
				if secure {
					l = tls.NewListener(l, server)
				}
				h := open(t, Config{}, l)
				a := h.gate.add()
				raw := h.dialTCP(t)
				if tcp, ok := raw.(*net.TCPConn); ok {
					_ = tcp.SetReadBuffer(4096)
				}
				conn := raw
				if secure {
					conn = tls.Client(raw, client)
				}
				d := attach(t, conn, version, a)
				d.send(d.hello())
				d.welcomed()
				h.clog(t, d)
				taken := len(h.ingest.deliveries())

				h.gate.rotate(a, 0)
				began := time.Now()
				h.Apply(t.Context(), rotated(a))
				if took := time.Since(began); took > time.Second {
					t.Errorf("Apply took %s", took)
				}
				eventually(t, "the session is gone", func() bool { return h.Stats().Sessions == 0 })
				if took := time.Since(began); took > time.Second {
					t.Errorf("the device was cut off after %s", took)
				}
				if got := len(h.ingest.deliveries()); got > taken+1 {
					t.Errorf("%d readings were taken after the revocation", got-taken)
				}
			})
		}
	})
}

func TestARevocationIsNotDelayedByAFullJournal(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := onTCP(t, Config{})
		h.ingest.block = make(chan struct{})
		a := h.gate.add()
		d := h.joinTCP(t, version, a)
		d.publish(1, 1, "x")
		h.gate.rotate(a, 0)
		began := time.Now()
		h.Apply(t.Context(), rotated(a))
		d.cutOff(administrativeAction)
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		}
		if got := len(h.ingest.deliveries()); got != 0 {
			t.Errorf("%d deliveries, want none", got)
		}
	})
}

func TestADeviceThatGoesOnSendingIsCutOffAllTheSame(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := onTCP(t, Config{})
		a := h.gate.add()
		d := h.joinTCP(t, version, a, func(pk *packets.Packet) { pk.Connect.Keepalive = 60 })
		h.gate.rotate(a, 0)
		h.Apply(t.Context(), rotated(a))
		began := time.Now()
		for h.Stats().Sessions > 0 && time.Since(began) < patience { // it never closes its side
			_, _ = d.conn.Write([]byte{0xC0, 0})
			<-time.After(5 * time.Millisecond)
		}
		if took := time.Since(began); took > lingerTime+500*time.Millisecond {
			t.Errorf("the session is gone after %s", took)
		}
	})
}

// What was on its way when the key was replaced is not given to who has the old
// one.
func TestARevokedDeviceHearsNothingMore(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := onTCP(t, Config{})
		a := h.gate.add()
		d := h.joinTCP(t, version, a)
		d.ping()
		h.mu.Lock()
		s := h.sessions[a.source]
		h.mu.Unlock()
		s.mu.Lock()
		s.out = appendPublish(s.out, message{topic: a.data()}, 0, version, false, 0)
		s.mu.Unlock()
		h.gate.rotate(a, 0)
		h.Apply(t.Context(), rotated(a))
		d.cutOff(administrativeAction)
	})
}

// Rotations race with sign-ins: when Apply has returned, a session with an old
// key is no more, whenever it began to sign in.
func TestNoSessionWithAnOldKeyOutlivesItsRotation(t *testing.T) {
	t.Parallel()
	h := onTCP(t, Config{})
	const sources, rotations = 20, 100
	var all sync.WaitGroup
	for n := range sources {
		all.Go(func() {
			a := h.gate.add()
			for round := range rotations {
				version := byte(4 + (n+round)%2)
				signedIn := make(chan *racer, 1)
				go func() { signedIn <- h.race(t, version, a) }()
				if round%3 == 0 {
					<-time.After(time.Duration(round*17%400) * time.Microsecond)
				}
				next := h.gate.rotate(a, 0)
				h.Apply(t.Context(), rotated(a))
				h.mu.Lock()
				s := h.sessions[a.source]
				h.mu.Unlock()
				if s != nil && s.ctx.Err() == nil && !h.holdsSoon(t, s) {
					t.Errorf("round %d: a session with an old key is there", round)
				}
				if r := <-signedIn; r != nil {
					select {
					case <-r.ended:
					case <-time.After(time.Second):
						t.Errorf("round %d: a device with an old key is connected a second later", round)
						r.conn.Close()
					}
				}
				a = next
			}
		})
	}
	all.Wait()
}

// holdsSoon reports whether a session that is being made has the key of now, or
// is ended in the end.
func (h *house) holdsSoon(t *testing.T, s *session) bool {
	if holds, _ := h.gate.Holds(t.Context(), s.identity); holds {
		return true
	}
	s.mu.Lock()
	greeted := s.greeted
	s.mu.Unlock()
	return !greeted // it asks itself before it begins
}
