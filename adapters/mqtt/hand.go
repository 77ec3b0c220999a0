package mqtt

import (
	"context"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"

	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/modules/telemetry/ingest"
)

// stubborn is after how many failures a message is named in the log that cannot
// be stored while others can.
const stubborn = 10

// hand is what one connection has received and not yet acknowledged. Its size is
// bounded by the window and by bytes, also where the broker does not keep to the
// window: then it reads no further. (Mosquitto 2.0 does not: with messages queued,
// every acknowledgement brings a whole window more.)
type hand struct {
	s      *Subscriber
	client *paho.Client
	pinger *paho.DefaultPinger
	// life ends with the hand, working with the taking of further messages.
	life, working context.Context //nolint:containedctx // they are the hand's own, not a call's
	stop, halt    context.CancelFunc
	// queue has room for the window of QoS 1 and for as many of QoS 0, which no
	// window bounds.
	queue  chan *message
	failed chan struct{} // there is something in again
	ready  chan struct{} // there is something in settled
	room   chan struct{} // some are acknowledged
	gone   chan struct{} // the connection is

	mu       sync.Mutex
	closed   bool       // gone is
	received uint64     // messages of QoS 1 so far
	held     int        // of them not acknowledged on the wire
	bytes    int        // of those
	owed     int        // settled and not acknowledged on the wire
	away     int        // being looked up, or at the journal
	settled  []*message // to be acknowledged
	again    retries    // to be submitted once more
}

// newHand returns the hand of a connection that is about to be made. It lives
// until stop.
func newHand(ctx context.Context, s *Subscriber) *hand {
	h := &hand{
		s: s, pinger: paho.NewDefaultPinger(), again: retries{least: s.cfg.RetryMin, most: s.cfg.RetryMax},
		queue:  make(chan *message, 2*int(s.cfg.Window)),
		failed: make(chan struct{}, 1), ready: make(chan struct{}, 1), room: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	h.life, h.stop = context.WithCancel(ctx)
	h.working, h.halt = context.WithCancel(h.life)
	return h
}

// take queues a message that came in. It never waits, since it holds up the whole
// connection: what is acknowledged has its room, see counted, and what is not may
// be lost.
func (h *hand) take(p *paho.Publish) {
	if p.QoS > 0 || (len(h.queue) < int(h.s.cfg.Window) && !h.full()) {
		select {
		case h.queue <- &message{Publish: p}:
			return
		default:
		}
	}
	h.s.dropped.Add(1)
}

// full reports whether no more is to be read.
func (h *hand) full() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held >= int(h.s.cfg.Window) || h.bytes > h.s.cfg.WindowBytes
}

// work submits what comes in, and once more what could not be stored.
func (h *hand) work() {
	for {
		h.mu.Lock()
		m, pause, fresh := h.again.next(time.Now(), len(h.queue) > 0)
		h.mu.Unlock()
		if m == nil {
			m = h.receive(pause, fresh)
		}
		if h.working.Err() != nil {
			return
		}
		if m != nil {
			h.submit(m)
		}
	}
}

// receive waits for a message from the queue, or nil when there is something else
// to be done: after a pause, unless that is 0, or after a failure.
func (h *hand) receive(pause time.Duration, fresh bool) *message {
	var queue <-chan *message
	if fresh {
		queue = h.queue
	}
	var over <-chan time.Time
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case m := <-queue:
		return m
	case <-over:
	case <-h.failed:
	case <-h.working.Done():
	}
	return nil
}

// submit hands one message to ingest. It waits while the journal has no room.
func (h *hand) submit(m *message) {
	h.mu.Lock()
	h.away++
	h.mu.Unlock()
	source, name, ok := parseTopic(m.Topic)
	if !ok {
		h.drop(m)
		return
	}
	access, err := h.s.d.Sources.Access(h.working, source)
	switch {
	case fault.Is(err, fault.NotFound):
		h.drop(m)
		return
	case err != nil:
		h.settle(m, err)
		return
	case !access.Active || access.Type != sunsource.MQTT:
		h.drop(m)
		return
	}
	delivery := ingest.Delivery{SourceID: source, OwnerID: access.OwnerID, Payload: m.Payload, Origin: "mqtt", Topic: m.Topic, Name: name, Unanswered: m.QoS == 0}
	err = h.s.d.Ingest.Submit(h.working, delivery, func(_ ingest.Receipt, err error) { h.settle(m, err) })
	if err != nil {
		h.settle(m, err)
	}
}

