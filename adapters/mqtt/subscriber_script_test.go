package mqtt

import (
	"bufio"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/modules/telemetry/ingest"
)

// script is a broker that does what a test says, connection by connection.
type script struct {
	t        *testing.T
	listener net.Listener
}

func newScript(t *testing.T) *script {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return &script{t: t, listener: listener}
}

func (s *script) config() SubscriberConfig {
	return SubscriberConfig{
		URL: credential.NewSecret("mqtt://ampra:secret@" + s.listener.Addr().String()), Group: "ampra", Name: "one",
		RetryMin: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond,
	}
}

// peer is the broker's end of one connection.
type peer struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// accept takes the next connection and answers its CONNECT.
func (s *script) accept(present bool, code byte) (*peer, *packets.Connect) {
	s.t.Helper()
	conn, err := s.listener.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	s.t.Cleanup(func() { _ = conn.Close() })
	c := &peer{s.t, conn, bufio.NewReader(conn)}
	connect := expect[*packets.Connect](c)
	c.send(&packets.Connack{SessionPresent: present, ReasonCode: code, Properties: &packets.Properties{}})
	return c, connect
}

// subscribe answers the next SUBSCRIBE.
func (c *peer) subscribe(code byte) {
	c.t.Helper()
	asked := expect[*packets.Subscribe](c)
	c.send(&packets.Suback{PacketID: asked.PacketID, Reasons: []byte{code}, Properties: &packets.Properties{}})
}

func (c *peer) publish(id uint16, qos byte, topic, payload string) {
	c.t.Helper()
	c.send(&packets.Publish{PacketID: id, QoS: qos, Topic: topic, Payload: []byte(payload), Properties: &packets.Properties{}})
}

func (c *peer) send(p packets.Packet) {
	c.t.Helper()
	if _, err := p.WriteTo(c.conn); err != nil {
		c.t.Errorf("the broker can't send: %v", err)
	}
}

// expect reads up to the next packet of that kind.
func expect[P packets.Packet](c *peer) P {
	c.t.Helper()
	for {
		p, err := packets.ReadPacket(c.in)
		if err != nil {
			c.t.Fatalf("the broker expected a %T: %v", *new(P), err)
		}
		if got, ok := p.Content.(P); ok {
			return got
		}
	}
}

func TestTheBrokerIsToldWindowSizeAndExpiry(t *testing.T) {
	noLeaks(t)
	for _, leave := range []bool{false, true} {
		broker := newScript(t)
		cfg := broker.config()
		cfg.Window, cfg.SessionExpiry, cfg.Leave = 123, time.Hour, leave
		s, stop := read(t, cfg, newDesk())
		c, connect := broker.accept(false, 0)
		p := connect.Properties
		if p.ReceiveMaximum == nil || *p.ReceiveMaximum != 123 || p.SessionExpiryInterval == nil || *p.SessionExpiryInterval != 3600 ||
			p.MaximumPacketSize == nil || *p.MaximumPacketSize != maxPacket {
			t.Errorf("CONNECT says %v", p)
		}
		if connect.CleanStart || connect.ClientID != "ampra-ampra-one-0" || connect.Username != "ampra" || string(connect.Password) != "secret" {
			t.Errorf("CONNECT is %v", connect)
		}
		c.subscribe(1)
		subscribed(t, s, 1)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			stop()
		}()
		if leave {
			asked := expect[*packets.Unsubscribe](c)
			c.send(&packets.Unsuback{PacketID: asked.PacketID, Reasons: []byte{0}, Properties: &packets.Properties{}})
		} else {
			c.subscribe(1) // it waits for the broker to have read everything
		}
		goodbye := expect[*packets.Disconnect](c)
		if at := goodbye.Properties.SessionExpiryInterval; (at != nil) != leave || leave && *at != 0 {
			t.Errorf("leaving %t: DISCONNECT says %v", leave, goodbye.Properties)
		}
		<-ended
	}
}

func TestAcknowledgementsGoOutInOrderAndNotBeforeTheirTurn(t *testing.T) {
	noLeaks(t)
	broker, d := newScript(t), newDesk()
	dones := map[string]func(error){}
	d.answer = func(delivery ingest.Delivery, done func(error)) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		dones[string(delivery.Payload)] = done
		return nil
	}
	read(t, broker.config(), d)
	c, _ := broker.accept(false, 0)
	c.subscribe(1)
	for i, p := range []string{"a", "b", "c"} {
		c.publish(uint16(i+1), 1, d.topic(), p)
	}
	eventually(t, "all are at the journal", func() bool { return d.submitted() == 3 })
	dones["c"](nil)
	dones["b"](fault.New(fault.Invalid, "No."))
	_ = c.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	for {
		p, err := packets.ReadPacket(c.in)
		if err != nil {
			break // silence, as it should be
		}
		if p.Type == packets.PUBACK {
			t.Fatalf("%v before the first is stored", p)
		}
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	dones["a"](nil)
	for want := range uint16(3) {
		if got := expect[*packets.Puback](c); got.PacketID != want+1 || got.ReasonCode != 0 {
			t.Errorf("acknowledgement %d is %v", want+1, got)
		}
	}
}

