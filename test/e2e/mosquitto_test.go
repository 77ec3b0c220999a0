package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// guardedPair is two processes with the API on one Mosquitto whose clients both of
// them keep.
func guardedPair(t *testing.T, admin string) (m *guardedBroker, a, b *user) {
	t.Helper()
	m = newMosquitto(t)
	h := &house{t: t, stores: realStores(t)}
	settings := m.settings()
	settings["AMPRA_ROLES"] = "api,ingest,writer"
	if admin != "" {
		u := *m.url
		u.Host = admin
		settings["AMPRA_MQTT_ADMIN_URL"] = u.String()
	}
	h.apis = []*server{h.add("api A", settings), h.add("api B", settings)}
	h.startAll()
	a = firstUser(t, h.apis[0])
	return m, a, a.at(h.apis[1])
}

// signsIn tries a key at the broker by MQTT 3.1.1.
func (g *guardedBroker) signsIn(s source, key string) bool {
	g.t.Helper()
	_, code := connect3(g.t, dial(g.t, g.address), signIn{*s.Details.ClientID, *s.Details.ClientID, key})
	return code == 0
}

func TestTwoProcessesKeepTheClientsOfOneMosquitto(t *testing.T) {
	t.Parallel()
	m, a, b := guardedPair(t, "")
	roof, barn := a.add("MQTT", "Roof"), b.add("MQTT", "Barn")
	a.add("Webhook", "Garage") // no client of the broker

	// A new source's device works at once, and is read by either process.
	device := connect5(t, dial(t, m.address), roof.signIn())
	device.send(*roof.Details.Topic, sample)
	a.finds(roof, 1)
	b.in(t).finds(roof, 1)

	// A rotation at one process cuts off whoever is connected, also at a source that
	// the other made.
	for _, s := range []*source{&roof, &barn} {
		old := *s.Details.Key
		d := connect5(t, dial(t, m.address), s.signIn())
		var made struct{ MqttApiKey string }
		b.want(http.StatusOK, http.MethodPost, "/api/sunsources/"+s.ID+"/regenerate-mqtt-key", nil).into(t, &made)
		if code, err := d.publishWithin(ackWithin, *s.Details.Topic, sample); err == nil && code < 0x80 {
			t.Error("a publish with the old key is acknowledged after the answer")
		}
		if m.signsIn(*s, old) || !m.signsIn(*s, made.MqttApiKey) {
			t.Errorf("%s: not the new key alone opens the client", s.Name)
		}
		s.Details.Key = &made.MqttApiKey
	}

	a.want(http.StatusOK, http.MethodPut, "/api/sunsources/"+roof.ID, map[string]any{"isActive": false})
	if m.signsIn(roof, *roof.Details.Key) {
		t.Error("an inactive source's device signs in")
	}
	b.want(http.StatusOK, http.MethodPut, "/api/sunsources/"+roof.ID, map[string]any{"isActive": true})
	if !m.signsIn(roof, *roof.Details.Key) {
		t.Error("the device of a source that is active again does not sign in")
	}
	b.want(http.StatusNoContent, http.MethodDelete, "/api/sunsources/"+roof.ID, nil)
	if m.signsIn(roof, *roof.Details.Key) {
		t.Error("a deleted source's device signs in")
	}

	// The broker knows one key for each client.
	refused := a.want(http.StatusConflict, http.MethodPost, "/api/sunsources/"+barn.ID+"/regenerate-mqtt-key?graceSeconds=60", nil)
	if !strings.Contains(refused.body, "graceSeconds") || !m.signsIn(barn, *barn.Details.Key) {
		t.Errorf("a rotation with a grace: %s", refused.body)
	}
	a.want(http.StatusNoContent, http.MethodDelete, "/api/sunsources/"+barn.ID, nil)
}

func TestWhileMosquittoIsAwayNoKeyIsRotatedAndWhatItMissedItHearsLater(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(newMosquitto(t).url.String())
	if err != nil {
		t.Fatal(err)
	}
	way := newWay(t, u.Host)
	m, a, b := guardedPair(t, way.address())
	roof, barn := a.add("MQTT", "Roof"), a.add("MQTT", "Barn")
	way.shut()
	eventually(t, "the loss is noticed", func() error {
		if a.server.ready() == nil || b.server.ready() == nil {
			return fmt.Errorf("a process says that it is ready")
		}
		return nil
	})

	path := "/api/sunsources/" + roof.ID
	away := a.want(http.StatusServiceUnavailable, http.MethodPost, path+"/regenerate-mqtt-key", nil)
	if away.header.Get("Retry-After") == "" || !strings.Contains(away.body, "not replaced") {
		t.Errorf("a rotation: %v %s", away.header, away.body)
	}
	var shown source
	a.want(http.StatusOK, http.MethodGet, path+"?includeConnectionDetails=true", nil).into(t, &shown)
	if *shown.Details.Key != *roof.Details.Key || !m.signsIn(roof, *roof.Details.Key) {
		t.Error("the key was replaced")
	}
	// A webhook's secret is no business of the broker's.
	garage := a.add("Webhook", "Garage")
	a.want(http.StatusOK, http.MethodPost, "/api/sunsources/"+garage.ID+"/rotate-secret", nil)
	// What shuts a device out is done: its readings are refused, and the answer says
	// that its connection may be there still.
	a.want(http.StatusServiceUnavailable, http.MethodPut, path, map[string]any{"isActive": false})
	a.want(http.StatusServiceUnavailable, http.MethodDelete, "/api/sunsources/"+barn.ID, nil)
	a.want(http.StatusNotFound, http.MethodGet, "/api/sunsources/"+barn.ID, nil)
	fresh := b.add("MQTT", "Fresh")
	if m.signsIn(fresh, *fresh.Details.Key) {
		t.Error("the broker heard of a source while it was away")
	}

	way.reopen()
	eventually(t, "the broker hears what it missed", func() error {
		for name, c := range map[string]struct {
			s    source
			want bool
		}{"inactive": {roof, false}, "deleted": {barn, false}, "fresh": {fresh, true}} {
			if got := m.signsIn(c.s, *c.s.Details.Key); got != c.want {
				return fmt.Errorf("%s: signs in %t", name, got)
			}
		}
		return nil
	})
	eventually(t, "both processes have it again", func() error { return errors.Join(a.server.ready(), b.server.ready()) })
	for _, s := range []source{roof, fresh} {
		a.want(http.StatusNoContent, http.MethodDelete, "/api/sunsources/"+s.ID, nil)
	}
}

// way is a way to a server that can be shut.
type way struct {
	listener net.Listener
	ctx      context.Context //nolint:containedctx // of the test that it serves
	to       string

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

func newWay(t testing.TB, to string) *way {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{listener: listener, ctx: t.Context(), to: to, conns: map[net.Conn]bool{}}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go w.carry(conn)
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		w.shut()
	})
	return w
}

func (w *way) address() string { return w.listener.Addr().String() }

func (w *way) carry(conn net.Conn) {
	defer conn.Close()
	beyond, err := (&net.Dialer{Timeout: patience}).DialContext(w.ctx, "tcp", w.to)
	if err != nil {
		return
	}
	defer beyond.Close()
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return
	}
	w.conns[conn], w.conns[beyond] = true, true
	w.mu.Unlock()
	go func() {
		_, _ = io.Copy(beyond, conn)
		_ = beyond.Close()
	}()
	_, _ = io.Copy(conn, beyond)
}

func (w *way) shut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for conn := range w.conns {
		_ = conn.Close()
	}
	clear(w.conns)
}

func (w *way) reopen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = false
}
