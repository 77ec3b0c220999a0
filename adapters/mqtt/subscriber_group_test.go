package mqtt

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"ampra/core/fault"
	"ampra/modules/telemetry/ingest"
	"ampra/test/fake"
)

// load publishes payloads, a few at a time over the given time, and returns a
// function that waits until the broker has acknowledged all of them.
func load(t *testing.T, o *outside, d *desk, payloads []string, over time.Duration) (wait func()) {
	t.Helper()
	device, sent := o.device(d.source), newOutcomes()
	const steps = 50
	go func() {
		tick := time.NewTicker(over / steps)
		defer tick.Stop()
		for i, p := range payloads {
			if device.Publish(t.Context(), []byte(p), sent.of(p)) != nil {
				return
			}
			if i%(len(payloads)/steps) == 0 {
				<-tick.C
			}
		}
	}()
	return func() { sent.wait(t, len(payloads)) }
}

func TestConnectionsAndProcessesShareTheLoad(t *testing.T) {
	noLeaks(t)
	o, first := newOutside(t), newDesk()
	second := newDesk()
	second.source = first.source
	cfg := o.config(o.address)
	cfg.Connections = 2
	one, _ := read(t, cfg, first)
	subscribed(t, one, 2)
	cfg.Name = "two"
	two, _ := read(t, cfg, second)
	subscribed(t, two, 2)
	load(t, o, first, numbered(400), 100*time.Millisecond)()
	eventually(t, "all messages", func() bool { return first.kept()+second.kept() == 400 })
	if first.kept() < 100 || second.kept() < 100 {
		t.Errorf("of 400 messages one process had %d and the other %d", first.kept(), second.kept())
	}
}

func TestAProcessThatLeavesHandsOverAndLeavesNothingBehind(t *testing.T) {
	noLeaks(t)
	const messages = 2000
	o, first := newOutside(t), newDesk()
	first.answer = func(_ ingest.Delivery, done func(error)) error { // it has always some in hand
		time.AfterFunc(20*time.Millisecond, func() { done(nil) })
		return nil
	}
	second := newDesk()
	second.source = first.source
	staying := o.config(o.address)
	leaving := staying
	leaving.Name, leaving.Leave, leaving.Connections = "two", true, 2
	leaving.Window = 5 // the broker has some more for it
	one, _ := read(t, staying, second)
	subscribed(t, one, 1)
	two, leave := read(t, leaving, first)
	subscribed(t, two, 2)
	payloads := numbered(messages)
	sent := load(t, o, first, payloads, time.Second)
	eventually(t, "the leaving one is at work", func() bool { return first.kept() > messages/10 })
	took := leave()
	if before := second.kept(); before >= messages*9/10 {
		t.Fatalf("it left when %d of %d had come: too late to show anything", before, messages)
	}
	sent()
	eventually(t, "all messages", func() bool { return first.kept()+second.kept() >= messages })
	if lost := second.missing(first.missing(payloads)); len(lost) > 0 {
		t.Errorf("%d messages are lost: %v", len(lost), lost[:min(len(lost), 10)])
	}
	t.Logf("left in %s with %d of %d messages", took.Round(time.Millisecond), first.kept(), messages)
	again := newDesk() // comes back, and finds only what is new
	again.source = first.source
	back, _ := read(t, leaving, again)
	subscribed(t, back, 2)
	publish := o.publisher()
	for range 9 {
		publish(first.topic(), 1, "new")
	}
	eventually(t, "its share of what is new", func() bool { return len(again.deliveries()) >= 6 })
	if again.kept() != 1 {
		t.Errorf("the broker still had %d messages for it", again.kept()-1)
	}
}

func TestTheBrokerKeepsTheMessagesOfARestart(t *testing.T) {
	noLeaks(t)
	o, d := newOutside(t), newDesk()
	cfg := o.config(o.address)
	s, stop := read(t, cfg, d)
	subscribed(t, s, 1)
	stop()
	payloads := numbered(100)
	load(t, o, d, payloads, 10*time.Millisecond)()
	if d.kept() != 0 {
		t.Fatal("it reads after its end")
	}
	read(t, cfg, d)
	eventually(t, "the messages of the meantime", func() bool { return len(d.missing(payloads)) == 0 })
}

