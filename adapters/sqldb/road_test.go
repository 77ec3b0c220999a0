package sqldb

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// road is a way to a server that can be cut, so that packets are neither
// delivered nor refused, and mended.
type road struct {
	listener net.Listener

	mu     sync.Mutex
	open   chan struct{} // closed while packets pass
	ended  chan struct{}
	frozen int // connections before this number hear and say nothing any more
	conns  []net.Conn
}

func newRoad(t *testing.T, target string) *road {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &road{listener: listener, open: make(chan struct{}), ended: make(chan struct{})}
	close(r.open)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target) //nolint:noctx // it ends with the test's server
			if err != nil {
				near.Close()
				continue
			}
			r.mu.Lock()
			number := len(r.conns)
			r.conns = append(r.conns, near, far)
			r.mu.Unlock()
			all.Go(func() { r.carry(number, near, far) })
			all.Go(func() { r.carry(number, far, near) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		close(r.ended)
		r.mu.Lock()
		for _, conn := range r.conns {
			conn.Close()
		}
		r.mu.Unlock()
		all.Wait()
	})
	return r
}

// carry moves packets one way.
func (r *road) carry(number int, from, to net.Conn) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !r.passes(number) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// passes waits while the road is cut, and for ever on a frozen connection.
func (r *road) passes(number int) bool {
	r.mu.Lock()
	open := r.open
	if number < r.frozen {
		open = nil
	}
	r.mu.Unlock()
	select {
	case <-open:
		return true
	case <-r.ended:
		return false
	}
}

// cut stops all packets until mend.
func (r *road) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = make(chan struct{})
}

func (r *road) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.open)
}

// freeze makes the connections that there are go dead without a word, as a
// firewall does that forgets them. New ones pass.
func (r *road) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frozen = len(r.conns)
}

// behindRoad opens a DB whose connections all go over a road.
func behindRoad(t *testing.T, address string) (*DB, *road) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	r := newRoad(t, u.Host)
	u.Host = r.listener.Addr().String()
	return postgresAt(t, u.String()), r
}
