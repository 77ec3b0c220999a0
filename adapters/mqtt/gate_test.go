package mqtt

import (
	"io"
	"net"
	"sync"
	"testing"
)

// gate is a way to the broker that can be shut: then what is connected is cut, and
// who knocks is sent away.
type gate struct {
	listener net.Listener
	to       string

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

func newGate(t testing.TB, to string) *gate {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{listener: listener, to: to, conns: map[net.Conn]bool{}}
	var ways sync.WaitGroup
	ways.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			ways.Go(func() { g.carry(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		g.shut()
		ways.Wait()
	})
	return g
}

func (g *gate) address() string { return g.listener.Addr().String() }

func (g *gate) carry(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	beyond, err := net.Dial("tcp", g.to) //nolint:noctx // to this machine
	if err != nil {
		return
	}
	defer func() { _ = beyond.Close() }()
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return
	}
	g.conns[conn], g.conns[beyond] = true, true
	g.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(beyond, conn)
		_ = beyond.Close()
	}()
	_, _ = io.Copy(conn, beyond)
	_ = conn.Close()
	<-done
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for conn := range g.conns {
		_ = conn.Close()
	}
	clear(g.conns)
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
}
