package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"ampra/core/credential"
	"ampra/core/fault"
)

// DeviceConfig says how one device of a sun source signs in and how it sends.
// Zero durations and counts stand for the defaults named beside them.
type DeviceConfig struct {
	// URL is the broker's address: mqtt://host:port, or mqtts://host:port for TLS.
	URL string
	// TLS is used for mqtts; nil means the system's certificate authorities.
	TLS *tls.Config
	// ClientID, Username and Key are what it signs in with. Username may be empty.
	ClientID string
	Username string
	Key      credential.Secret
	// Topic is where it publishes.
	Topic string
	// Window is how many messages may be without an acknowledgement at once, 100.
	// The broker's own Receive Maximum is kept too.
	Window int
	// KeepAlive is the time after which a silent connection is probed, 30 s.
	KeepAlive time.Duration
	// ConnectTimeout bounds one attempt to connect and sign in, 10 s.
	ConnectTimeout time.Duration
	// AckTimeout is how long an acknowledgement may take before the connection is
	// given up and the message sent again on a new one, 30 s.
	AckTimeout time.Duration
	// MinBackoff and MaxBackoff bound the pause between attempts, 100 ms and 5 s.
	MinBackoff, MaxBackoff time.Duration
	// OnProblem hears of each passing problem: a lost connection, a failed attempt.
	// It must not block. Nil ignores them.
	OnProblem func(error)
}

// ErrUnacknowledged is what a message ends with that the broker had not
// acknowledged when its device stopped. It may have arrived.
var ErrUnacknowledged = errors.New("the device stopped before it was acknowledged")

// Refused is the broker's refusal of a message or of a sign-in, by its MQTT 5
// reason code (0x80 and above).
type Refused struct {
	Code   byte
	Reason string
}

// Error names the code and, where the broker gave one, the reason.
func (r *Refused) Error() string {
	if r.Reason == "" {
		return fmt.Sprintf("refused with reason code 0x%02x", r.Code)
	}
	return fmt.Sprintf("refused with reason code 0x%02x: %s", r.Code, r.Reason)
}

// Device publishes as a sun source's own device does: MQTT 5, QoS 1, in order,
// over one connection that it makes again when it is lost. What was not
// acknowledged on the old connection is sent again, first and in its order, on
// the new one.
type Device struct {
	cfg     DeviceConfig
	address string
	secure  bool
	slots   chan struct{} // one for each message without an acknowledgement
	wake    chan struct{} // there may be something to send
	ended   chan struct{}

	mu      sync.Mutex
	lastSeq uint64
	waiting []*deviceMessage // not on the current connection, in order
	paused  time.Time        // send nothing before: the broker asked to slow down
	over    bool
}

// deviceMessage is a message on its way.
type deviceMessage struct {
	seq     uint64
	payload []byte
	done    func(error)
}

// NewDevice checks the configuration. Invalid is returned for one that can't
// work. Nothing happens before Run.
func NewDevice(cfg DeviceConfig) (*Device, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The broker's URL can't be read.")
	}
	secure, defaultPort := false, "1883"
	switch u.Scheme {
	case "mqtt", "tcp":
	case "mqtts", "ssl", "tls":
		secure, defaultPort = true, "8883"
	default:
		return nil, fault.New(fault.Invalid, "The broker's URL must begin with mqtt:// or mqtts://, not %q.", u.Scheme)
	}
	if u.Hostname() == "" || cfg.ClientID == "" || cfg.Topic == "" {
		return nil, fault.New(fault.Invalid, "A device needs a broker's host, a client id and a topic.")
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	setDefault(&cfg.Window, 100)
	setDefault(&cfg.KeepAlive, 30*time.Second)
	setDefault(&cfg.ConnectTimeout, 10*time.Second)
	setDefault(&cfg.AckTimeout, 30*time.Second)
	setDefault(&cfg.MinBackoff, 100*time.Millisecond)
	setDefault(&cfg.MaxBackoff, 5*time.Second)
	if cfg.Window > maxPacketIDs {
		return nil, fault.New(fault.Invalid, "A device's window is at most %d.", maxPacketIDs)
	}
	return &Device{
		cfg:     cfg,
		address: net.JoinHostPort(u.Hostname(), port),
		secure:  secure,
		slots:   make(chan struct{}, cfg.Window),
		wake:    make(chan struct{}, 1),
		ended:   make(chan struct{}),
	}, nil
}

func setDefault[T int | time.Duration](value *T, standard T) {
	if *value <= 0 {
		*value = standard
	}
}

// Publish hands a message over, waiting while the window is full. When it
// returns nil, done is called exactly once: with nil when the broker has
// acknowledged the message, with a Refused when it refused it, with
// ErrUnacknowledged when Run ended before. Otherwise done is not called. done
// must not block. The payload must not be changed afterwards.
func (d *Device) Publish(ctx context.Context, payload []byte, done func(error)) error {
	select {
	case d.slots <- struct{}{}:
	case <-d.ended:
		return ErrUnacknowledged
	case <-ctx.Done():
		return ctx.Err()
	}
	d.mu.Lock()
	if d.over {
		d.mu.Unlock()
		<-d.slots
		return ErrUnacknowledged
	}
	d.lastSeq++
	d.waiting = append(d.waiting, &deviceMessage{seq: d.lastSeq, payload: payload, done: done})
	d.mu.Unlock()
	d.rouse()
	return nil
}