func TestABacklogComesInBoundedPortionsThoughTheBrokerIgnoresTheWindow(t *testing.T) {
	noLeaks(t)
	const messages, window = 5000, 64
	o, d := newOutside(t), newDesk()
	cfg := o.config(o.address)
	cfg.Window = window
	s, stop := read(t, cfg, d)
	subscribed(t, s, 1)
	stop()
	payloads := numbered(messages)
	load(t, o, d, payloads, 10*time.Millisecond)()
	var mu sync.Mutex
	inHand, most := 0, 0
	d.answer = func(_ ingest.Delivery, done func(error)) error {
		mu.Lock()
		defer mu.Unlock()
		inHand++
		most = max(most, inHand)
		time.AfterFunc(time.Millisecond, func() {
			mu.Lock()
			inHand--
			mu.Unlock()
			done(nil)
		})
		return nil
	}
	_, stop = read(t, cfg, d)
	eventually(t, "the backlog", func() bool { return d.kept() == messages })
	stop()
	if most > window {
		t.Errorf("%d messages were in hand at once, with a window of %d", most, window)
	}
	if d.submitted() != messages {
		t.Errorf("%d messages were submitted %d times", messages, d.submitted())
	}
}

func TestManyBytesHoldUpTheReadingUntilTheyAreStored(t *testing.T) {
	noLeaks(t)
	o, d := newOutside(t), newDesk()
	tried := map[string]bool{}
	d.answer = func(delivery ingest.Delivery, _ func(error)) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		tried[string(delivery.Payload)] = true
		return fault.New(fault.Unavailable, "The journal is away.")
	}
	cfg := o.config(o.address)
	cfg.WindowBytes, cfg.KeepAlive, cfg.Confirm = 64<<10, time.Second, 100*time.Millisecond
	s, stop := read(t, cfg, d)
	subscribed(t, s, 1)
	publish := o.publisher()
	for _, p := range numbered(100) {
		publish(d.topic(), 1, strings.Repeat("x", 8<<10)+p)
	}
	connected := time.Now()
	eventually(t, "a while without a word read", func() bool { return time.Since(connected) > 3*time.Second })
	if s.Connected() != 1 {
		t.Error("a broker that is not listened to counts as gone")
	}
	d.now(nil)
	d.mu.Lock()
	if n := len(tried); n == 0 || n > 9 { // it reads on up to 64 KiB, and then the one that goes beyond
		t.Errorf("%d messages of 8 KiB were read", n)
	}
	d.mu.Unlock()
	eventually(t, "all messages", func() bool { return d.kept() == 100 })
	stop()
}

func TestAMessageThatIsTooLargeHoldsUpNothing(t *testing.T) {
	noLeaks(t)
	o, d := newOutside(t), newDesk()
	s, stop := read(t, o.config(o.address), d)
	subscribed(t, s, 1)
	publish := o.publisher()
	publish(d.topic(), 1, strings.Repeat("x", 2*maxPacket))
	publish(d.topic(), 1, strings.Repeat("x", maxPacket-200))
	publish(d.topic(), 1, "small")
	eventually(t, "the others", func() bool { return d.kept() == 2 })
	stop()
}

func TestReadinessNeedsTheBrokersGrant(t *testing.T) {
	noLeaks(t)
	o, d := newOutside(t), newDesk()
	may := o.mayRead()
	o.do(object{"command": "removeRoleACL", "rolename": o.group, "acltype": may["acltype"], "topic": may["topic"]})
	log := &lines{}
	cfg := o.config(o.address)
	cfg.Confirm = 50 * time.Millisecond
	s, _ := readLogging(t, cfg, d, slog.New(slog.NewTextHandler(log, nil)))
	eventually(t, "a line in the log", func() bool { return log.has("not granted") && log.has("0x87") })
	if s.Ping() == nil || s.Connected() != 0 {
		t.Error("it counts as ready without a subscription")
	}
	o.do(object{"command": "addRoleACL", "rolename": o.group, "acltype": may["acltype"], "topic": may["topic"], "allow": true})
	subscribed(t, s, 1)
	o.publisher()(d.topic(), 1, "hello")
	eventually(t, "a message", func() bool { return d.kept() == 1 })
	o.do(object{"command": "removeRoleACL", "rolename": o.group, "acltype": may["acltype"], "topic": may["topic"]})
	eventually(t, "the loss shows", func() bool { return s.Ping() != nil })
	if log.has(readerKey) {
		t.Error("the password is in the log")
	}
}

func TestTwoProcessesOfOneNameDoNotFightHotly(t *testing.T) {
	noLeaks(t)
	o, d := newOutside(t), newDesk()
	wire := fake.NewWire(t, o.address)
	cfg := o.config(wire.Address())
	cfg.RetryMin, cfg.RetryMax = 20*time.Millisecond, 300*time.Millisecond
	log := &lines{}
	readLogging(t, cfg, d, slog.New(slog.NewTextHandler(log, nil)))
	readLogging(t, cfg, d, slog.New(slog.NewTextHandler(log, nil)))
	eventually(t, "a word about it", func() bool { return log.has("another process uses the same name") })
	begin := log.count("subscribed at")
	wait(t.Context(), 2*time.Second)
	if n := log.count("subscribed at") - begin; n > 40 {
		t.Errorf("in two seconds they connected %d times", n)
	}
}

