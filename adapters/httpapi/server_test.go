package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp keeps the date of its answers in a goroutine that nobody can end.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// And it looks only every 10 s whether it has been stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

func TestWhatIsNoGoodHTTPIsAProblem(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig(), nil)
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"an unknown path":        {"GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404},
		"a wrong method":         {"PATCH /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405},
		"an unknown method":      {"BREW /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 501},
		"no HTTP at all":         {"hello\r\n\r\n", 400},
		"a broken header":        {"GET / HTTP/1.1\r\nHost: x\r\nbro ken: x\r\n\r\n", 400},
		"headers that are large": {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 20_000) + "\r\n\r\n", 431},
		"a path that is large":   {"GET /" + strings.Repeat("x", 20_000) + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
		"a body that is large":   {"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n" + strings.Repeat("x", 1<<20+1), 413},
		"a chunked body that is large": {
			"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n" + strings.Repeat("x", 0x100001) + "\r\n0\r\n\r\n", 413,
		},
		"bytes that are no text": {"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404},
		"a length that is none":  {"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\nConnection: close\r\n\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response, p := parse(t, r.raw(t, c.request))
			if response.StatusCode != c.status || p.Status != c.status {
				t.Errorf("the status is %d and %d in the problem, want %d", response.StatusCode, p.Status, c.status)
			}
			if p.RequestID == "" || p.RequestID != response.Header.Get("X-Request-Id") || p.Detail == "" || p.Detail != p.Message ||
				p.Title != http.StatusText(c.status) || !strings.HasPrefix(p.Type, "urn:ampra:problem:") {
				t.Errorf("the problem is %+v", p)
			}
			for _, header := range []string{"X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy"} {
				if response.Header.Get(header) == "" {
					t.Errorf("the answer has no %s", header)
				}
			}
			if strings.Contains(p.Detail, "bro ken") || strings.Contains(p.Detail, "hello") {
				t.Errorf("the detail repeats what was sent: %q", p.Detail)
			}
		})
	}
}

func TestAClientThatStillSendsATooLargeBodySeesTheAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig(), nil)
	for range 20 { // a reset would hide the answer now and then only
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/api/auth/login", bytes.NewReader(make([]byte, 8<<20)))
		if err != nil {
			t.Fatal(err)
		}
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Do(request)
		if err != nil {
			t.Fatalf("the answer was lost: %v", err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Fatalf("the status is %d, want 413", response.StatusCode)
		}
	}
}

func TestAPanicIsAProblemWithoutDetails(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig(), map[string]func(*call) error{
		"GET /panics": func(c *call) error {
			c.f.Set("Set-Cookie", "half=done")
			panic("the secret plan")
		},
		"GET /fails": func(*call) error { return errors.New("the secret cause") },
	})
	for path, secret := range map[string]string{"/panics": "the secret plan", "/fails": "the secret cause"} {
		response, p := r.get(t, path)
		if response.StatusCode != 500 || strings.Contains(fmt.Sprint(p, response.Header), "secret") || response.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %+v %v", path, response.StatusCode, p, response.Header)
		}
		if log := r.log.String(); !strings.Contains(log, secret) || !strings.Contains(log, p.RequestID) {
			t.Errorf("%s: the log does not tell: %s", path, log)
		}
	}
	if response, _ := r.get(t, "/healthz"); response.StatusCode != 200 {
		t.Errorf("after a panic the server answers %d", response.StatusCode)
	}
}

func TestARequestHasADeadline(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.RequestTime = 20 * time.Millisecond
	r := newRig(t, cfg, map[string]func(*call) error{
		"GET /waits": func(c *call) error {
			<-c.ctx.Done()
			return fmt.Errorf("waiting for the store: %w", c.ctx.Err())
		},
	})
	response, p := r.get(t, "/waits")
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || strings.Contains(p.Detail, "store") {
		t.Errorf("the answer is %d %v %+v", response.StatusCode, response.Header, p)
	}
}