func TestWhatABrokerForgetsIsStoredAllTheSame(t *testing.T) {
	noLeaks(t)
	broker, d := newScript(t), newDesk()
	d.answer = away
	read(t, broker.config(), d)
	c, _ := broker.accept(false, 0)
	c.subscribe(1)
	payloads := numbered(10)
	for i, p := range payloads {
		c.publish(uint16(i+1), 1, d.topic(), p)
	}
	eventually(t, "an attempt", func() bool { return d.submitted() > 0 })
	wait(t.Context(), 20*time.Millisecond)
	_ = c.conn.Close()
	c, _ = broker.accept(false, 0) // it started afresh
	c.subscribe(1)
	d.now(nil)
	eventually(t, "all messages", func() bool { return len(d.missing(payloads)) == 0 })
}

func TestWhatABrokerSendsAgainIsNotSubmittedTwiceMeanwhile(t *testing.T) {
	noLeaks(t)
	broker, d := newScript(t), newDesk()
	d.answer = away
	read(t, broker.config(), d)
	c, _ := broker.accept(false, 0)
	c.subscribe(1)
	c.publish(1, 1, d.topic(), "once")
	eventually(t, "an attempt", func() bool { return d.submitted() > 0 })
	_ = c.conn.Close()
	c, _ = broker.accept(true, 0)
	c.subscribe(1)
	c.publish(1, 1, d.topic(), "once")
	wait(t.Context(), 20*time.Millisecond)
	d.now(nil)
	expect[*packets.Puback](c)
	if got := d.deliveries(); len(got) != 1 {
		t.Errorf("stored %d times", len(got))
	}
}

func TestASubscriptionThatIsTakenAwayShowsAndIsAskedForAgain(t *testing.T) {
	noLeaks(t)
	for name, code := range map[string]byte{"refused": 0x87, "granted for QoS 0": 0} {
		t.Run(name, func(t *testing.T) {
			broker, log := newScript(t), &lines{}
			cfg := broker.config()
			cfg.Confirm = 20 * time.Millisecond
			s, _ := readLogging(t, cfg, newDesk(), slog.New(slog.NewTextHandler(log, nil)))
			c, _ := broker.accept(false, 0)
			c.subscribe(1)
			subscribed(t, s, 1)
			c.subscribe(code)
			eventually(t, "it shows", func() bool { return s.Ping() != nil })
			c.subscribe(code)
			c.subscribe(code)
			c.subscribe(1)
			subscribed(t, s, 1)
			if log.count("not subscribed") != 1 || log.count("subscribed at the MQTT broker\"") != 2 {
				t.Errorf("one loss is logged as:\n%s", log.buf.String())
			}
			_ = c.conn.Close()
		})
	}
}

func TestASignInThatIsRefusedSaysWhyAndIsTriedAgain(t *testing.T) {
	noLeaks(t)
	broker, d, log := newScript(t), newDesk(), &lines{}
	s, _ := readLogging(t, broker.config(), d, slog.New(slog.NewTextHandler(log, nil)))
	for range 3 {
		broker.accept(false, 0x86)
	}
	c, _ := broker.accept(false, 0)
	c.subscribe(1)
	subscribed(t, s, 1)
	if !log.has("0x86") || log.has("secret") {
		t.Errorf("the log says:\n%s", log.buf.String())
	}
	c.send(&packets.Disconnect{ReasonCode: takenOver, Properties: &packets.Properties{}})
	eventually(t, "the reason", func() bool { return log.has("another process uses the same name") })
}

func TestASourceThatCannotBeLookedUpIsNeitherForgottenNorInTheWay(t *testing.T) {
	noLeaks(t)
	broker, d := newScript(t), newDesk()
	other := uuid.New()
	d.access[other] = credential.Access{SourceID: other, Type: sunsource.MQTT, Active: true}
	d.lookup = func(source uuid.UUID) error {
		if source == other {
			return errors.New("odd")
		}
		return nil
	}
	read(t, broker.config(), d)
	c, _ := broker.accept(false, 0)
	c.subscribe(1)
	c.publish(1, 1, "sunsource/"+other.String()+"/data", "held up")
	payloads := numbered(10)
	for i, p := range payloads {
		c.publish(uint16(i+2), 1, d.topic(), p)
	}
	eventually(t, "the others are stored", func() bool { return len(d.missing(payloads)) == 0 })
	d.mu.Lock()
	d.lookup = nil
	d.mu.Unlock()
	for want := range uint16(11) {
		if got := expect[*packets.Puback](c); got.PacketID != want+1 {
			t.Errorf("acknowledgement %d is of %d", want+1, got.PacketID)
		}
	}
	if lost := d.missing([]string{"held up"}); len(lost) > 0 {
		t.Error("it is acknowledged and not stored")
	}
}

func TestMessagesOfNoWorthDoNotFillTheHand(t *testing.T) {
	noLeaks(t)
	broker, d := newScript(t), newDesk()
	d.answer = away
	cfg := broker.config()
	cfg.Window = 10
	cfg.RetryMin, cfg.RetryMax = time.Minute, time.Minute
	s, _ := read(t, cfg, d)
	c, _ := broker.accept(false, 0)
	c.subscribe(1)
	subscribed(t, s, 1)
	for range 1000 {
		c.publish(0, 0, d.topic(), "nobody waits for its acknowledgement")
	}
	eventually(t, "the rest is dropped", func() bool { return s.Dropped() >= 1000-10-2 })
	c.publish(1, 1, "sunsource/"+strings.Repeat("x", 36)+"/data", "malformed")
	c.publish(2, 1, "elsewhere", "malformed")
	wait(t.Context(), 10*time.Millisecond)
	if n := d.submitted(); n > 2 { // the second failure shows that it is the journal
		t.Errorf("while it waits for the journal it tried %d times", n)
	}
}
