package mqttbroker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"
)

// Bounds of the pause after Accept failed.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// accept takes connections until ctx ends. Whatever goes wrong may pass, such as
// a want of file descriptors: it waits and goes on. Only a listener that was
// closed by somebody else is an error.
func (b *Broker) accept(ctx, base context.Context, l net.Listener) error {
	pause := minPause
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("listening on %s: %w", l.Addr(), err)
		case err != nil:
			if pause == minPause {
				b.d.Log.Error("accepting connections failed", "listener", l.Addr().String(), "error", err)
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return nil
			}
			pause = min(2*pause, maxPause)
			continue
		}
		pause = minPause
		if !b.admit(conn) {
			_ = conn.Close()
			continue
		}
		go b.serve(base, conn)
	}
}

// admit counts a connection in, unless there are too many or the broker stops.
func (b *Broker) admit(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping || len(b.connections) >= b.cfg.MaxSessions {
		return false
	}
	b.connections[conn] = struct{}{}
	b.running.Add(1)
	return true
}

// forget closes a connection and counts it out.
func (b *Broker) forget(conn net.Conn) {
	defer b.running.Done()
	abandon(conn)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.connections, conn)
}

// serve takes one connection, which is counted, from its first byte on. A session
// goes on in a goroutine of its own: signing in takes a deep stack, which it would
// keep.
func (b *Broker) serve(ctx context.Context, conn net.Conn) {
	s := b.greet(ctx, conn)
	if s == nil {
		b.forget(conn)
		return
	}
	go b.attend(ctx, s)
}

// greet lets a device in, or returns nil.
func (b *Broker) greet(ctx context.Context, conn net.Conn) *session {
	defer b.rescue(conn)
	s, err := b.open(ctx, conn)
	if err != nil {
		b.refused.Add(1)
		b.d.Log.Debug("a connection was refused", "remote", conn.RemoteAddr().String(), "reason", err)
		return nil
	}
	b.d.Log.Debug("a device connected", "source", s.identity.SourceID, "remote", conn.RemoteAddr().String(), "version", s.version)
	return s
}

// attend takes a session to its end.
func (b *Broker) attend(ctx context.Context, s *session) {
	defer b.forget(s.conn)
	defer b.rescue(s.conn)
	defer b.leave(ctx, s)
	defer s.reader.close()
	err := s.read() //nolint:contextcheck // the session has a context of its own
	s.fail(err)
	b.d.Log.Debug("a device left", "source", s.identity.SourceID, "reason", err)
	linger(s.conn)
}

// rescue, deferred, has a panic end one connection and not the broker.
func (b *Broker) rescue(conn net.Conn) {
	if r := recover(); r != nil {
		b.d.Log.Error("a connection ended in a panic", "remote", conn.RemoteAddr().String(), "panic", r, "stack", string(debug.Stack()))
	}
}

// Bounds of a connection's end.
const (
	// endTime bounds the last write.
	endTime = 250 * time.Millisecond
	// lingerTime is how long a peer that was told why has for closing its side: with
	// endTime less than the second in which a revoked device has to be gone.
	lingerTime = 500 * time.Millisecond
)

// hangUp closes our side of a connection whose last packet is written.
func hangUp(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		_ = secure.CloseWrite()
		conn = secure.NetConn()
	}
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		_ = conn.Close()
	}
}

// linger passes over what a peer still sends after we hung up, until the read
// deadline: a close with bytes unread would be a reset, which on many devices
// discards the packet that says why.
func linger(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// abandon closes a connection at once, whatever it waits for: TLS would first
// wait for the peer to take its goodbye.
func abandon(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		_ = secure.NetConn().Close()
	}
	_ = conn.Close()
}
