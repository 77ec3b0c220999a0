package simulate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"ampra/core/credential"
)

// fakeServer answers as the real one does where devices and scripts meet it:
// accounts, sources, webhooks, a broker, histories. Its knobs make it fail.
type fakeServer struct {
	hooks fakeHooks

	mu       sync.Mutex
	users    map[string]string
	closed   bool // registration
	sources  map[string]*fakeSource
	deleted  int
	forms    map[string]int // signature forms seen
	hookIDs  []string
	requests map[string]int

	httpAt, mqttAt string
	stopHTTP       func()
	stopMQTT       func()
}

// fakeHooks are the knobs. Nil does nothing.
type fakeHooks struct {
	// store may change a reading before it is stored, or drop it, after which it is
	// acknowledged all the same.
	store func(n int, r *Reading) (keep bool)
	// visible says from when on a reading is shown.
	visible func(r Reading, stored time.Time) time.Time
	// show may change what a page shows.
	show func(readings []Reading) []Reading
	// webhook may answer in place of the server.
	webhook func(n int, w http.ResponseWriter) (answered bool)
	// reject is the reason to reject a reading, "" to take it.
	reject func(r Reading) string
}

type fakeSource struct {
	webhook  bool
	key      string
	readings map[int64]storedReading
}

type storedReading struct {
	Reading
	at time.Time
}

func startFake(t *testing.T, hooks fakeHooks) *fakeServer {
	t.Helper()
	f := &fakeServer{
		hooks: hooks, users: map[string]string{}, sources: map[string]*fakeSource{},
		forms: map[string]int{}, requests: map[string]int{},
		httpAt: "127.0.0.1:0", mqttAt: "127.0.0.1:0",
	}
	f.start(t)
	t.Cleanup(f.stop)
	return f
}

// start serves; after stop, again at the same addresses.
func (f *fakeServer) start(t *testing.T) {
	t.Helper()
	f.mqttAt, f.stopMQTT = f.startBroker(t, f.mqttAt)
	listener := listen(t, f.httpAt)
	f.httpAt = listener.Addr().String()
	server := httptest.NewUnstartedServer(f.routes())
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	f.stopHTTP = sync.OnceFunc(func() {
		server.CloseClientConnections()
		server.Close()
	})
}

// stop ends as a killed process does: connections break, answers are lost.
func (f *fakeServer) stop() {
	f.stopHTTP()
	f.stopMQTT()
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.WithoutCancel(t.Context()), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func (f *fakeServer) url() string { return "http://" + f.httpAt }

func (f *fakeServer) signIn() SignIn { return SignIn{URL: f.url(), Patience: 10 * time.Second} }

func (f *fakeServer) broker() MQTTOptions { return MQTTOptions{URL: "mqtt://" + f.mqttAt} }

type fakeBrokerHook struct {
	mqtt.HookBase
	f *fakeServer
}

func (h *fakeBrokerHook) ID() string { return "fake" }

func (h *fakeBrokerHook) Provides(b byte) bool {
	return b == mqtt.OnConnectAuthenticate || b == mqtt.OnACLCheck || b == mqtt.OnPublish
}

func (h *fakeBrokerHook) OnConnectAuthenticate(_ *mqtt.Client, p packets.Packet) bool {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	for id, s := range h.f.sources {
		if "sunsource_"+id[:8] == p.Connect.ClientIdentifier {
			return !s.webhook && s.key == string(p.Connect.Password)
		}
	}
	return false
}

func (h *fakeBrokerHook) OnACLCheck(c *mqtt.Client, topic string, _ bool) bool {
	id := strings.TrimSuffix(strings.TrimPrefix(topic, "sunsource/"), "/data")
	return len(id) == 36 && c.ID == "sunsource_"+id[:8]
}

func (h *fakeBrokerHook) OnPublish(_ *mqtt.Client, p packets.Packet) (packets.Packet, error) {
	id := strings.TrimSuffix(strings.TrimPrefix(p.TopicName, "sunsource/"), "/data")
	r, err := parseReading(p.Payload)
	if err != nil || h.f.hooks.reject != nil && h.f.hooks.reject(r) != "" {
		return p, packets.Code{Code: 0x99, Reason: "payload format invalid"}
	}
	h.f.store(id, r)
	return p, nil
}

func (f *fakeServer) startBroker(t *testing.T, address string) (at string, stop func()) {
	t.Helper()
	listener := listen(t, address)
	server := mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := errors.Join(
		server.AddHook(&fakeBrokerHook{f: f}, nil),
		server.AddListener(listeners.NewNet("fake", listener)),
		server.Serve(),
	); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String(), sync.OnceFunc(func() { _ = server.Close() })
}

// parseReading reads what a device sends: names that are no field go to extra.
func parseReading(payload []byte) (Reading, error) {
	var in struct {
		Reading
		Own   map[string]any `json:",embed"`
		Extra struct{}       `json:"extra"`
	}
	if err := json.Unmarshal(payload, &in); err != nil {
		return Reading{}, err
	}
	r := in.Reading
	for name, v := range in.Own {
		if number, ok := v.(float64); ok {
			if r.Extra == nil {
				r.Extra = map[string]float64{}
			}
			r.Extra[name] = number
		}
	}
	return r, nil
}

func (f *fakeServer) store(id string, r Reading) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sources[id]
	if !ok || f.hooks.store != nil && !f.hooks.store(len(s.readings), &r) {
		return
	}
	if _, again := s.readings[r.Timestamp.UnixMilli()]; !again {
		s.readings[r.Timestamp.UnixMilli()] = storedReading{r, time.Now()}
	}
}