// Run connects, and connects again, until ctx ends (nil) or the broker refuses
// the sign-in for good (a Refused). It is called once.
func (d *Device) Run(ctx context.Context) error {
	defer d.finish()
	backoff := d.cfg.MinBackoff
	for {
		connected, err := d.connectAndSend(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if refused, ok := errors.AsType[*Refused](err); ok && !connected && refused.lasting() {
			return fmt.Errorf("signing in to %s as %s: %w", d.address, d.cfg.ClientID, refused)
		}
		if d.cfg.OnProblem != nil {
			d.cfg.OnProblem(fmt.Errorf("mqtt %s, %s: %w", d.address, d.cfg.ClientID, err))
		}
		if connected {
			backoff = d.cfg.MinBackoff
		}
		// Devices that lost one broker together do not come back together.
		pause := backoff/2 + rand.N(backoff/2+1) //nolint:gosec // not a secret
		backoff = min(backoff*2, d.cfg.MaxBackoff)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// lasting reports whether another sign-in with the same words would be refused
// again: malformed, not authorised, banned, a wrong client id or method.
func (r *Refused) lasting() bool {
	return slices.Contains([]byte{0x81, 0x82, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C}, r.Code)
}

func (d *Device) rouse() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// finish gives every message that is left its answer.
func (d *Device) finish() {
	d.mu.Lock()
	d.over = true
	left := d.waiting
	d.waiting = nil
	d.mu.Unlock()
	close(d.ended)
	for _, m := range left {
		d.resolve(m, ErrUnacknowledged)
	}
}

func (d *Device) resolve(m *deviceMessage, err error) {
	m.done(err)
	<-d.slots
}

// putBack returns messages to where they stood in the order.
func (d *Device) putBack(messages ...*deviceMessage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(d.waiting, messages...)
	slices.SortFunc(d.waiting, func(a, b *deviceMessage) int { return int(int64(a.seq) - int64(b.seq)) }) //nolint:gosec // counts
}

// slowDown is the answer to a broker that has too much: the message waits, and
// everything behind it.
func (d *Device) slowDown(m *deviceMessage) {
	d.putBack(m)
	d.mu.Lock()
	d.paused = time.Now().Add(time.Second)
	d.mu.Unlock()
}

// next takes the oldest waiting message. With none to be sent now it says how
// long to wait at the least.
func (d *Device) next() (*deviceMessage, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if wait := time.Until(d.paused); wait > 0 {
		return nil, wait
	}
	if len(d.waiting) == 0 {
		return nil, d.cfg.AckTimeout / 4
	}
	m := d.waiting[0]
	d.waiting[0] = nil
	d.waiting = d.waiting[1:]
	return m, 0
}

// connectAndSend is one connection, from dialling to its end. connected says
// whether the broker took the sign-in.
func (d *Device) connectAndSend(ctx context.Context) (connected bool, err error) {
	connecting, cancel := context.WithTimeout(ctx, d.cfg.ConnectTimeout)
	defer cancel()
	conn, err := d.dial(connecting)
	if err != nil {
		return false, err
	}
	session := newDeviceSession(d)
	lost := make(chan error, 1)
	end := func(err error) {
		select {
		case lost <- err:
		default:
		}
	}
	client := paho.NewClient(paho.ClientConfig{
		Conn:          conn,
		Session:       session,
		PacketTimeout: d.cfg.ConnectTimeout,
		OnClientError: end,
		OnServerDisconnect: func(p *paho.Disconnect) {
			reason := ""
			if p.Properties != nil {
				reason = p.Properties.ReasonString
			}
			end(fmt.Errorf("cut off by the broker: %w", &Refused{Code: p.ReasonCode, Reason: reason}))
		},
	})
	answer, err := client.Connect(connecting, &paho.Connect{
		ClientID:     d.cfg.ClientID,
		KeepAlive:    uint16(min(max(d.cfg.KeepAlive/time.Second, 1), maxPacketIDs)),
		CleanStart:   true,
		UsernameFlag: d.cfg.Username != "",
		Username:     d.cfg.Username,
		PasswordFlag: !d.cfg.Key.IsZero(),
		Password:     []byte(d.cfg.Key.Reveal()),
		Properties: &paho.ConnectProperties{
			RequestProblemInfo: true,
			// It receives nothing, and paho makes room for as many as this at once.
			ReceiveMaximum: paho.Uint16(1),
		},
	})
	if err != nil {
		_ = conn.Close()
		if answer != nil && answer.ReasonCode >= 0x80 {
			refused := &Refused{Code: answer.ReasonCode}
			if answer.Properties != nil {
				refused.Reason = answer.Properties.ReasonString
			}
			return false, refused
		}
		return false, fmt.Errorf("signing in: %w", err)
	}
	err = d.pump(ctx, client, session, lost)
	// A peer that reads nothing must not hold up the end.
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = client.Disconnect(&paho.Disconnect{ReasonCode: 0})
	<-client.Done()
	d.putBack(session.unacknowledged()...)
	return true, err
}

// pump sends until the connection or ctx ends.
func (d *Device) pump(ctx context.Context, client *paho.Client, session *deviceSession, lost <-chan error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := d.cfg.AckTimeout / 4
		if session.hasRoom() {
			var m *deviceMessage
			if m, wait = d.next(); m != nil {
				if err := session.send(ctx, client, d.cfg.Topic, m); err != nil {
					return err
				}
			}
		}
		if wait == 0 { // a message went out: is there another?
			select {
			case err := <-lost:
				return err
			case <-ctx.Done():
				return nil
			default:
				continue
			}
		}
		if age := session.oldest(); age > d.cfg.AckTimeout {
			return fmt.Errorf("no acknowledgement for %s", age.Round(time.Second))
		}
		timer.Reset(wait)
		select {
		case <-d.wake:
		case <-timer.C:
		case err := <-lost:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}
