package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gofiber/fiber/v2"

	"ampra/core/clock"
)

// logged keeps what is logged.
type logged struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// mounted is an adapter with a route.
type mounted func(f *fiber.Ctx) error

func (m mounted) Mount(to fiber.Router) { to.Post("/api/webhook/sunsource/:id", fiber.Handler(m)) }

// rig is a server whose use cases are not reached: its routes are the test's.
type rig struct {
	url    string
	log    *logged
	server *Server
	seen   chan Observation
	// stop ends the server and returns what Run returned.
	stop func() error
}

// testConfig has short times.
func testConfig() Config {
	cfg := Defaults()
	cfg.PublicURL, cfg.MQTTHost, cfg.MQTTPort, cfg.Version = "http://ampra.example", "mqtt.example", 8883, "1"
	cfg.ShutdownTime = 5 * time.Second
	return cfg
}

func testDeps(log *logged, seen chan Observation) Deps {
	return Deps{
		Identity: nil, Sources: nil, Credentials: nil, Groups: nil, Telemetry: nil, Tariffs: nil, Energies: nil, Devices: nil, DeadLetters: nil,
		Settings: nil, Imports: nil, Jobs: nil, Spool: nil, Zones: nil, Sheet: nil, Live: nil, LiveRefresh: nil, Internal: nil, Idempotency: nil, Sealer: nil,
		Clock: clock.Func(time.Now), Random: rand.Reader, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Webhook: mounted(func(f *fiber.Ctx) error { return f.SendString("mounted") }),
		Ready:   func(context.Context) map[string]error { return nil },
		Metrics: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		Observe: func(o Observation) {
			select {
			case seen <- o:
			default:
			}
		},
	}
}

// newRig serves the API's routes and more, whose handlers the test gives.
func newRig(t *testing.T, cfg Config, more map[string]func(*call) error) *rig {
	t.Helper()
	rows := routes()
	for key, handle := range more {
		method, path, _ := strings.Cut(key, " ")
		rows = append(rows, Route{Method: method, Path: path, Scope: Read, tag: tagHealth, handle: handle, doc: func() operation {
			return operation{id: key, summary: key, answers: ok(HealthDto{})}
		}})
	}
	r := &rig{log: &logged{}, seen: make(chan Observation, 100)}
	server, err := newServer(cfg, testDeps(r.log, r.seen), rows)
	if err != nil {
		t.Fatal(err)
	}
	listener := listen(t)
	r.server, r.url = server, "http://"+listener.Addr().String()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, listener) }()
	var once sync.Once
	var result error
	r.stop = func() error {
		once.Do(func() {
			cancel()
			result = <-ended
		})
		return result
	}
	t.Cleanup(func() { _ = r.stop() })
	return r
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// raw sends bytes on a connection of its own and returns all answers.
func (r *rig) raw(t *testing.T, request string) string {
	t.Helper()
	c := r.dial(t)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatalf("sending: %v", err)
	}
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	return string(all)
}

func (r *rig) dial(t *testing.T) net.Conn {
	t.Helper()
	var dialer net.Dialer
	c, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// answered is what there is to see of an answer besides its body.
type answered struct {
	StatusCode int
	Header     http.Header
}

// parse reads one answer.
func parse(t *testing.T, text string) (answered, problem) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
	if err != nil {
		t.Fatalf("the answer is no HTTP: %v: %q", err, text)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var p problem
	if response.Header.Get("Content-Type") == problemType {
		if err := json.Unmarshal(body, &p); err != nil {
			t.Fatalf("the problem is no JSON: %v: %s", err, body)
		}
	}
	return answered{response.StatusCode, response.Header}, p
}

func (r *rig) get(t *testing.T, path string) (answered, problem) {
	t.Helper()
	return parse(t, r.raw(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
}