func TestAStopLetsRequestsEndAndClosesIdleConnections(t *testing.T) {
	t.Parallel()
	began, goOn := make(chan struct{}), make(chan struct{})
	r := newRig(t, testConfig(), map[string]func(*call) error{
		"GET /slow": func(c *call) error {
			close(began)
			<-goOn
			return c.answer(200, HealthDto{Status: "ok"})
		},
	})
	idle := r.dial(t)
	if _, err := io.WriteString(idle, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	if _, err := idle.Read(buffer); err != nil {
		t.Fatal(err)
	}
	slow := r.dial(t)
	if _, err := io.WriteString(slow, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-began
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	if _, err := idle.Read(buffer); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection reads %v, want its end", err)
	}
	close(goOn)
	answer, err := io.ReadAll(slow)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") || !strings.Contains(string(answer), "Connection: close") {
		t.Errorf("the request under way got %q, %v", answer, err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run returned %v", err)
	}
	var dialer net.Dialer
	if c, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://")); err == nil {
		_ = c.Close()
		t.Error("a stopped server accepts connections")
	}
}

func TestAStopGivesUpARequestThatTakesTooLong(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.ShutdownTime = 50 * time.Millisecond
	began := make(chan struct{})
	r := newRig(t, cfg, map[string]func(*call) error{
		"GET /stuck": func(c *call) error {
			close(began)
			<-c.ctx.Done()
			return c.ctx.Err()
		},
	})
	c := r.dial(t)
	if _, err := io.WriteString(c, "GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-began
	if err := r.stop(); err != nil {
		t.Errorf("Run returned %v", err)
	}
	if _, err := io.ReadAll(c); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection ended with %v", err)
	}
}

func TestAListenerThatEndsIsAnError(t *testing.T) {
	t.Parallel()
	server, err := newServer(testConfig(), testDeps(&logged{}, nil), routes())
	if err != nil {
		t.Fatal(err)
	}
	listener := listen(t)
	ended := make(chan error, 1)
	go func() { ended <- server.Run(t.Context(), listener) }()
	_ = listener.Close()
	if err := <-ended; err == nil {
		t.Error("Run returned nil though its context goes on")
	}
}

func TestAPublicURLThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "ampra.example", "ftp://ampra.example", "https://", "https://ampra.example/", "http://a b", "https://:80"} {
		cfg := testConfig()
		cfg.PublicURL = bad
		if _, err := New(cfg, testDeps(&logged{}, nil)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestAProcessWithoutTheAPIServesItsHealthAlone(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.HealthOnly = true
	r := newRig(t, cfg, nil)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/api/sunsources": 404, "/api/docs": 404, "/api/openapi.json": 404} {
		if response, _ := r.get(t, path); response.StatusCode != want {
			t.Errorf("%s answers %d, want %d", path, response.StatusCode, want)
		}
	}
}

func TestRequestsAreObservedByTheirRoute(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig(), nil)
	for path, want := range map[string]Observation{
		"/healthz?token=hush":                 {Route: "/healthz", Method: "GET", Status: 200},
		"/api/sunsources/x":                   {Route: "/api/sunsources/{id}", Method: "GET", Status: 401},
		"/none":                               {Method: "GET", Status: 404},
		"/api/docs/" + strings.Repeat("x", 9): {Route: "/api/docs/{file}", Method: "GET", Status: 404},
	} {
		r.get(t, path)
		got := <-r.seen
		if got.Took <= 0 {
			t.Errorf("%s took %s", path, got.Took)
		}
		got.Took = 0
		if got != want {
			t.Errorf("%s was observed as %+v, want %+v", path, got, want)
		}
	}
	_ = r.stop()
	if strings.Contains(r.log.String(), "hush") {
		t.Errorf("the log has a query: %s", r.log.String())
	}
}

func TestAMadeUpMethodIsNeitherObservedUnderItsNameNorAnErrorOfTheServer(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig(), nil)
	request, err := http.NewRequestWithContext(t.Context(), "MADEUP", r.url+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNotImplemented {
		t.Errorf("the answer is %d, want 501", response.StatusCode)
	}
	if got := <-r.seen; got.Method != "" || got.Status != http.StatusNotImplemented {
		t.Errorf("observed %+v, want no method", got)
	}
	_ = r.stop()
	if text := r.log.String(); strings.Contains(text, "MADEUP") || strings.Contains(text, "level=ERROR") {
		t.Errorf("the log is %s", text)
	}
}

func TestAMountedRouteIsServedAndObservedLikeTheOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig(), nil)
	answer := r.raw(t, "POST /api/webhook/sunsource/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	if response, _ := parse(t, answer); response.StatusCode != 200 || !strings.HasSuffix(answer, "mounted") || response.Header.Get("X-Request-Id") == "" {
		t.Errorf("the answer is %q", answer)
	}
	if got := <-r.seen; got.Route != "/api/webhook/sunsource/{id}" {
		t.Errorf("the route was observed as %+v", got)
	}
}
