package mqttbroker

import (
	"sync"
	"testing"
	"time"

	"ampra/core/change"
)

func TestASecondConnectionTakesOver(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, version byte) {
		h := onTCP(t, Config{})
		a := h.gate.add()
		first := h.joinTCP(t, version, a)
		second := h.joinTCP(t, version, a)
		first.cutOff(sessionTakenOver)
		second.ping()
		eventually(t, "the first is gone", func() bool { return h.usage.total() == 1 })
		if got := h.Stats().Sessions; got != 1 {
			t.Errorf("%d sessions, want 1", got)
		}
		h.gate.setActive(a, false)
		h.Apply(t.Context(), change.Change{Kind: change.SourceUpdated, SourceID: a.source})
		second.cutOff(administrativeAction)
	})
}

func TestOtherSourcesAreNotTakenOver(t *testing.T) {
	t.Parallel()
	h := open(t, Config{})
	first := h.join(t, 5, h.gate.add())
	second := h.join(t, 4, h.gate.add())
	first.ping()
	second.ping()
}

// racer is a connection that tries to be the one of its source.
type racer struct {
	*device
	// ended gets the code of DISCONNECT, or 0, at the connection's end.
	ended chan byte
}

// race connects over loopback; nil is returned when it is not let in, since
// another took over at once.
func (h *house) race(t testing.TB, version byte, a account) *racer {
	r := &racer{attach(t, h.dialTCP(t), version, a), make(chan byte, 1)}
	_, _ = r.conn.Write(encode(t, r.hello()))
	if ack, err := r.receive(); err != nil || ack.ReasonCode != 0 {
		r.conn.Close()
		return nil
	}
	go func() {
		defer r.conn.Close()
		var code byte
		for {
			pk, err := r.receive()
			if err != nil {
				r.ended <- code
				return
			}
			code = pk.ReasonCode
		}
	}()
	return r
}

func TestAmongRacingReconnectsTheOneThatStaysIsTheOneThatIsFound(t *testing.T) {
	t.Parallel()
	h := onTCP(t, Config{})
	a := h.gate.add()
	for round := range 80 {
		version := byte(4 + round%2)
		want := map[byte]byte{4: 0, 5: administrativeAction}[version]
		var racers sync.WaitGroup
		in := make(chan *racer, 8)
		for range cap(in) {
			racers.Go(func() {
				if r := h.race(t, version, a); r != nil {
					in <- r
				}
			})
		}
		racers.Wait()
		eventually(t, "one is left", func() bool { return h.usage.total() == 1 })
		h.gate.setActive(a, false)
		h.Apply(t.Context(), change.Change{Kind: change.SourceUpdated, SourceID: a.source})
		close(in)
		revoked := 0
		for r := range in {
			select {
			case code := <-r.ended:
				if code == want {
					revoked++
				}
			case <-time.After(patience):
				t.Fatal("a connection is still open")
			}
		}
		if version == 5 && revoked != 1 {
			t.Fatalf("%d connections were cut off by the revocation, want the one that was left", revoked)
		}
		h.gate.setActive(a, true)
		eventually(t, "all are gone", func() bool { return h.usage.total() == 0 && h.Stats().Sessions == 0 })
	}
}
