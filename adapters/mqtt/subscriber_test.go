package mqtt

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/modules/telemetry/ingest"
	"ampra/test/fake"
)

func TestMessagesReachIngestExactlyAsPublished(t *testing.T) {
	noLeaks(t)
	o, d := newOutside(t), newDesk()
	s, stop := read(t, o.config(o.address), d)
	subscribed(t, s, 1)
	publish := o.publisher()
	sent := []struct {
		below, name, payload string
		qos                  byte
	}{
		{"", "", `{"acPowerWatts": 1}`, 1},
		{"/acPowerWatts", "acPowerWatts", "17.5", 1},
		{"/inverter/1/dcVolts", "inverter/1/dcVolts", "400", 1},
		{"/", "", "a level without a name", 1},
		{"", "", "\x00\xff\xfe no text", 1},
		{"/empty", "empty", "", 1},
		{"", "", strings.Repeat("long", 16<<10), 1},
		{"", "", "at most once", 0},
		{"", "", "exactly once", 2},
	}
	for _, m := range sent {
		publish(d.topic()+m.below, m.qos, m.payload)
	}
	eventually(t, "all messages", func() bool { return d.kept() == len(sent) })
	stop()
	for i, got := range d.deliveries() {
		want := ingest.Delivery{
			SourceID: d.source, Payload: []byte(sent[i].payload), Origin: "mqtt", Topic: d.topic() + sent[i].below, Name: sent[i].name,
		}
		if string(got.Payload) != string(want.Payload) || got.SourceID != want.SourceID || got.Origin != want.Origin ||
			got.Topic != want.Topic || got.Name != want.Name || !got.SignedAt.IsZero() {
			t.Errorf("message %d came as %+v, want %+v", i, got, want)
		}
	}
}

// none fails if the broker still holds something for the sessions of that
// configuration.
func none(t *testing.T, o *outside, cfg SubscriberConfig, source uuid.UUID) {
	t.Helper()
	d := newDesk()
	d.source = source
	s, stop := read(t, cfg, d)
	subscribed(t, s, max(cfg.Connections, 1))
	o.publisher()(d.topic(), 1, "the end")
	eventually(t, "the next message", func() bool { return len(d.missing([]string{"the end"})) == 0 })
	stop()
	if got := d.deliveries(); len(got) != 1 {
		t.Errorf("the broker sent again what it was told to forget: %.100v", got)
	}
}

func TestNothingIsAcknowledgedBeforeTheJournalHasIt(t *testing.T) {
	noLeaks(t)
	o, d := newOutside(t), newDesk()
	wire := fake.NewWire(t, o.address)
	var mu sync.Mutex
	var pending []func(error)
	d.answer = func(_ ingest.Delivery, done func(error)) error {
		mu.Lock()
		defer mu.Unlock()
		pending = append(pending, done)
		return nil
	}
	cfg := o.config(wire.Address())
	s, stop := read(t, cfg, d)
	subscribed(t, s, 1)
	publish, payloads := o.publisher(), numbered(20)
	for _, p := range payloads {
		publish(d.topic(), 1, p)
	}
	eventually(t, "the journal has all of them", func() bool { return d.submitted() == len(payloads) })
	wire.Cut() // no word to the broker, as when the process is killed
	stop()
	wire.Heal()
	for _, done := range pending { // too late for the connection that they came on
		done(nil)
	}

	again := newDesk()
	again.source = d.source
	s, stop = read(t, cfg, again)
	eventually(t, "they come again", func() bool { return again.kept() == len(payloads) })
	subscribed(t, s, 1)
	stop()
	none(t, o, cfg, d.source)
}

func TestWhatTheJournalIsWorkingOnIsAcknowledgedAtAnOrderlyStop(t *testing.T) {
	noLeaks(t)
	o, d := newOutside(t), newDesk()
	d.answer = func(_ ingest.Delivery, done func(error)) error {
		time.AfterFunc(300*time.Millisecond, func() { done(nil) })
		return nil
	}
	cfg := o.config(o.address)
	s, stop := read(t, cfg, d)
	subscribed(t, s, 1)
	publish := o.publisher()
	for _, p := range numbered(20) {
		publish(d.topic(), 1, p)
	}
	eventually(t, "the journal has all of them", func() bool { return d.submitted() == 20 })
	stop()
	none(t, o, cfg, d.source)
}

func TestAJournalThatGoesAwayAndComesBackLosesNothing(t *testing.T) {
	for name, fail := range map[string]func(ingest.Delivery, func(error)) error{
		"it refuses at once": away,
		"it fails later": func(_ ingest.Delivery, done func(error)) error {
			go done(fault.New(fault.Unavailable, "The journal is away."))
			return nil
		},
		"its error is unknown": func(ingest.Delivery, func(error)) error { return errors.New("odd") },
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			o, d := newOutside(t), newDesk()
			d.answer = fail
			cfg := o.config(o.address)
			cfg.Window, cfg.RetryMin, cfg.RetryMax = 50, 20*time.Millisecond, 100*time.Millisecond
			s, stop := read(t, cfg, d)
			subscribed(t, s, 1)
			publish, payloads := o.publisher(), numbered(200)
			for _, p := range payloads {
				publish(d.topic(), 1, p)
			}
			eventually(t, "some attempts", func() bool { return d.submitted() > 3 })
			before := d.submitted()
			wait(t.Context(), time.Second) // an outage
			// 10 pauses of 100 ms, each with one window at the most
			if n := d.submitted() - before; n == 0 || n > 12*50 {
				t.Errorf("in one second of an outage it tried %d times", n)
			}
			d.now(nil)
			eventually(t, "all messages", func() bool { return d.kept() == len(payloads) })
			stop()
			none(t, o, cfg, d.source)
		})
	}
}

