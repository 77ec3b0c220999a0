package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"ampra/adapters/mqtt"
	"ampra/core/credential"
)

// device sends readings as its owner's device would: what is not acknowledged it
// sends again, over new connections, with the same timestamp.
type device struct {
	book *book
	// every is the time between two readings, on average.
	every time.Duration
	// corrections is the share of sends that give an earlier moment new values.
	corrections float64
	// past is how old its readings are.
	past     time.Duration
	random   *rand.Rand
	sender   sender
	troubles *troubles
}

// sender brings readings to the server.
type sender interface {
	// run works until ctx ends, or until the server refuses the device for good.
	run(ctx context.Context) error
	// send hands a reading over and waits while too many are without an answer;
	// done is called with each reading that was acknowledged.
	send(ctx context.Context, r reading, done func()) error
}

// troubles counts what devices met, and keeps what they should not have met.
type troubles struct {
	passing atomic.Int64
	// unavailable are webhooks answered with 503, slowed those with 429.
	unavailable, slowed atomic.Int64

	mu    sync.Mutex
	wrong []string
}

// complain notes what breaks a promise.
func (t *troubles) complain(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
}

func (t *troubles) complaints() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.wrong...)
}

// play sends until sending ends, calls sent, and goes on trying to deliver what it
// has until working ends.
func (d *device) play(sending, working context.Context, sent func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := d.sender.run(working); err != nil && working.Err() == nil {
			d.troubles.complain("%s was refused: %v", d.book.name, err)
		}
	}()
	for pause(sending, time.Duration(float64(d.every)*(0.5+d.random.Float64()))) == nil {
		r, ok := reading{}, false
		if d.corrections > 0 && d.random.Float64() < d.corrections {
			r, ok = d.book.correct(d.random.IntN(20))
		}
		if !ok {
			r = d.book.begin(time.Now().Add(-d.past))
		}
		if err := d.sender.send(working, r, func() { d.book.acknowledge(r, time.Now()) }); err != nil {
			break
		}
	}
	sent()
	<-ended
}

// mqttSender publishes by MQTT 5 at QoS 1.
type mqttSender struct {
	device   *mqtt.Device
	troubles *troubles
	name     string
}

// login is what a device signs in with at a broker.
type login struct {
	clientID, user string
	key            credential.Secret
	topic          string
}

func newMQTTSender(address string, who login, name string, t *troubles) (*mqttSender, error) {
	d, err := mqtt.NewDevice(mqtt.DeviceConfig{
		URL: "mqtt://" + address, ClientID: who.clientID, Username: who.user, Key: who.key, Topic: who.topic,
		Window: 64, KeepAlive: 3 * time.Second, ConnectTimeout: 4 * time.Second, AckTimeout: 6 * time.Second,
		MinBackoff: 50 * time.Millisecond, MaxBackoff: time.Second,
		OnProblem: func(error) { t.passing.Add(1) },
	})
	if err != nil {
		return nil, err
	}
	return &mqttSender{device: d, troubles: t, name: name}, nil
}

func (s *mqttSender) run(ctx context.Context) error { return s.device.Run(ctx) }

func (s *mqttSender) send(ctx context.Context, r reading, done func()) error {
	return s.device.Publish(ctx, r.payload(), func(err error) {
		switch {
		case err == nil:
			done()
		case !errors.Is(err, mqtt.ErrUnacknowledged):
			s.troubles.complain("%s %s: %v", s.name, moment(r.stamp), err)
		}
	})
}

// pause waits, or returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
