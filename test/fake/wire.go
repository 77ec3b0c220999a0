package fake

import (
	"context"
	"net"
	"sync"
	"testing"
)

// Wire is a TCP proxy on loopback between a client and a server, which a test
// cuts or makes silent. It is safe for concurrent use.
type Wire struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	cut    bool
	silent chan struct{} // closed when bytes flow again; nil while they do
	closed bool
}

// NewWire returns a proxy to target (host:port), which ends with the test.
func NewWire(t testing.TB, target string) *Wire {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listening on loopback: %v", err)
	}
	w := &Wire{target: target, listener: listener, conns: map[net.Conn]bool{}}
	w.running.Go(w.accept)
	t.Cleanup(func() {
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
		_ = listener.Close()
		w.Cut()
		w.Heal() // lets go what is held by silence
		w.running.Wait()
	})
	return w
}

// Address is where clients dial, host:port.
func (w *Wire) Address() string { return w.listener.Addr().String() }

// Dial connects to the proxy, whatever address is asked for: it serves clients
// that learn the server's own address from the server.
func (w *Wire) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, w.Address())
}

// Cut breaks all connections and every new one, until Heal.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for conn := range w.conns {
		_ = conn.Close()
	}
}

// Silence lets connections be and passes nothing on, until Heal: what a host that
// vanished looks like.
func (w *Wire) Silence() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.silent == nil {
		w.silent = make(chan struct{})
	}
}

// Heal undoes Cut and Silence.
func (w *Wire) Heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
	if w.silent != nil {
		close(w.silent)
		w.silent = nil
	}
}

func (w *Wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.running.Go(func() { w.serve(near) })
	}
}

func (w *Wire) serve(near net.Conn) {
	defer near.Close()
	if !w.hold(near) {
		return
	}
	defer w.release(near)
	far, err := net.Dial("tcp", w.target) //nolint:noctx // loopback, and closed with the proxy
	if err != nil {
		return
	}
	defer far.Close()
	if !w.hold(far) {
		return
	}
	defer w.release(far)
	back := make(chan struct{})
	go func() {
		defer close(back)
		w.pass(near, far)
	}()
	w.pass(far, near)
	<-back
}

// pass copies from one side to the other, and closes both at the end.
func (w *Wire) pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			w.mu.Lock()
			silent := w.silent
			w.mu.Unlock()
			if silent != nil {
				<-silent
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (w *Wire) hold(conn net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut || w.closed {
		return false
	}
	w.conns[conn] = true
	return true
}

func (w *Wire) release(conn net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, conn)
}
