package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// manner is how a link treats what passes through it.
type manner int

const (
	passing manner = iota
	// cut resets every connection, old and new.
	cut
	// slow passes each piece after a pause.
	slow
	// held passes nothing until it ends, then all: as TCP does over a network that
	// was away for a while.
	held
	// halfOpen swallows what is sent and closes nothing. A connection that lived in
	// it is dead, and neither end is told before deadAfter.
	halfOpen
)

// deadAfter is when the ends of a half-open connection hear of it, counted from
// the end of that fault.
const deadAfter = 20 * time.Second

// link is a TCP proxy between who dials its address and one target.
type link struct {
	// address is where it listens.
	address, target string
	listener        net.Listener

	mu    sync.Mutex
	now   manner
	pause time.Duration
	// changed is closed when the manner changes.
	changed chan struct{}
	pairs   map[*pair]bool
	closed  bool
	running sync.WaitGroup
}

// pair is a connection on both its sides.
type pair struct {
	dialed, target *net.TCPConn
	// dead swallows everything.
	dead bool
}

func (p *pair) close() {
	_ = p.dialed.Close()
	_ = p.target.Close()
}

// reset closes both sides so that they hear of an error, not of an end.
func (p *pair) reset() {
	_ = p.dialed.SetLinger(0)
	_ = p.target.SetLinger(0)
	p.close()
}

// newLink listens at the address and passes everything to the target.
func newLink(ctx context.Context, address, target string) (*link, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening before %s: %w", target, err)
	}
	l := &link{
		address: listener.Addr().String(), target: target, listener: listener,
		changed: make(chan struct{}), pairs: map[*pair]bool{},
	}
	l.running.Go(l.accept)
	return l, nil
}

// set changes the manner; pause is that of slow.
func (l *link) set(m manner, pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now, l.pause = m, pause
	close(l.changed)
	l.changed = make(chan struct{})
	switch m {
	case cut:
		l.resetAll(func(*pair) bool { return true })
	case halfOpen:
		for p := range l.pairs {
			p.dead = true
		}
	default:
		time.AfterFunc(deadAfter, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.now != halfOpen {
				l.resetAll(func(p *pair) bool { return p.dead })
			}
		})
	}
}

// reset ends all connections; new ones pass.
func (l *link) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resetAll(func(*pair) bool { return true })
}

func (l *link) resetAll(which func(*pair) bool) {
	for p := range l.pairs {
		if which(p) {
			p.reset()
		}
	}
}

// close ends the link with all its connections.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	_ = l.listener.Close()
	l.resetAll(func(*pair) bool { return true })
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
	l.running.Wait()
}

func (l *link) accept() {
	for {
		conn, err := l.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // too many files for a moment
		}
		if dialed, ok := conn.(*net.TCPConn); ok {
			l.running.Go(func() { l.join(dialed) })
		}
	}
}

// join connects one who dialed with the target, until either ends.
func (l *link) join(dialed *net.TCPConn) {
	p, err := l.open(dialed)
	if err != nil {
		_ = dialed.SetLinger(0)
		_ = dialed.Close()
		return
	}
	var sides sync.WaitGroup
	sides.Go(func() { l.pump(p, p.dialed, p.target) })
	sides.Go(func() { l.pump(p, p.target, p.dialed) })
	sides.Wait()
	p.close()
	l.mu.Lock()
	delete(l.pairs, p)
	l.mu.Unlock()
}

func (l *link) open(dialed *net.TCPConn) (*pair, error) {
	l.mu.Lock()
	refused := l.now == cut || l.closed
	l.mu.Unlock()
	if refused {
		return nil, net.ErrClosed
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(context.Background(), "tcp", l.target)
	if err != nil {
		return nil, err
	}
	target, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.Join(errors.ErrUnsupported, conn.Close())
	}
	p := &pair{dialed: dialed, target: target}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == cut || l.closed {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	p.dead = l.now == halfOpen
	l.pairs[p] = true
	return p, nil
}

// pump carries one direction.
func (l *link) pump(p *pair, from, to *net.TCPConn) {
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		dead := l.gate(p)
		if n > 0 && !dead {
			if _, failed := to.Write(piece[:n]); failed != nil {
				_ = from.Close()
				return
			}
		}
		switch {
		case err == nil:
		case dead: // the other end is not told
			_ = from.Close()
			return
		case errors.Is(err, io.EOF):
			_ = to.CloseWrite()
			return
		default:
			p.reset()
			return
		}
	}
}

// gate waits as long as the manner wants and reports whether the connection is
// dead.
func (l *link) gate(p *pair) (dead bool) {
	waited := false
	for {
		l.mu.Lock()
		now, pause, changed, closed := l.now, l.pause, l.changed, l.closed
		dead = p.dead
		l.mu.Unlock()
		switch {
		case dead || closed:
			return dead
		case now == held:
			<-changed
		case now == slow && !waited:
			waited = true
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-changed:
				timer.Stop()
			}
		default:
			return false
		}
	}
}
