// Package mqtt speaks MQTT as a client: Subscriber reads an outside broker's
// readings into ingest, Device publishes as a sun source's device does. The
// embedded broker is in package mqttbroker.
package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/modules/telemetry/ingest"
)

// Sources tells who may send.
type Sources interface {
	// Access returns what is known of a source, or a fault NotFound.
	Access(ctx context.Context, source uuid.UUID) (credential.Access, error)
}

// Ingest takes deliveries; see ingest.Service.Submit.
type Ingest interface {
	Submit(ctx context.Context, d ingest.Delivery, done func(ingest.Receipt, error)) error
}

// SubscriberConfig says how to read an outside broker. Zero counts and durations
// stand for the defaults named beside them.
type SubscriberConfig struct {
	// URL is the broker's, with user and password: mqtt:// or mqtts://.
	URL credential.Secret
	// TLS is used for mqtts; nil means the system's certificate authorities.
	TLS *tls.Config
	// Group is the share group: the broker gives each message to one member.
	Group string
	// Name tells this process from others of the group. It must stay the same over
	// restarts: the broker keeps under it what was not acknowledged. No two running
	// processes may have one name: the broker would cut off one for the other.
	Name string
	// Connections is how many are opened, 1.
	Connections int
	// Window is how many messages a connection may hold without acknowledgement,
	// 2,000; also to the broker, as the Receive Maximum.
	Window uint16
	// WindowBytes is how many bytes of them a connection holds before it reads no
	// more until some are acknowledged, 32 MiB.
	WindowBytes int
	// RetryMin and RetryMax bound the wait between attempts to connect, to subscribe,
	// and to store a reading while the journal is away, 100 ms and 5 s.
	RetryMin, RetryMax time.Duration
	// KeepAlive is the time after which a silent broker is probed, 30 s; it is given
	// up when the probe has no answer for as long again.
	KeepAlive time.Duration
	// Confirm is how often a granted subscription is asked for again, 1 min: a broker
	// does not tell when it takes one away.
	Confirm time.Duration
	// SessionExpiry is how long the broker keeps for each connection what it could not
	// deliver, 24 h: the longest that a process may be down and lose nothing. Mosquitto
	// goes on giving absent members their share of the messages, so a Name that never
	// returns costs the group its share until this time is over.
	SessionExpiry time.Duration
	// Leave makes an orderly stop a departure: every connection unsubscribes, takes
	// what the broker still holds for it and ends its session. It is for processes of
	// a group that goes on without them. Without it the broker keeps the readings of
	// the meantime for the next start, which is what a process that restarts wants:
	// after the last member has left, a broker has nobody to keep them for.
	Leave bool
}

// SubscriberDeps are what a subscriber stands on.
type SubscriberDeps struct {
	Sources Sources
	Ingest  Ingest
	Log     *slog.Logger
}

// Subscriber reads the readings of all sources from an outside broker. A message
// is acknowledged to the broker once the journal has it, or once it is clear that
// it never will be taken. It may be read twice: the same reading.
type Subscriber struct {
	endpoint
	cfg SubscriberConfig
	d   SubscriberDeps

	connected atomic.Int64
	dropped   atomic.Int64
}

// NewSubscriber checks the settings.
func NewSubscriber(cfg SubscriberConfig, d SubscriberDeps) (*Subscriber, error) {
	s := &Subscriber{cfg: cfg, d: d}
	var err error
	if s.endpoint, err = readURL(cfg.URL); err != nil {
		return nil, err
	}
	if cfg.Group == "" || strings.ContainsAny(cfg.Group, "/+#\x00") {
		return nil, errors.New("a share group without /, + and #")
	}
	if cfg.Name == "" {
		return nil, errors.New("a name for this process in its share group")
	}
	if s.cfg.Window == 0 {
		s.cfg.Window = 2000
	}
	setDefault(&s.cfg.Connections, 1)
	setDefault(&s.cfg.WindowBytes, 32<<20)
	setDefault(&s.cfg.RetryMin, 100*time.Millisecond)
	setDefault(&s.cfg.RetryMax, 5*time.Second)
	s.cfg.RetryMax = max(s.cfg.RetryMin, s.cfg.RetryMax)
	setDefault(&s.cfg.KeepAlive, 30*time.Second)
	setDefault(&s.cfg.Confirm, time.Minute)
	setDefault(&s.cfg.SessionExpiry, 24*time.Hour)
	return s, nil
}