func TestNoMoreThanTheWindowIsInHand(t *testing.T) {
	noLeaks(t)
	o, d := newOutside(t), newDesk()
	var dones []func(error)
	d.answer = func(_ ingest.Delivery, done func(error)) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		dones = append(dones, done)
		return nil
	}
	cfg := o.config(o.address)
	cfg.Window = 10
	s, stop := read(t, cfg, d)
	subscribed(t, s, 1)
	publish, payloads := o.publisher(), numbered(40)
	for _, p := range payloads {
		publish(d.topic(), 1, p)
	}
	eventually(t, "a full window", func() bool { return d.submitted() == 10 })
	wait(t.Context(), 200*time.Millisecond)
	if n := d.submitted(); n != 10 {
		t.Errorf("of a window of 10, %d messages came", n)
	}
	d.now(nil)
	for _, done := range dones {
		done(nil)
	}
	eventually(t, "all messages", func() bool { return d.kept() == len(payloads) })
	stop()
}

func TestARefusalForGoodIsAcknowledged(t *testing.T) {
	noLeaks(t)
	o, d := newOutside(t), newDesk()
	d.answer = func(delivery ingest.Delivery, done func(error)) error {
		switch string(delivery.Payload) {
		case "invalid":
			done(fault.New(fault.Invalid, "Not a reading."))
		case "large":
			go done(fault.New(fault.TooLarge, "Too large."))
		case "unwelcome":
			return fault.New(fault.Invalid, "Not even a dead letter.")
		default:
			done(nil)
		}
		return nil
	}
	cfg := o.config(o.address)
	s, stop := read(t, cfg, d)
	subscribed(t, s, 1)
	publish := o.publisher()
	for _, p := range []string{"invalid", "large", "unwelcome", "good"} {
		publish(d.topic(), 1, p)
	}
	eventually(t, "the good one", func() bool { return d.kept() == 1 })
	stop()
	if n := d.submitted(); n != 4 {
		t.Errorf("4 messages were submitted %d times", n)
	}
	none(t, o, cfg, d.source)
}

func TestMessagesOfSourcesThatMayNotSendAreCountedAndForgotten(t *testing.T) {
	noLeaks(t)
	o, d := newOutside(t), newDesk()
	inactive, hooked := uuid.New(), uuid.New()
	d.access[inactive] = credential.Access{SourceID: inactive, Type: sunsource.MQTT}
	d.access[hooked] = credential.Access{SourceID: hooked, Type: sunsource.Webhook, Active: true}
	cfg := o.config(o.address)
	cfg.Window = 4 // what is not acknowledged would soon be in the way
	s, stop := read(t, cfg, d)
	subscribed(t, s, 1)
	publish := o.publisher()
	for range 3 {
		for _, source := range []string{uuid.NewString(), inactive.String(), hooked.String(), "no-source", ""} {
			publish("sunsource/"+source+"/data", 1, "unwanted")
		}
	}
	publish(d.topic(), 1, "wanted")
	eventually(t, "what is wanted", func() bool { return d.kept() == 1 })
	if n := s.Dropped(); n < 15 { // other tests publish to this broker as well
		t.Errorf("%d messages count as dropped, of 15", n)
	}
	stop()
	none(t, o, cfg, d.source)
}

func TestSubscribersThatAreCutOffAndKilledLoseNoMessage(t *testing.T) {
	noLeaks(t)
	const messages = 5000
	o, d := newOutside(t), newDesk()
	wire := fake.NewWire(t, o.address)
	d.answer = func(_ ingest.Delivery, done func(error)) error {
		switch n := rand.IntN(100); { //nolint:gosec // not a secret
		case n == 0:
			return fault.New(fault.Unavailable, "The journal is away.")
		case n == 1:
			go done(fault.New(fault.Unavailable, "The journal is away."))
		case n < 50:
			go done(nil)
		default:
			done(nil)
		}
		return nil
	}
	cfg := o.config(wire.Address())
	cfg.Connections, cfg.Window, cfg.Confirm = 2, 200, 20*time.Millisecond
	s, stop := read(t, cfg, d)
	subscribed(t, s, 2)

	device, sent, payloads := o.device(d.source), newOutcomes(), numbered(messages)
	go func() {
		for i, p := range payloads {
			if device.Publish(t.Context(), []byte(p), sent.of(p)) != nil {
				return
			}
			if i%500 == 499 { // the load lasts for the cuts
				wait(t.Context(), 150*time.Millisecond)
			}
		}
	}()
	cuts, kills := 0, 0
	for d.kept() < messages*9/10 && cuts < 40 {
		wait(t.Context(), time.Duration(20+rand.IntN(150))*time.Millisecond) //nolint:gosec // not a secret
		wire.Cut()
		cuts++
		if cuts%3 == 0 { // the process is killed: it can't say a word to the broker
			stop()
			kills++
			wire.Heal()
			_, stop = read(t, cfg, d)
			continue
		}
		wire.Heal()
	}
	sent.wait(t, messages)
	eventually(t, "all messages", func() bool { return d.kept() == messages })
	if lost := d.missing(payloads); len(lost) > 0 {
		t.Errorf("%d of %d messages are lost: %v", len(lost), messages, lost[:min(len(lost), 10)])
	}
	for before := -1; before != d.submitted(); { // what came again is acknowledged as well
		before = d.submitted()
		wait(t.Context(), 500*time.Millisecond)
	}
	stop()
	t.Logf("%d messages, %d cuts, %d of them kills; submitted %d times", messages, cuts, kills, d.submitted())
	none(t, o, cfg, d.source)
}
