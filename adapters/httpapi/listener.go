package httpapi

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// listener knows its connections, so that none is left open at the end.
type listener struct {
	net.Listener

	closing  sync.Once
	closeErr error

	mu   sync.Mutex
	open map[*conn]struct{}
}

func track(l net.Listener) *listener {
	return &listener{Listener: l, open: map[*conn]struct{}{}}
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: accepted, from: l}
	l.mu.Lock()
	l.open[c] = struct{}{}
	l.mu.Unlock()
	return c, nil
}

// Close stops accepting; it may be called several times.
func (l *listener) Close() error {
	l.closing.Do(func() { l.closeErr = l.Listener.Close() })
	return l.closeErr
}

// closeAll closes the connections that are still open.
func (l *listener) closeAll() {
	l.mu.Lock()
	left := make([]*conn, 0, len(l.open))
	for c := range l.open {
		left = append(left, c)
	}
	l.mu.Unlock()
	for _, c := range left {
		_ = c.Conn.Close()
	}
}

// closeSilent closes the connections on which no request has begun. The HTTP
// library takes them for busy ones and would wait for them: a browser, or Go's own
// client, often has one in reserve.
func (l *listener) closeSilent() {
	l.mu.Lock()
	silent := make([]*conn, 0, len(l.open))
	for c := range l.open {
		if !c.spoke.Load() {
			silent = append(silent, c)
		}
	}
	l.mu.Unlock()
	for _, c := range silent {
		c.cut.Store(true)
		_ = c.Conn.Close()
	}
}

// closedSilent reports whether closeSilent closed a request's connection.
func closedSilent(rc *fasthttp.RequestCtx) bool {
	c, ok := rc.Conn().(*conn)
	return ok && c.cut.Load()
}

// conn is a connection that can end without throwing away what it said last.
type conn struct {
	net.Conn
	from *listener
	// lingers is set when an answer was given before all of the request was read.
	lingers atomic.Bool
	// spoke is set once the client has sent anything, cut when the connection was
	// closed because it had not.
	spoke, cut atomic.Bool
}

// Read reads what the client sends.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.spoke.Load() {
		c.spoke.Store(true)
	}
	return n, err
}

// SetWriteDeadline sets the deadline of writes. On a connection that was closed
// meanwhile, at a stop, fasthttp would panic over the error; the write that
// follows fails anyway.
func (c *conn) SetWriteDeadline(t time.Time) error {
	_ = c.Conn.SetWriteDeadline(t)
	return nil
}

// Bounds of what is read, and thrown away, after an early answer.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 16 << 20
)

// Close closes the connection. When it lingers, what the client still sends is
// read for a while first: else the client's system sees a reset and may never
// show the answer.
func (c *conn) Close() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if ok && c.lingers.CompareAndSwap(true, false) && half.CloseWrite() == nil &&
		c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
	err := c.Conn.Close()
	c.from.mu.Lock()
	delete(c.from.open, c)
	c.from.mu.Unlock()
	return err
}

// linger marks the connection of a request that was refused while its client
// still sends.
func linger(rc *fasthttp.RequestCtx, err error) {
	e, ok := errors.AsType[*fiber.Error](err)
	if !ok || (e.Code != fiber.StatusRequestEntityTooLarge && e.Code != fiber.StatusRequestHeaderFieldsTooLarge) {
		return
	}
	if c, ok := rc.Conn().(*conn); ok {
		c.lingers.Store(true)
	}
}