func (f *fakeServer) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/auth/register", f.register)
	mux.HandleFunc("POST /api/auth/login", f.login)
	mux.HandleFunc("GET /api/auth/me", f.signedIn(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"email": "me@example.org"})
	}))
	mux.HandleFunc("POST /api/sunsources", f.signedIn(f.create))
	mux.HandleFunc("DELETE /api/sunsources/{id}", f.signedIn(f.remove))
	mux.HandleFunc("GET /api/sunsources/{id}/telemetry", f.signedIn(f.telemetry))
	mux.HandleFunc("POST /api/webhook/sunsource/{id}", f.webhook)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests[r.Method+" "+strings.Split(r.URL.Path, "/")[2]]++
		f.mu.Unlock()
		mux.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, body)
}

func refuse(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]any{"status": status, "title": http.StatusText(status), "detail": text, "message": text, "requestId": "r-1"})
}

func (f *fakeServer) register(w http.ResponseWriter, r *http.Request) {
	var a account
	_ = json.UnmarshalRead(r.Body, &a)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch _, taken := f.users[a.Email]; {
	case f.closed:
		refuse(w, 403, "Registration is closed.")
	case taken:
		refuse(w, 409, "The e-mail is taken.")
	default:
		f.users[a.Email] = a.Password
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "s", Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
		answer(w, 201, map[string]any{"email": a.Email})
	}
}

func (f *fakeServer) login(w http.ResponseWriter, r *http.Request) {
	var a account
	_ = json.UnmarshalRead(r.Body, &a)
	f.mu.Lock()
	defer f.mu.Unlock()
	if password, known := f.users[a.Email]; !known || password != a.Password {
		refuse(w, 401, "The e-mail or the password is wrong.")
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "session", Value: "s", Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	answer(w, 200, map[string]any{"email": a.Email})
}

func (f *fakeServer) signedIn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("session")
		if (err != nil || cookie.Value != "s") && r.Header.Get("Authorization") != "Bearer ampra_right" {
			refuse(w, 401, "Sign in first.")
			return
		}
		next(w, r)
	}
}

func (f *fakeServer) create(w http.ResponseWriter, r *http.Request) {
	var in newSource
	if err := json.UnmarshalRead(r.Body, &in, json.RejectUnknownMembers(true)); err != nil || r.URL.Query().Get("includeConnectionDetails") != "true" {
		refuse(w, 400, fmt.Sprint("bad request ", err))
		return
	}
	id := uuid.NewString()
	s := &fakeSource{webhook: in.ConnectionType == "Webhook", key: rand.Text(), readings: map[int64]storedReading{}}
	f.mu.Lock()
	f.sources[id] = s
	f.mu.Unlock()
	details := map[string]any{
		"mqttBrokerHost": "127.0.0.1", "mqttBrokerPort": 8883, "mqttClientId": "sunsource_" + id[:8],
		"mqttApiKey": s.key, "mqttTopic": "sunsource/" + id + "/data", "webhookUrl": nil, "webhookSecret": nil,
	}
	if s.webhook {
		details = map[string]any{
			"mqttBrokerHost": nil, "mqttBrokerPort": nil, "mqttClientId": nil, "mqttApiKey": nil, "mqttTopic": nil,
			"webhookUrl": "http://public.example/api/webhook/sunsource/" + id, "webhookSecret": s.key,
		}
	}
	answer(w, 201, map[string]any{"id": id, "name": in.Name, "connectionDetails": details})
}