// endpoint is a broker's URL, taken apart.
type endpoint struct {
	address string
	secure  bool
	user    string
	key     credential.Secret
}

// readURL takes a broker's URL apart. Its errors show nothing of it: it holds a
// password.
func readURL(from credential.Secret) (endpoint, error) {
	wrong := errors.New("a broker's URL of the form mqtt://user:password@host:port, or mqtts for TLS")
	u, err := url.Parse(from.Reveal())
	if err != nil || u.Hostname() == "" {
		return endpoint{}, wrong
	}
	var e endpoint
	port := "1883"
	switch u.Scheme {
	case "mqtt", "tcp":
	case "mqtts", "ssl", "tls":
		e.secure, port = true, "8883"
	default:
		return endpoint{}, wrong
	}
	if u.Port() != "" {
		port = u.Port()
	}
	e.address = net.JoinHostPort(u.Hostname(), port)
	e.user = u.User.Username()
	password, _ := u.User.Password()
	e.key = credential.NewSecret(password)
	return e, nil
}

// dial connects to the broker.
func (e endpoint) dial(ctx context.Context, config *tls.Config) (net.Conn, error) {
	plain := &net.Dialer{}
	if !e.secure {
		return plain.DialContext(ctx, "tcp", e.address)
	}
	conn, err := (&tls.Dialer{NetDialer: plain, Config: config}).DialContext(ctx, "tcp", e.address)
	if err != nil {
		return nil, err
	}
	return &packetConn{Conn: conn}, nil
}

// Connected is how many connections are up and subscribed.
func (s *Subscriber) Connected() int { return int(s.connected.Load()) }

// Dropped counts messages that were not taken: of sources that may not send, of
// topics that name no source, and at QoS 0 what came while there was no room.
func (s *Subscriber) Dropped() int64 { return s.dropped.Load() }

// Ping is an error while the broker has granted the subscription on no
// connection.
func (s *Subscriber) Ping() error {
	if s.Connected() == 0 {
		return errors.New("not subscribed at the MQTT broker")
	}
	return nil
}

// Run reads until ctx ends; it returns nil. It reconnects by itself. At the end
// what was handed to the journal is acknowledged, for which it waits a few
// seconds; the rest the broker sends again.
func (s *Subscriber) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for i := range s.cfg.Connections {
		id := fmt.Sprintf("ampra-%s-%s-%d", s.cfg.Group, s.cfg.Name, i)
		m := &member{Subscriber: s, clientID: id, log: s.d.Log.With("client", id)}
		all.Go(func() { m.stay(ctx) })
	}
	all.Wait()
	return nil
}

// filter is what every connection subscribes to.
func (s *Subscriber) filter() string { return Filter(s.cfg.Group) }

// Filter is what the members of a share group subscribe to.
func Filter(group string) string { return "$share/" + group + "/sunsource/+/data/#" }

// parseTopic reads "sunsource/{id}/data" and levels below it. name is the
// rest below data, "" for data itself.
func parseTopic(topic string) (source uuid.UUID, name string, ok bool) {
	rest, ok := strings.CutPrefix(topic, "sunsource/")
	if !ok {
		return uuid.Nil, "", false
	}
	id, rest, _ := strings.Cut(rest, "/")
	if len(id) != 36 || (rest != "data" && !strings.HasPrefix(rest, "data/")) {
		return uuid.Nil, "", false
	}
	source, err := uuid.Parse(id)
	if err != nil {
		return uuid.Nil, "", false
	}
	return source, strings.TrimPrefix(rest[len("data"):], "/"), true
}

// wait reports whether d passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
