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
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/modules/telemetry/ingest"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
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

// SubscriberConfig says how to read an outside broker.
type SubscriberConfig struct {
	// URL is the broker's, with user and password: mqtt:// or mqtts://.
	URL credential.Secret
	// TLS is used for mqtts; nil means the system's certificate authorities.
	TLS *tls.Config
	// Group is the share group: the broker gives each message to one member.
	Group string
	// Name tells this process from others of the group; it must stay the same over
	// restarts, since the broker keeps under it what was not acknowledged.
	Name string
	// Connections is how many are opened; 1 at the least.
	Connections int
	// Window is how many messages a connection may hold without acknowledgement;
	// 2,000 by default.
	Window uint16
	// RetryMin and RetryMax bound the wait between attempts to store a reading while
	// the journal is away; 100 ms and 5 s by default.
	RetryMin, RetryMax time.Duration
}

// SubscriberDeps are what a subscriber stands on.
type SubscriberDeps struct {
	Sources Sources
	Ingest  Ingest
	Log     *slog.Logger
}

// sessionExpiry is how long the broker keeps what it could not deliver to us.
const sessionExpiry = 24 * time.Hour

// ackInterval is how often acknowledgements are sent.
const ackInterval = 2 * time.Millisecond

// Subscriber reads the readings of all sources from an outside broker. A message
// is acknowledged to the broker once the journal has it, or once it is clear that
// it never will be taken.
type Subscriber struct {
	cfg       SubscriberConfig
	d         SubscriberDeps
	server    *url.URL
	connected atomic.Int64
	dropped   atomic.Int64
}

// NewSubscriber checks the settings.
func NewSubscriber(cfg SubscriberConfig, d SubscriberDeps) (*Subscriber, error) {
	server, err := url.Parse(cfg.URL.Reveal())
	if err != nil || server.Host == "" {
		return nil, errors.New("the broker's URL is not of the form mqtt://user:password@host:port")
	}
	if server.Port() == "" {
		port := ":1883"
		if server.Scheme == "mqtts" || server.Scheme == "ssl" {
			port = ":8883"
		}
		server.Host += port
	}
	if cfg.Window == 0 {
		cfg.Window = 2000
	}
	if cfg.RetryMin == 0 {
		cfg.RetryMin = 100 * time.Millisecond
	}
	if cfg.RetryMax == 0 {
		cfg.RetryMax = 5 * time.Second
	}
	return &Subscriber{cfg: cfg, d: d, server: server}, nil
}

// Connected is how many connections are up and subscribed.
func (s *Subscriber) Connected() int { return int(s.connected.Load()) }

// Dropped counts messages of sources that may not send.
func (s *Subscriber) Dropped() int64 { return s.dropped.Load() }

// Ping is an error while the broker sends readings on no connection.
func (s *Subscriber) Ping() error {
	if s.Connected() == 0 {
		return errors.New("not subscribed at the MQTT broker")
	}
	return nil
}

// Run reads until ctx ends. It reconnects by itself; what was not acknowledged
// comes again.
func (s *Subscriber) Run(ctx context.Context) error {
	var all errgroup.Group
	for i := range max(s.cfg.Connections, 1) {
		all.Go(func() error { return s.connection(ctx, fmt.Sprintf("ampra-%s-%s-%d", s.cfg.Group, s.cfg.Name, i)) })
	}
	return all.Wait()
}

// received is a message that waits to be stored and acknowledged.
type received struct {
	packet *paho.Publish
	client *paho.Client
}

// connection is one connection with its own session at the broker.
func (s *Subscriber) connection(ctx context.Context, clientID string) error {
	log := s.d.Log.With("client", clientID)
	// The broker sends no more than the window without acknowledgement, so the
	// queue always has room and the library's reader is never held up. What is left
	// of a connection that broke comes on top, hence twice.
	queue := make(chan received, 2*int(s.cfg.Window))
	link := link{connected: &s.connected}
	password, _ := s.server.User.Password()
	server := *s.server
	server.User = nil
	config := autopaho.ClientConfig{
		ServerUrls: []*url.URL{&server}, TlsCfg: s.cfg.TLS, KeepAlive: 30,
		SessionExpiryInterval: uint32(sessionExpiry.Seconds()),
		ConnectUsername:       s.server.User.Username(), ConnectPassword: []byte(password),
		ConnectTimeout:   10 * time.Second,
		ReconnectBackoff: autopaho.NewExponentialBackoff(100*time.Millisecond, 5*time.Second, 500*time.Millisecond, 2),
		ConnectPacketBuilder: func(c *paho.Connect, _ *url.URL) (*paho.Connect, error) {
			window := s.cfg.Window
			if c.Properties == nil {
				c.Properties = &paho.ConnectProperties{}
			}
			c.Properties.ReceiveMaximum = &window
			return c, nil
		},
		OnConnectionUp: func(manager *autopaho.ConnectionManager, _ *paho.Connack) {
			log.Info("connected to the MQTT broker")
			go s.subscribe(link.begin(ctx), manager, &link, log)
		},
		OnConnectionDown: func() bool {
			link.end()
			return true
		},
		OnConnectError: func(err error) { log.Warn("the MQTT broker can't be reached, trying again", "error", err) },
		ClientConfig: paho.ClientConfig{
			ClientID: clientID, EnableManualAcknowledgment: true, SendAcksInterval: ackInterval,
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){
				func(p paho.PublishReceived) (bool, error) {
					select {
					case queue <- received{p.Packet, p.Client}:
					case <-ctx.Done(): // not acknowledged, so it comes again
					}
					return true, nil
				},
			},
		},
	}
	// The manager outlives ctx a little, for the last acknowledgements.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	manager, err := autopaho.NewConnection(running, config)
	if err != nil {
		return fmt.Errorf("connecting to the MQTT broker: %w", err)
	}
	s.work(ctx, queue)
	last, cancel := context.WithTimeout(running, 2*time.Second)
	defer cancel()
	wait(last, 5*ackInterval)
	err = manager.Disconnect(last)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && last.Err() == nil {
		log.Debug("disconnecting from the MQTT broker", "error", err)
	}
	stop()
	<-manager.Done()
	link.end()
	return nil
}

