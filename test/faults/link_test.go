package main

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// short is how long a test waits for what must not come.
const short = 100 * time.Millisecond

// through makes a server that gives back what it gets, and a link before it.
func through(t *testing.T) *link {
	t.Helper()
	var config net.ListenConfig
	server, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLink(t.Context(), "127.0.0.1:0", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	t.Cleanup(func() {
		l.close()
		_ = server.Close()
		<-ended
		goleak.VerifyNone(t, goleak.IgnoreCurrent())
	})
	return l
}

func dial(t *testing.T, l *link) net.Conn {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// echo sends a word and waits for it; the error is that of the wait.
func echo(t *testing.T, conn net.Conn, limit time.Duration) error {
	t.Helper()
	if _, err := conn.Write([]byte("word")); err != nil {
		return err
	}
	return hear(t, conn, limit)
}

func hear(t *testing.T, conn net.Conn, limit time.Duration) error {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(limit))
	word := make([]byte, 4)
	_, err := io.ReadFull(conn, word)
	if err == nil && string(word) != "word" {
		t.Errorf("heard %q", word)
	}
	return err
}

func TestALinkPassesBytesBothWays(t *testing.T) {
	l := through(t)
	conn := dial(t, l)
	for range 3 {
		if err := echo(t, conn, patience); err != nil {
			t.Fatal(err)
		}
	}
}

func TestACutLinkResetsOldAndNewConnectionsUntilItHeals(t *testing.T) {
	l := through(t)
	old := dial(t, l)
	if err := echo(t, old, patience); err != nil {
		t.Fatal(err)
	}
	l.set(cut, 0)
	if err := hear(t, old, patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the old connection: %v, want its end", err)
	}
	// A new one may end as early as in the dialling.
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", l.address)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
		err = echo(t, conn, patience)
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a new connection: %v, want its end", err)
	}
	l.set(passing, 0)
	if err := echo(t, dial(t, l), patience); err != nil {
		t.Error(err)
	}
}

func TestAHeldLinkLetsEverythingThroughLater(t *testing.T) {
	l := through(t)
	conn := dial(t, l)
	l.set(held, 0)
	if err := echo(t, conn, short); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("while held: %v, want nothing", err)
	}
	l.set(passing, 0)
	if err := hear(t, conn, patience); err != nil {
		t.Error(err)
	}
}

func TestASlowLinkIsLate(t *testing.T) {
	l := through(t)
	conn := dial(t, l)
	l.set(slow, short)
	began := time.Now()
	if err := echo(t, conn, patience); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 2*short {
		t.Errorf("there and back took %s, want at least %s", took, 2*short)
	}
}

func TestAHalfOpenLinkSwallowsAndTellsNobody(t *testing.T) {
	l := through(t)
	conn := dial(t, l)
	if err := echo(t, conn, patience); err != nil {
		t.Fatal(err)
	}
	l.set(halfOpen, 0)
	if err := echo(t, conn, short); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an old connection: %v, want silence", err)
	}
	born := dial(t, l)
	if err := echo(t, born, short); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection made meanwhile: %v, want silence", err)
	}
	l.set(passing, 0)
	if err := echo(t, conn, short); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after it healed: %v, want silence for good", err)
	}
	if err := echo(t, dial(t, l), patience); err != nil {
		t.Errorf("a new connection: %v", err)
	}
}

func TestAResetEndsConnectionsOnce(t *testing.T) {
	l := through(t)
	conn := dial(t, l)
	if err := echo(t, conn, patience); err != nil {
		t.Fatal(err)
	}
	l.reset()
	if err := hear(t, conn, patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, want its end", err)
	}
	if err := echo(t, dial(t, l), patience); err != nil {
		t.Error(err)
	}
}
