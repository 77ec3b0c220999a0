package emqx

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ampra/core/change"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
)

// pretended is an EMQX that answers as the files of testdata do.
type pretended struct {
	t      *testing.T
	server *httptest.Server
	// old is a version before attributes and before the cache.
	old bool

	mu       sync.Mutex
	sessions map[string]string // the key by client id
	asked    []string
	status   int           // of all answers, 0 for the right one
	stall    chan struct{} // while it is not nil no answer comes
	// late are sessions that are there after the next kick: their sign-in was on its
	// way.
	late map[string]string
}

func newPretended(t *testing.T) *pretended {
	t.Helper()
	p := &pretended{t: t, sessions: map[string]string{}, late: map[string]string{}}
	p.server = httptest.NewServer(p)
	t.Cleanup(p.server.Close)
	return p
}

func (p *pretended) url() string {
	u, _ := url.Parse(p.server.URL)
	u.User = url.UserPassword("key", "secret")
	return u.String()
}

// ServeHTTP answers from the file of the request.
func (p *pretended) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	stall, status := p.stall, p.status
	p.mu.Unlock()
	if stall != nil {
		select {
		case <-stall:
		case <-r.Context().Done():
		}
		return
	}
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	client := strings.TrimPrefix(r.URL.Path, "/api/v5/clients/")
	key, there := p.sessions[client]
	file := "api-5.8-list.http"
	switch {
	case r.URL.Path == "/api/v5/authentication/node_cache/reset":
		file = map[bool]string{false: "api-6.2-cache-reset.http", true: "api-5.0-cache-reset.http"}[p.old]
	case r.URL.Path == "/api/v5/nodes":
		file = map[bool]string{false: "api-5.8-nodes.http", true: "api-5.0-nodes.http"}[p.old]
	case r.Method == http.MethodDelete:
		file = map[bool]string{true: "api-5.0-kick.http", false: "api-5.0-kick-nobody.http"}[there]
		delete(p.sessions, client)
		if late, ok := p.late[client]; ok {
			p.sessions[client] = late
			delete(p.late, client)
		}
	case r.URL.Path != "/api/v5/clients" && !there:
		w.WriteHeader(http.StatusNotFound)
		return
	case r.URL.Path != "/api/v5/clients":
		file = map[bool]string{false: "api-5.8-client.http", true: "api-5.0-client.http"}[p.old]
	default:
		for client, key = range p.sessions {
			break // a page of one is enough here
		}
	}
	e := exchangeOf(p.t, filepath.Join("testdata", file), strings.NewReplacer("{client}", client, "{credential}", key))
	want, _ := e.parse(p.t)
	if r.Method != want.Method || r.URL.RequestURI() != want.URL.RequestURI() ||
		r.Header.Get("Authorization") != want.Header.Get("Authorization") || r.Header.Get("Accept") != want.Header.Get("Accept") {
		p.t.Errorf("asked %s %s %v, %s has %s %s %v", r.Method, r.URL, r.Header, e.named, want.Method, want.URL, want.Header)
	}
	p.asked = append(p.asked, e.named)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	if e.answer != "" {
		_, _ = w.Write([]byte(e.answer))
	}
}

func (p *pretended) connect(a credential.Access, key int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sessions[sunsource.ClientID(a.SourceID)] = a.Keys[key].CredentialID.String()
}

func (p *pretended) connected(a credential.Access) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, there := p.sessions[sunsource.ClientID(a.SourceID)]
	return there
}

func (p *pretended) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