// subscribe asks for the readings of all sources until it is granted, or until
// the connection of that context is over.
func (s *Subscriber) subscribe(ctx context.Context, manager *autopaho.ConnectionManager, l *link, log *slog.Logger) {
	filter := "$share/" + s.cfg.Group + "/sunsource/+/data/#"
	for retry := s.cfg.RetryMin; ctx.Err() == nil; retry = min(2*retry, s.cfg.RetryMax) {
		asking, cancel := context.WithTimeout(ctx, 10*time.Second)
		_, err := manager.Subscribe(asking, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}})
		cancel()
		if err == nil {
			l.granted(ctx)
			return
		}
		if ctx.Err() == nil {
			log.Error("the MQTT broker did not grant the subscription, trying again", "filter", filter, "error", err)
		}
		wait(ctx, retry)
	}
}

// work stores what is queued until ctx ends.
func (s *Subscriber) work(ctx context.Context, queue <-chan received) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-queue:
			s.store(ctx, r)
		}
	}
}

// store hands one message to ingest and sees to its acknowledgement. It waits
// while the journal has no room.
func (s *Subscriber) store(ctx context.Context, r received) {
	source, name, ok := parseTopic(r.packet.Topic)
	if !ok || !s.maySend(ctx, source) {
		if ctx.Err() == nil {
			s.dropped.Add(1)
			s.ack(r)
		}
		return
	}
	delivery := ingest.Delivery{SourceID: source, Payload: r.packet.Payload, Origin: "mqtt", Topic: r.packet.Topic, Name: name}
	retry := s.cfg.RetryMin
	for ctx.Err() == nil {
		err := s.d.Ingest.Submit(ctx, delivery, func(_ ingest.Receipt, err error) {
			if err == nil || fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge) {
				s.ack(r)
				return
			}
			// Not known to be durable: once more, apart from the queue.
			go s.again(ctx, r, delivery)
		})
		if err == nil {
			return
		}
		wait(ctx, retry)
		retry = min(2*retry, s.cfg.RetryMax)
	}
}

// again submits a message until its fate is known. The library sends
// acknowledgements in order, so what came after it waits too: the broker stops
// sending once the window is full.
func (s *Subscriber) again(ctx context.Context, r received, delivery ingest.Delivery) {
	for retry := s.cfg.RetryMin; ctx.Err() == nil; retry = min(2*retry, s.cfg.RetryMax) {
		wait(ctx, retry)
		fate := make(chan error, 1)
		if err := s.d.Ingest.Submit(ctx, delivery, func(_ ingest.Receipt, err error) { fate <- err }); err != nil {
			continue
		}
		err := <-fate
		if err == nil || fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge) {
			s.ack(r)
			return
		}
	}
}

// maySend reports whether the source exists, is active and connects by MQTT. It
// waits until that can be told.
func (s *Subscriber) maySend(ctx context.Context, source uuid.UUID) bool {
	for retry := s.cfg.RetryMin; ; retry = min(2*retry, s.cfg.RetryMax) {
		access, err := s.d.Sources.Access(ctx, source)
		switch {
		case err == nil:
			return access.Active && access.Type == sunsource.MQTT
		case fault.Is(err, fault.NotFound) || ctx.Err() != nil:
			return false
		}
		wait(ctx, retry)
	}
}

// ack acknowledges a message. On a connection that is gone that fails, and the
// message comes again: the same reading.
func (s *Subscriber) ack(r received) {
	if err := r.client.Ack(r.packet); err != nil && !errors.Is(err, paho.ErrPacketNotFound) {
		s.d.Log.Debug("acknowledging to the MQTT broker", "error", err)
	}
}

// parseTopic reads "sunsource/{id}/data" and levels below it. name is the last
// level below data, "" for data itself.
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
	if rest != "data" {
		name = rest[strings.LastIndexByte(rest, '/')+1:]
	}
	return source, name, true
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
