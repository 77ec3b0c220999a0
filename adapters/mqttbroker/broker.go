// Package mqttbroker is the embedded MQTT broker: devices of sun sources sign in
// with client id and key, publish their readings, and may subscribe to their own
// topics. It speaks MQTT 3.1.1 and 5.
//
// It is no general broker: a source's device talks to nobody but Ampra, so there
// is no topic tree, no retained message and nothing shared between sessions. What
// comes from outside is read by strict parsers of our own; the library's codec,
// which panics on some packets that are cut off and passes over rules, writes the
// rare packets and is what the tests compare with.
package mqttbroker

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/modules/credentials"
	"ampra/modules/telemetry/ingest"
)

// Gate lets devices in. credentials.Gate is one.
type Gate interface {
	// SignInMQTT checks a CONNECT: Unauthenticated is a refusal, anything else says
	// that it can't be told now.
	SignInMQTT(ctx context.Context, clientID, username string, password credential.Secret) (credentials.Session, error)
	// Holds reports whether a session may go on.
	Holds(ctx context.Context, s credentials.Session) (bool, error)
	// ValidUntil is when a session's credential ends, as it stands now; nil: never.
	ValidUntil(ctx context.Context, s credentials.Session) (*time.Time, error)
	// Trusted is false while Holds has to be asked for each publish.
	Trusted() bool
}

// Ingest takes deliveries; see ingest.Service.Submit.
type Ingest interface {
	Submit(ctx context.Context, d ingest.Delivery, done func(ingest.Receipt, error)) error
}

// Usage is told of sessions.
type Usage interface {
	Opened(source uuid.UUID)
	Closed(source uuid.UUID)
}

// Config holds the broker's bounds. Zero values stand for the defaults.
type Config struct {
	// ReceiveMaximum is how many QoS 1 and 2 publishes of one session may be
	// unanswered; 64 by default. A sender beyond it waits (MQTT 3.1.1) or breaks
	// the protocol (MQTT 5).
	ReceiveMaximum uint16
	// MaxPacket bounds a packet in bytes; 1 MiB and 64 KiB by default.
	MaxPacket int
	// MaxSessions bounds the connections; 200,000 by default.
	MaxSessions int
	// Handshake is how long a connection may take to sign in; 10 s by default.
	Handshake time.Duration
	// Drain is how long Run, when its context ends, waits for the answers to the
	// publishes that were taken; 2 s by default.
	Drain time.Duration
}

func (c Config) withDefaults() Config {
	if c.ReceiveMaximum == 0 {
		c.ReceiveMaximum = 64
	}
	if c.MaxPacket == 0 {
		c.MaxPacket = 1<<20 + 64<<10
	}
	if c.MaxSessions == 0 {
		c.MaxSessions = 200_000
	}
	if c.Handshake == 0 {
		c.Handshake = 10 * time.Second
	}
	if c.Drain == 0 {
		c.Drain = 2 * time.Second
	}
	return c
}

// Deps are what the broker stands on.
type Deps struct {
	Gate   Gate
	Ingest Ingest
	Usage  Usage
	// Limits slow down who sends too much; nil: there are none.
	Limits Limits
	// Foreign is told of a source whose device published to a topic that is not its
	// own; nil: nobody is.
	Foreign func(ctx context.Context, source uuid.UUID, topic string)
	Log     *slog.Logger
}

// Broker holds the sessions of connected devices.
type Broker struct {
	cfg Config
	d   Deps

	mu sync.Mutex
	// sessions has the one session of each source: its client id is bound to the
	// source, so a second one takes over.
	sessions map[uuid.UUID]*session
	// ending are those of them whose credential has an end.
	ending map[uuid.UUID]*session
	// parked has the states of persistent sessions whose device is away.
	parked map[uuid.UUID]*state
	// wills wait for their delay.
	wills map[uuid.UUID]*legacy
	// connections are all connections, signed in or not.
	connections map[net.Conn]struct{}
	stopping    bool

	basins basins
	outbox outbox

	running   sync.WaitGroup
	published atomic.Int64
	counts    [3][countResults]atomic.Int64
	refused   atomic.Int64
}

// New returns a broker.
func New(cfg Config, d Deps) *Broker {
	return &Broker{
		cfg: cfg.withDefaults(), d: d,
		sessions: map[uuid.UUID]*session{}, ending: map[uuid.UUID]*session{}, parked: map[uuid.UUID]*state{},
		wills: map[uuid.UUID]*legacy{}, connections: map[net.Conn]struct{}{}, outbox: newOutbox(),
	}
}

// Stats are counts for the metrics.
type Stats struct {
	Sessions  int
	Published int64
	Refused   int64
}

// Stats returns the sessions now, and the publishes taken and connections refused
// since the start.
func (b *Broker) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Stats{Sessions: len(b.sessions), Published: b.published.Load(), Refused: b.refused.Load()}
}

// Run serves the listeners until ctx ends, then stops: no new connections and no
// new publishes, those that were taken answered or, after Config.Drain, given up,
// MQTT 5 told, and every connection closed. That takes Config.Drain and two
// seconds at the most. It closes the listeners, and ends with an error only if
// somebody else closed one. It can run once.
func (b *Broker) Run(ctx context.Context, listeners ...net.Listener) error {
	// Sessions outlive ctx, for the drain.
	base, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var loops sync.WaitGroup
	for _, l := range listeners {
		loops.Go(func() {
			if err := b.accept(ctx, base, l); err != nil {
				cancel(err)
			}
		})
	}
	loops.Go(func() { b.sweep(ctx, base) })
	over := make(chan struct{})
	for range runtime.GOMAXPROCS(0) {
		loops.Go(func() { b.outbox.run(over) })
	}
	<-ctx.Done()

	b.mu.Lock()
	b.stopping = true
	b.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close()
	}
	b.stop(giveUp)
	close(over)
	loops.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// stop ends all sessions and waits until they are gone. giveUp ends the context
// of whatever still waits.
func (b *Broker) stop(giveUp func()) {
	b.mu.Lock()
	sessions := make([]*session, 0, len(b.sessions))
	signedIn := make(map[net.Conn]bool, len(b.sessions))
	for _, s := range b.sessions {
		sessions = append(sessions, s)
		signedIn[s.conn] = true
	}
	for conn := range b.connections {
		if !signedIn[conn] {
			abandon(conn)
		}
	}
	b.mu.Unlock()
	for _, s := range sessions {
		s.quiesce()
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		b.running.Wait()
	}()
	drained := time.NewTimer(b.cfg.Drain)
	defer drained.Stop()
	select {
	case <-gone:
	case <-drained.C:
	}
	giveUp()
	endAll(sessions, serverShuttingDown)
	<-gone
}

// endAll ends sessions at once, each in its own goroutine since a device may have
// stopped reading, and waits for all.
func endAll(sessions []*session, reason byte) {
	var ended sync.WaitGroup
	for _, s := range sessions {
		ended.Go(func() { s.end(reason) })
	}
	ended.Wait()
}