// drop is the end of a message that nobody may have sent.
func (h *hand) drop(m *message) {
	h.s.dropped.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away--
	h.owe(m)
}

// settle takes a message's fate: it is to be acknowledged when it is durable or
// refused for good, and to be submitted once more otherwise. It never waits: the
// journal calls it.
func (h *hand) settle(m *message, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away--
	if err == nil || fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge) {
		if h.again.succeeded() {
			h.s.d.Log.InfoContext(h.life, "readings from the MQTT broker can be stored again")
		}
		h.owe(m)
		return
	}
	if h.working.Err() != nil {
		return // it comes again
	}
	if m.QoS == 0 { // its sender was promised nothing
		h.s.dropped.Add(1)
	}
	if h.again.failed(m, time.Now()) {
		h.s.d.Log.WarnContext(h.life, "readings from the MQTT broker can't be stored, trying again", "error", err)
	} else if m.attempts >= stubborn && m.attempts%stubborn == 0 && h.again.row == 1 {
		h.s.d.Log.ErrorContext(h.life, "a message from the MQTT broker can't be stored, and holds up what comes after it", "topic", m.Topic, "error", err)
	}
	signal(h.failed)
}

// owe hands a message over for acknowledgement.
func (h *hand) owe(m *message) {
	if m.QoS > 0 {
		h.owed++
		h.settled = append(h.settled, m)
		signal(h.ready)
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// acknowledge tells the library what is settled. That may wait for a peer that
// reads nothing, hence apart from the journal's calls.
func (h *hand) acknowledge() {
	for {
		select {
		case <-h.ready:
		case <-h.life.Done():
			return
		}
		h.mu.Lock()
		settled := h.settled
		h.settled = nil
		h.mu.Unlock()
		for _, m := range settled {
			// On a connection that is gone it fails, and the message comes again.
			_ = h.client.Ack(m.Publish)
		}
	}
}

// drain takes no further message, and returns when all that the journal has were
// acknowledged, or when ctx ends.
func (h *hand) drain(ctx context.Context) {
	h.halt()
	h.until(ctx, func() bool { return h.away == 0 })
	// One that could not be stored holds up the acknowledgement of all after it.
	short, cancel := context.WithTimeout(ctx, 100*ackInterval)
	defer cancel()
	h.until(short, func() bool { return h.owed == 0 })
}

// untilIdle reports whether everything in hand was acknowledged before ctx ended.
func (h *hand) untilIdle(ctx context.Context) bool {
	return h.until(ctx, func() bool { return h.held == 0 })
}

func (h *hand) until(ctx context.Context, met func() bool) bool {
	for {
		h.mu.Lock()
		ok := met()
		h.mu.Unlock()
		if ok || !wait(ctx, ackInterval) {
			return ok
		}
	}
}

// progress is how many messages have come so far, and whether all of them are
// acknowledged.
func (h *hand) progress() (received uint64, idle bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.received, h.held == 0
}

// counted is the library's session of one connection, which tells the hand what
// comes and goes on the wire.
type counted struct {
	*state.State
	hand *hand
}

// PacketReceived counts messages, and reads no further while too many are in
// hand: the broker's sending stalls with it. At the end it reads on, up to the
// broker's last answer, and leaves the messages to the next connection.
func (c *counted) PacketReceived(p *packets.ControlPacket, to chan<- *packets.Publish) error {
	h := c.hand
	if message, ok := p.Content.(*packets.Publish); ok {
		if !h.awaitRoom() {
			return nil
		}
		h.mu.Lock()
		h.received++
		h.held++
		h.bytes += len(message.Payload)
		h.mu.Unlock()
	}
	return c.State.PacketReceived(p, to)
}

// awaitRoom reports whether a message is to be taken.
func (h *hand) awaitRoom() bool {
	for h.full() {
		select {
		case <-h.room:
		case <-time.After(h.s.cfg.KeepAlive / 4):
			h.pinger.PingResp() // it is we who do not listen
		case <-h.working.Done():
			return false
		case <-h.gone:
			return false
		}
	}
	return h.working.Err() == nil
}

// Ack sends an acknowledgement.
func (c *counted) Ack(p *packets.Publish) error {
	err := c.State.Ack(p)
	h := c.hand
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held--
	h.owed--
	h.bytes -= len(p.Payload)
	signal(h.room)
	return err
}

// ConnectionLost lets go a reader that waits for room.
func (c *counted) ConnectionLost(p *packets.Disconnect) error {
	h := c.hand
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		close(h.gone)
	}
	h.mu.Unlock()
	return c.State.ConnectionLost(p)
}