func newCutter(t *testing.T, r *registry, p *pretended) *Cutter {
	t.Helper()
	c, err := NewCutter(CutterConfig{
		URL: credential.NewSecret(p.url()), Timeout: 50 * time.Millisecond, Pause: 5 * time.Millisecond, Every: time.Hour, Retry: 5 * time.Millisecond,
	}, CutterDeps{Sources: r, Clock: r.clock(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.rest.close)
	return c
}

func rotated(a credential.Access) change.Change {
	return change.Change{Kind: change.CredentialsRotated, SourceID: a.SourceID}
}

func TestARotationForgetsWhoWasLetInBeforeItEndsTheSession(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		p, r := newPretended(t), newRegistry()
		p.old = old
		one := r.add(accessKey(goodKey, nil))
		p.connect(one, 0)
		one.Keys = []credential.AccessKey{accessKey("ak_new", nil)}
		r.set(one)
		c := newCutter(t, r, p)
		if err := c.Apply(t.Context(), rotated(one)); err != nil {
			t.Fatal(err)
		}
		want := []string{"api-6.2-cache-reset.http", "api-5.0-kick.http", "api-5.0-kick-nobody.http"}
		if old {
			want[0] = "api-5.0-cache-reset.http"
		}
		if got := p.said(); !slices.Equal(got, want) {
			t.Errorf("asked %v, want %v", got, want)
		}
		if p.connected(one) || c.Kicked() != 1 {
			t.Errorf("connected %t after %d kicks", p.connected(one), c.Kicked())
		}
	}
}

func TestASignInThatWasOnItsWayDuringTheRotationIsCutOffToo(t *testing.T) {
	t.Parallel()
	p, r := newPretended(t), newRegistry()
	one := r.add(accessKey(goodKey, nil))
	p.connect(one, 0)
	p.late[sunsource.ClientID(one.SourceID)] = one.Keys[0].CredentialID.String()
	one.Keys = []credential.AccessKey{accessKey("ak_new", nil)}
	r.set(one)
	if err := newCutter(t, r, p).Apply(t.Context(), rotated(one)); err != nil {
		t.Fatal(err)
	}
	if p.connected(one) {
		t.Error("it is connected with the old key")
	}
}

func TestWhoMayStayIsNotCutOff(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	later := r.now.Add(time.Hour)
	for name, test := range map[string]struct {
		old  bool
		prep func(p *pretended) (credential.Access, change.Kind)
		stay bool
	}{
		"a deactivated source": {prep: func(p *pretended) (credential.Access, change.Kind) {
			a := r.add(accessKey(goodKey, nil))
			p.connect(a, 0)
			a.Active = false
			r.set(a)
			return a, change.SourceUpdated
		}},
		"a source that is active again": {stay: true, prep: func(p *pretended) (credential.Access, change.Kind) {
			a := r.add(accessKey(goodKey, nil))
			p.connect(a, 0)
			return a, change.SourceUpdated
		}},
		"a deleted source": {prep: func(p *pretended) (credential.Access, change.Kind) {
			a := r.add(accessKey(goodKey, nil))
			p.connect(a, 0)
			r.remove(a.SourceID)
			return a, change.SourceDeleted
		}},
		"the old key while its grace lasts": {stay: true, prep: func(p *pretended) (credential.Access, change.Kind) {
			a := r.add(accessKey("ak_new", nil), accessKey(goodKey, &later))
			p.connect(a, 1)
			return a, change.CredentialsRotated
		}},
		"a key before the one in grace": {prep: func(p *pretended) (credential.Access, change.Kind) {
			a := r.add(accessKey("ak_new", nil), accessKey(goodKey, &later))
			p.connect(credential.Access{SourceID: a.SourceID, Keys: []credential.AccessKey{accessKey("ak_oldest", nil)}}, 0)
			return a, change.CredentialsRotated
		}},
		"an unknown key while a grace lasts": {old: true, prep: func(p *pretended) (credential.Access, change.Kind) {
			a := r.add(accessKey("ak_new", nil), accessKey(goodKey, &later))
			p.connect(a, 1)
			return a, change.CredentialsRotated
		}},
		"a webhook source's rotation": {stay: true, prep: func(p *pretended) (credential.Access, change.Kind) {
			a := r.add(accessKey(goodKey, nil))
			p.connect(a, 0)
			a.Type = sunsource.Webhook
			r.set(a)
			return a, change.CredentialsRotated
		}},
	} {
		p := newPretended(t)
		p.old = test.old
		a, kind := test.prep(p)
		if err := newCutter(t, r, p).Apply(t.Context(), change.Change{Kind: kind, SourceID: a.SourceID}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p.connected(a) != test.stay {
			t.Errorf("%s: connected %t, want %t", name, p.connected(a), test.stay)
		}
	}
}

func TestWhenEMQXIsAwayApplySaysSoInTimeAndItIsDoneLater(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(p *pretended){
		"it does not answer":       func(p *pretended) { p.stall = make(chan struct{}) },
		"it refuses the API key":   func(p *pretended) { p.status = http.StatusUnauthorized },
		"it has an error":          func(p *pretended) { p.status = http.StatusInternalServerError },
		"it is asked to slow down": func(p *pretended) { p.status = http.StatusTooManyRequests },
	} {
		p, r := newPretended(t), newRegistry()
		one := r.add(accessKey(goodKey, nil))
		p.connect(one, 0)
		one.Keys = []credential.AccessKey{accessKey("ak_new", nil)}
		r.set(one)
		c := newCutter(t, r, p)
		p.mu.Lock()
		fail(p)
		p.mu.Unlock()
		began := time.Now()
		err := c.Apply(t.Context(), rotated(one))
		if err == nil || time.Since(began) > patience || strings.Contains(err.Error(), "secret") {
			t.Fatalf("%s: after %s: %v", name, time.Since(began), err)
		}
		p.mu.Lock()
		if p.stall != nil {
			close(p.stall)
		}
		p.stall, p.status = nil, 0
		p.mu.Unlock()
		r.mu.Lock()
		r.now = r.now.Add(time.Minute)
		r.mu.Unlock()
		runUntil(t, c, func() bool { return !p.connected(one) })
	}
}

// runUntil runs a cutter until something is met.
func runUntil(t *testing.T, c *Cutter, met func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	deadline := time.Now().Add(patience)
	for !met() && time.Now().Before(deadline) {
		<-time.After(time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil || !met() {
		t.Errorf("not met within %s, Run: %v", patience, err)
	}
}

func TestTheEndOfAGraceEndsTheSession(t *testing.T) {
	t.Parallel()
	p, r := newPretended(t), newRegistry()
	until := r.now.Add(time.Hour)
	one := r.add(accessKey("ak_new", nil), accessKey(goodKey, &until))
	p.connect(one, 1)
	c := newCutter(t, r, p)
	if err := c.Apply(t.Context(), rotated(one)); err != nil || !p.connected(one) {
		t.Fatalf("connected %t while the grace lasts, %v", p.connected(one), err)
	}
	r.mu.Lock()
	r.now = until
	r.mu.Unlock()
	runUntil(t, c, func() bool { return !p.connected(one) })
}

func TestASweepFindsWhomAProcessThatDiedLeftConnected(t *testing.T) {
	t.Parallel()
	p, r := newPretended(t), newRegistry()
	one := r.add(accessKey(goodKey, nil))
	p.connect(one, 0)
	one.Keys = []credential.AccessKey{accessKey("ak_new", nil)}
	r.set(one) // and nobody called Apply
	c := newCutter(t, r, p)
	runUntil(t, c, func() bool { return c.Swept() > 0 })
	if p.connected(one) {
		t.Error("it is connected with the old key")
	}

	p.connect(one, 0) // with the new one
	c = newCutter(t, r, p)
	runUntil(t, c, func() bool { return c.Swept() > 0 })
	if !p.connected(one) {
		t.Error("a sweep cut off a device with a good key")
	}
	r.err = fault.Wrap(fault.Unavailable, errors.New("away"), "away")
	if err := c.sweep(t.Context(), r.now); err == nil || !p.connected(one) {
		t.Errorf("without the records: connected %t, %v", p.connected(one), err)
	}
}

func TestTheURLOfTheAPINeedsAKeyAndIsNotShown(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "http://host:18083", "mqtt://key:secret@host", "http://who:hush@", "://who:hush"} {
		_, err := NewCutter(CutterConfig{URL: credential.NewSecret(text)}, CutterDeps{})
		if err == nil || strings.Contains(err.Error(), text) && text != "" {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"http://k:s@host:1/", "http://k:s@host:1/api/v5", "http://k:s@host:1"} {
		api, err := newREST(credential.NewSecret(text), time.Second)
		if err != nil || api.base != "http://host:1/api/v5" {
			t.Errorf("%s: %+v, %v", text, api, err)
		}
	}
}
