// Package mqttbroker is the embedded MQTT broker: devices of sun sources sign in
// with client id and key, publish their readings, and may subscribe to their own
// topics. It speaks MQTT 3.1.1 and 5.
//
// It is no general broker: a source's device talks to nobody but Ampra, so there
// is no topic tree, no retained message and nothing shared between sessions. The
// packets' codec is a library's, except for the few packets of the hot path.
package mqttbroker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"ampra/core/change"
	"ampra/core/credential"
	"ampra/modules/credentials"
	"ampra/modules/telemetry/ingest"

	"github.com/google/uuid"
)

// Gate lets devices in.
type Gate interface {
	SignInMQTT(ctx context.Context, clientID, username string, password credential.Secret) (credentials.Session, error)
	Holds(ctx context.Context, s credentials.Session) (bool, error)
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
	return c
}

// Deps are what the broker stands on.
type Deps struct {
	Gate   Gate
	Ingest Ingest
	Usage  Usage
	Log    *slog.Logger
}

// Broker holds the sessions of connected devices.
type Broker struct {
	cfg Config
	d   Deps

	mu sync.Mutex
	// sessions has the one session of each source: its client id is bound to the
	// source, so a second one takes over.
	sessions map[uuid.UUID]*session
	// parked has the states of persistent sessions whose device is away.
	parked map[uuid.UUID]*state
	// connections are all connections, signed in or not.
	connections map[net.Conn]struct{}

	stopping  atomic.Bool
	running   sync.WaitGroup
	published atomic.Int64
	refused   atomic.Int64
}

// New returns a broker.
func New(cfg Config, d Deps) *Broker {
	return &Broker{
		cfg: cfg.withDefaults(), d: d,
		sessions: map[uuid.UUID]*session{}, parked: map[uuid.UUID]*state{}, connections: map[net.Conn]struct{}{},
	}
}

// Stats are counts for the metrics.
type Stats struct {
	Sessions  int
	Published int64
	Refused   int64
}

// Stats returns the sessions now, and the publishes taken and sign-ins refused
// since the start.
func (b *Broker) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Stats{Sessions: len(b.sessions), Published: b.published.Load(), Refused: b.refused.Load()}
}

// Run serves the listeners until ctx ends, then stops: no new connections,
// sessions told and closed, and every publish that was taken answered or given
// up. It closes the listeners.
func (b *Broker) Run(ctx context.Context, listeners ...net.Listener) error {
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		b.running.Add(1)
		go func() {
			defer b.running.Done()
			if err := b.accept(ctx, l); err != nil && ctx.Err() == nil {
				failed <- fmt.Errorf("listening on %s: %w", l.Addr(), err)
			}
		}()
	}
	sweepDone := make(chan struct{})
	go func() {
		defer close(sweepDone)
		b.sweep(ctx)
	}()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	b.stopping.Store(true)
	for _, l := range listeners {
		err = errors.Join(err, ignoreClosed(l.Close()))
	}
	b.closeAll()
	b.running.Wait()
	if ctx.Err() != nil {
		<-sweepDone
	}
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (b *Broker) accept(ctx context.Context, l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			if b.stopping.Load() || errors.Is(err, net.ErrClosed) {
				return nil
			}
			var passing interface{ Temporary() bool }
			if errors.As(err, &passing) && passing.Temporary() { // out of file descriptors: wait for some
				select {
				case <-time.After(50 * time.Millisecond):
					continue
				case <-ctx.Done():
					return nil
				}
			}
			return err
		}
		if !b.admit(conn) {
			_ = conn.Close()
			continue
		}
		go func() {
			defer b.running.Done()
			defer b.forget(conn)
			b.serve(context.WithoutCancel(ctx), conn)
		}()
	}
}

// admit counts a connection in, unless there are too many or the broker stops.
func (b *Broker) admit(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping.Load() || len(b.connections) >= b.cfg.MaxSessions {
		return false
	}
	b.connections[conn] = struct{}{}
	b.running.Add(1)
	return true
}

func (b *Broker) forget(conn net.Conn) {
	_ = conn.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.connections, conn)
}

// closeAll tells every session that the server stops, and closes what has not
// signed in.
func (b *Broker) closeAll() {
	b.mu.Lock()
	known := map[net.Conn]bool{}
	sessions := make([]*session, 0, len(b.sessions))
	for _, s := range b.sessions {
		sessions = append(sessions, s)
		known[s.conn] = true
	}
	for conn := range b.connections {
		if !known[conn] {
			_ = conn.Close()
		}
	}
	b.mu.Unlock()
	endAll(sessions, serverShuttingDown)
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

// Apply is the broker's listener on the change feed: when it returns, no session
// that the change revoked takes or gives anything any more.
func (b *Broker) Apply(ctx context.Context, c change.Change) {
	b.mu.Lock()
	s := b.sessions[c.SourceID]
	if c.Kind == change.SourceDeleted {
		delete(b.parked, c.SourceID)
	}
	b.mu.Unlock()
	if s != nil {
		b.check(ctx, s)
	}
}

// check ends a session that no longer holds, and one of which that can't be told.
func (b *Broker) check(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Handshake)
	defer cancel()
	if holds, err := b.d.Gate.Holds(ctx, s.identity); err != nil || !holds {
		s.end(administrativeAction)
	}
}

// sweep ends sessions whose credential's grace is over, and drops states that
// have waited too long for their device.
func (b *Broker) sweep(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			var over []*session
			b.mu.Lock()
			for _, s := range b.sessions {
				if until := s.identity.ValidUntil; until != nil && !now.Before(*until) {
					over = append(over, s)
				}
			}
			for source, st := range b.parked {
				if now.After(st.expiresAt) {
					delete(b.parked, source)
				}
			}
			b.mu.Unlock()
			endAll(over, administrativeAction)
		}
	}
}