func TestStopsAreQuick(t *testing.T) {
	t.Run("while nobody listens", func(t *testing.T) {
		noLeaks(t)
		o := newOutside(t)
		wire := fake.NewWire(t, o.address)
		wire.Cut()
		cfg := o.config(wire.Address())
		cfg.RetryMin, cfg.RetryMax = time.Hour, time.Hour
		s, stop := read(t, cfg, newDesk())
		wait(t.Context(), 50*time.Millisecond)
		quick(t, stop(), time.Second)
		if s.Ping() == nil {
			t.Error("it counts as ready")
		}
	})
	t.Run("while the broker is silent from the beginning", func(t *testing.T) {
		noLeaks(t)
		o := newOutside(t)
		wire := fake.NewWire(t, o.address)
		wire.Silence()
		_, stop := read(t, o.config(wire.Address()), newDesk())
		wait(t.Context(), 50*time.Millisecond)
		quick(t, stop(), time.Second)
	})
	for _, leave := range []bool{false, true} {
		t.Run("when the broker falls silent", func(t *testing.T) {
			noLeaks(t)
			o := newOutside(t)
			wire := fake.NewWire(t, o.address)
			cfg := o.config(wire.Address())
			cfg.Leave = leave
			s, stop := read(t, cfg, newDesk())
			subscribed(t, s, 1)
			wire.Silence()
			quick(t, stop(), farewell+time.Second)
		})
	}
	t.Run("while the journal does not answer", func(t *testing.T) {
		noLeaks(t)
		o, d := newOutside(t), newDesk()
		d.answer = func(ingest.Delivery, func(error)) error { return nil }
		s, stop := read(t, o.config(o.address), d)
		subscribed(t, s, 1)
		o.publisher()(d.topic(), 1, "stuck")
		eventually(t, "it is at the journal", func() bool { return d.submitted() == 1 })
		quick(t, stop(), farewell+2*time.Second)
	})
	t.Run("while the journal is away", func(t *testing.T) {
		noLeaks(t)
		o, d := newOutside(t), newDesk()
		d.answer = away
		cfg := o.config(o.address)
		cfg.RetryMin, cfg.RetryMax = time.Hour, time.Hour
		s, stop := read(t, cfg, d)
		subscribed(t, s, 1)
		o.publisher()(d.topic(), 1, "stuck")
		eventually(t, "it was tried", func() bool { return d.submitted() == 1 })
		quick(t, stop(), 2*time.Second)
	})
}

func quick(t *testing.T, took, limit time.Duration) {
	t.Helper()
	if took > limit {
		t.Errorf("it took %s to stop", took)
	}
}

func TestABrokerThatFallsSilentIsGivenUp(t *testing.T) {
	noLeaks(t)
	o, d := newOutside(t), newDesk()
	wire := fake.NewWire(t, o.address)
	cfg := o.config(wire.Address())
	cfg.KeepAlive = time.Second
	s, _ := read(t, cfg, d)
	subscribed(t, s, 1)
	wire.Silence()
	eventually(t, "the silence shows", func() bool { return s.Ping() != nil })
	wire.Cut() // what hangs in the silence
	wire.Heal()
	subscribed(t, s, 1)
}

// lines is a log that is read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

func (l *lines) has(text string) bool { return l.count(text) > 0 }

func TestThroughput(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures")
	}
	const messages, devices = 20_000, 4
	o, d := newOutside(t), newDesk()
	cfg := o.config(o.address)
	cfg.Connections = 4
	s, stop := read(t, cfg, d)
	subscribed(t, s, 4)
	payloads := numbered(messages)
	began := time.Now()
	for i := range devices {
		device := o.device(d.source)
		go func() {
			for _, p := range payloads[i*messages/devices : (i+1)*messages/devices] {
				if device.Publish(t.Context(), []byte(p), func(error) {}) != nil {
					return
				}
			}
		}()
	}
	eventually(t, "all messages", func() bool { return d.kept() == messages })
	took := time.Since(began)
	t.Logf("%d messages in %s: %.0f a second", messages, took.Round(time.Millisecond), messages/took.Seconds())
	stop()
	if n := d.submitted(); n != messages {
		t.Errorf("%d messages were submitted %d times", messages, n)
	}
}
