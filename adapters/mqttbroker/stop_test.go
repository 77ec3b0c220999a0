package mqttbroker

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/modules/telemetry/ingest"
)

func TestStoppingTellsMQTT5AndClosesAll(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := onTCP(t, Config{})
		idle := h.joinTCP(t, version, h.gate.add())
		unknown := attach(t, h.dialTCP(t), version, account{})
		unknown.write(0x10)
		ended := make(chan error, 1)
		go func() { ended <- h.stop() }()
		idle.cutOff(serverShuttingDown)
		unknown.closed()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", h.tcp.Addr().String()); err == nil {
			t.Error("it still listens")
		}
		if h.Stats().Sessions != 0 || len(h.parked) != 0 {
			t.Error("something is left")
		}
	})
}

func TestStoppingWaitsForTheAnswersThatAreOwed(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := onTCP(t, Config{Drain: patience})
		h.ingest.hold = true
		d := h.joinTCP(t, version, h.gate.add())
		for id := uint16(1); id <= 5; id++ {
			d.publish(1, id, "x")
		}
		h.ingest.await(t, 5)
		ended := make(chan error, 1)
		go func() { ended <- h.stop() }()
		eventually(t, "it has begun to stop", func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.stopping
		})
		for id := range uint16(5) {
			h.ingest.release(nil, int(id))
			d.acked(packets.Puback, id+1, success)
		}
		d.cutOff(serverShuttingDown)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestStoppingGivesUpWhatIsNotAnsweredInTime(t *testing.T) {
	t.Parallel()
	const drain = 200 * time.Millisecond
	bound := drain + 2*time.Second
	cases := map[string]func(t *testing.T, h *house, d *device){
		"an answer that does not come": func(t *testing.T, h *house, d *device) {
			h.ingest.set(func(f *fakeIngest) { f.hold = true })
			d.publish(1, 1, "x")
			h.ingest.await(t, 1)
		},
		"a journal that is full": func(_ *testing.T, h *house, d *device) {
			h.ingest.set(func(f *fakeIngest) { f.block = make(chan struct{}) })
			d.publish(1, 1, "x")
		},
		"a device that does not read":  func(t *testing.T, h *house, d *device) { h.clog(t, d) },
		"a device that does not leave": func(_ *testing.T, _ *house, d *device) { d.write(0x30, 0x7F) },
	}
	eachVersion(t, func(t *testing.T, version byte) {
		for name, prepare := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := open(t, Config{Drain: drain}, small{loopback(t)})
				d := h.joinTCP(t, version, h.gate.add())
				prepare(t, h, d)
				began := time.Now()
				if err := h.stop(); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > bound {
					t.Errorf("it took %s, want at most %s", took, bound)
				}
				// What becomes known now is nobody's any more, and does no harm.
				h.ingest.mu.Lock()
				held := slices.Clone(h.ingest.held)
				h.ingest.mu.Unlock()
				for _, done := range held {
					done(ingest.Receipt{}, nil)
				}
			})
		}
	})
}

func TestASignInUnderWayDoesNotHoldUpTheStop(t *testing.T) {
	t.Parallel()
	h := onTCP(t, Config{Drain: 100 * time.Millisecond})
	a := h.gate.add()
	asked, answer := make(chan struct{}), make(chan struct{})
	h.gate.hook(nil, func() {
		close(asked)
		<-answer
	})
	d := attach(t, h.dialTCP(t), 5, a)
	d.send(d.hello())
	<-asked
	ended := make(chan error, 1)
	go func() { ended <- h.stop() }()
	eventually(t, "it gave up", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		s := h.sessions[a.source]
		return s != nil && s.ctx.Err() != nil
	})
	close(answer)
	if ack := d.expect(packets.Connack); ack.ReasonCode != serverUnavailable {
		t.Errorf("CONNACK has 0x%02X, want 0x88", ack.ReasonCode)
	}
	d.closed()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Every publish that was handed over while the broker stopped was answered, or
// was not; and the broker waits for none that it does not know.
func TestStoppingUnderLoadAnswersWhatItCan(t *testing.T) {
	t.Parallel()
	h := onTCP(t, Config{})
	var acked atomic.Int64
	var senders sync.WaitGroup
	for i := range 20 {
		a := h.gate.add()
		d := h.joinTCP(t, byte(4+i%2), a)
		senders.Go(func() {
			one := encode(t, d.reading(1, 1, "x"))
			for {
				if _, err := d.conn.Write(one); err != nil {
					break
				}
				if pk, err := d.receive(); err != nil || pk.FixedHeader.Type != packets.Puback {
					break
				}
				acked.Add(1)
			}
			d.conn.Close()
		})
	}
	eventually(t, "they are at it", func() bool { return acked.Load() > 200 })
	began := time.Now()
	if err := h.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	senders.Wait()
	if taken := int64(len(h.ingest.deliveries())); taken < acked.Load() || taken > acked.Load()+20 {
		t.Errorf("%d were taken and %d acknowledged", taken, acked.Load())
	}
}

func TestFailuresOfAcceptPass(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ECONNABORTED, errors.New("nobody knows why")} {
		h.pipes.errs <- &net.OpError{Op: "accept", Err: err}
	}
	h.join(t, 5, h.gate.add()).ping()
}

func TestAListenerThatSomebodyClosedIsAnError(t *testing.T) {
	t.Parallel()
	first, second := newPipes(), newPipes()
	b := New(Config{}, Deps{Gate: newGate(), Ingest: newIngest(), Usage: &fakeUsage{}, Limits: nil, Foreign: nil, Log: quiet()})
	ended := make(chan error, 1)
	go func() { ended <- b.Run(t.Context(), first, second) }()
	_ = second.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Run ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Run goes on without its listener")
	}
	if _, err := first.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error("the other listener is open")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := New(Config{}, Deps{Gate: newGate(), Ingest: newIngest(), Usage: &fakeUsage{}, Limits: nil, Foreign: nil, Log: quiet()}).Run(ctx, newPipes()); err != nil {
		t.Error(err)
	}
}

// panicking fails as a bug would.
type panicking struct{ Ingest }

func (panicking) Submit(context.Context, ingest.Delivery, func(ingest.Receipt, error)) error {
	panic("a bug")
}

func TestAPanicEndsOneConnectionOnly(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := open(t, Config{})
		h.d.Ingest = panicking{}
		a, b := h.gate.add(), h.gate.add()
		victim, other := h.join(t, version, a, persistent), h.join(t, version, b)
		victim.publish(1, 1, "x")
		victim.closed()
		eventually(t, "it is gone", func() bool { return h.usage.total() == 1 })
		other.ping()
		h.join(t, version, a).ping()
	})
}

// The library's decoder of SUBSCRIBE panics where the options are cut off.
func TestASubscribeThatIsCutOffIsNoPanic(t *testing.T) {
	t.Parallel()
	h := onTCP(t, Config{})
	a := h.gate.add()
	d := h.joinTCP(t, 5, a)
	d.write(framed(0x82, "\x00\x01\x00"+text(a.data()))...)
	d.cutOff(malformedPacket)
}