func (f *fakeServer) remove(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.sources[r.PathValue("id")]; !ok {
		refuse(w, 404, "There is no such source.")
		return
	}
	delete(f.sources, r.PathValue("id"))
	f.deleted++
	w.WriteHeader(204)
}

func (f *fakeServer) webhook(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	s, ok := f.sources[r.PathValue("id")]
	f.hookIDs = append(f.hookIDs, r.Header.Get("Webhook-Id"))
	n := len(f.hookIDs)
	f.mu.Unlock()
	if f.hooks.webhook != nil && f.hooks.webhook(n-1, w) {
		return
	}
	body, _ := io.ReadAll(r.Body)
	signatures := credential.Signatures{
		ID: r.Header.Values("Webhook-Id"), Timestamp: r.Header.Values("Webhook-Timestamp"), Standard: r.Header.Values("Webhook-Signature"),
		Plain: r.Header.Values("X-Webhook-Signature"),
	}
	if !ok || !s.webhook {
		refuse(w, 401, "Not signed by a known device.")
		return
	}
	if _, err := signatures.Verify(credential.NewSecret(s.key), body, time.Now()); err != nil {
		refuse(w, 401, "Not signed by a known device.")
		return
	}
	f.mu.Lock()
	if len(signatures.Standard) > 0 {
		f.forms["standard"]++
	} else {
		f.forms["plain"]++
	}
	f.mu.Unlock()
	f.takeList(w, r.PathValue("id"), body)
}

func (f *fakeServer) takeList(w http.ResponseWriter, id string, body []byte) {
	var list []map[string]any
	if body[0] != '[' {
		body = []byte("[" + string(body) + "]")
	}
	if err := json.Unmarshal(body, &list); err != nil {
		refuse(w, 400, err.Error())
		return
	}
	rejected := []map[string]any{}
	for i, object := range list {
		payload, _ := json.Marshal(object)
		r, err := parseReading(payload)
		switch {
		case err != nil:
			rejected = append(rejected, map[string]any{"index": i, "reason": err.Error()})
		case f.hooks.reject != nil && f.hooks.reject(r) != "":
			rejected = append(rejected, map[string]any{"index": i, "reason": f.hooks.reject(r)})
		default:
			f.store(id, r)
		}
	}
	answer(w, 202, map[string]any{"accepted": len(list) - len(rejected), "rejected": rejected, "warnings": []any{}})
}

func (f *fakeServer) telemetry(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	readings, err := f.span(r.PathValue("id"), query)
	limit, _ := strconv.Atoi(query.Get("limit"))
	if err != nil || limit < 1 || limit > 1000 || query.Get("order") != "asc" {
		refuse(w, 400, fmt.Sprint("bad query ", query, err))
		return
	}
	var next any
	if len(readings) > limit {
		readings = readings[:limit]
		next = strconv.FormatInt(readings[limit-1].Timestamp.UnixMilli()+1, 10)
	}
	if f.hooks.show != nil {
		readings = f.hooks.show(readings)
	}
	shown := make([]map[string]any, len(readings))
	for i, reading := range readings {
		text, _ := json.Marshal(reading)
		_ = json.Unmarshal(text, &shown[i])
		for _, n := range (Reading{}).numbers() { // what is not known is null
			if _, known := shown[i][n.name]; !known {
				shown[i][n.name] = nil
			}
		}
	}
	answer(w, 200, map[string]any{"readings": shown, "nextCursor": next})
}

func (f *fakeServer) span(id string, query url.Values) ([]Reading, error) {
	from, err := time.Parse(time.RFC3339, query.Get("from"))
	if err != nil {
		return nil, err
	}
	to, err := time.Parse(time.RFC3339, query.Get("to"))
	if err != nil {
		return nil, err
	}
	low := from.UnixMilli()
	if cursor := query.Get("cursor"); cursor != "" {
		if low, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sources[id]
	if !ok {
		return nil, errors.New("no such source")
	}
	var found []Reading
	for ms, r := range s.readings {
		if ms < low || ms >= to.UnixMilli() {
			continue
		}
		if f.hooks.visible != nil && time.Now().Before(f.hooks.visible(r.Reading, r.at)) {
			continue
		}
		found = append(found, r.Reading)
	}
	slices.SortFunc(found, func(a, b Reading) int { return a.Timestamp.Compare(b.Timestamp) })
	return found, nil
}
