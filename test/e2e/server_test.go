package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"ampra/test/child"
)

// server is one process of Ampra: its settings, where it listens, and what it
// said. It can be stopped, killed and started again on the same data.
type server struct {
	t        testing.TB
	name     string
	settings map[string]string
	data     string
	// http, mqtt and mqttTLS are where it listens; they stay over restarts.
	http, mqtt, mqttTLS string
	log                 *record
	child               *child.Child
	// startTook is the time from the last start until it was ready.
	startTook time.Duration
}

// newServer prepares a process on ports of its own; settings are added to what
// every server here has.
func newServer(t testing.TB, name string, settings map[string]string) *server {
	t.Helper()
	ampra(t) // building it is no part of a start
	s := &server{
		t: t, name: name, data: filepath.Join(t.TempDir(), "data"), log: &record{},
		http: freeAddress(t), mqtt: freeAddress(t), mqttTLS: freeAddress(t),
	}
	_, tlsPort, _ := net.SplitHostPort(s.mqttTLS)
	s.settings = map[string]string{
		"AMPRA_DATA": s.data, "AMPRA_HTTP_LISTEN": s.http, "AMPRA_MQTT_LISTEN": s.mqtt, "AMPRA_MQTT_TLS_LISTEN": s.mqttTLS,
		"AMPRA_PUBLIC_URL": s.url(), "AMPRA_MQTT_PUBLIC_PORT": tlsPort, "AMPRA_LOG_LEVEL": "debug",
	}
	maps.Copy(s.settings, settings)
	return s
}

// url is where its API is.
func (s *server) url() string { return "http://" + s.http }

// begin starts the process and does not wait for it. If it still runs when the
// test ends, it is stopped in order then.
func (s *server) begin() {
	s.t.Helper()
	cmd := command(s.t, s.settings, "serve")
	cmd.Dir = filepath.Dir(s.data)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	c := spawn(s.t, cmd)
	s.child = c
	s.t.Cleanup(func() {
		if s.child != c { // it was started again since
			return
		}
		if s.t.Failed() {
			s.t.Logf("the end of what %s said:\n%s", s.name, s.log.tail())
		}
		if c.Running() {
			s.stop()
		}
	})
}

// start starts the process and returns when it is ready.
func (s *server) start() *server {
	s.t.Helper()
	began := time.Now()
	s.begin()
	s.awaitReady()
	s.startTook = time.Since(began)
	return s
}

// awaitReady returns when /readyz says yes.
func (s *server) awaitReady() {
	s.t.Helper()
	eventually(s.t, s.name+" gets ready", func() error {
		if !s.child.Running() {
			s.t.Fatalf("%s ended with code %d before it was ready:\n%s", s.name, s.child.State.ExitCode(), s.log.tail())
		}
		return s.ready()
	})
}

// ready asks /readyz once.
func (s *server) ready() error {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url()+"/readyz", nil)
	if err != nil {
		return err
	}
	request.Close = true
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("%s: %s", answer.Status, text)
	}
	return nil
}

// stop ends the process in order and sees that it says so.
func (s *server) stop() {
	s.t.Helper()
	terminate(s.t, s.child)
	if !s.child.EndsWithin(patience) {
		s.t.Fatalf("%s did not end within %s of SIGTERM:\n%s", s.name, patience, s.log.tail())
	}
	if code := s.child.State.ExitCode(); code != 0 {
		s.t.Fatalf("%s ended with code %d after SIGTERM, want 0:\n%s", s.name, code, s.log.tail())
	}
}

// kill ends the process with SIGKILL.
func (s *server) kill() { s.child.Kill() }

// ports hands out each port once.
type ports struct {
	mu   sync.Mutex
	used map[int]bool
}

var taken = ports{used: map[int]bool{}}

// freeAddress finds a loopback address that nobody listens on, on a port below
// those that the kernel gives to outgoing connections: it must be free again
// when a process is started anew.
func freeAddress(t testing.TB) string {
	t.Helper()
	taken.mu.Lock()
	defer taken.mu.Unlock()
	var err error
	for range 200 {
		port := 12000 + rand.IntN(8000) //nolint:gosec // not a secret
		if taken.used[port] {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		var l net.Listener
		if l, err = new(net.ListenConfig).Listen(t.Context(), "tcp", address); err == nil {
			taken.used[port] = true
			if err = l.Close(); err == nil {
				return address
			}
		}
	}
	t.Fatalf("finding a free port: %v", err)
	return ""
}
