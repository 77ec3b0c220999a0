package restapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ampra/core/fault"
	"ampra/core/idempotency"
	"ampra/test/fake"
)

// watched is a store of answers whose records a test may look at.
type watched struct {
	idempotency.Store

	mu      sync.Mutex
	kept    [][]byte
	digests [][32]byte
}

func (w *watched) Claim(ctx context.Context, key idempotency.Key, digest [32]byte, now time.Time) (idempotency.Answer, bool, error) {
	w.mu.Lock()
	w.digests = append(w.digests, digest)
	w.mu.Unlock()
	return w.Store.Claim(ctx, key, digest, now)
}

func (w *watched) Finish(ctx context.Context, key idempotency.Key, sealed []byte) error {
	w.mu.Lock()
	w.kept = append(w.kept, bytes.Clone(sealed))
	w.mu.Unlock()
	return w.Store.Finish(ctx, key, sealed)
}

// rig is a server with one account, whose stores fail on demand.
type rig struct {
	url, cookie string
	records     *fake.Records
	answers     *watched
	logs        func() string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{}
	site := serve(t, "http://ampra.example", func(*slog.Logger) stores {
		s, records := inMemory()
		r.records, r.answers = records, &watched{Store: s.idempotency}
		s.idempotency = r.answers
		return s
	})
	r.url, r.logs = site.URL, site.Logs
	got := r.post(t, "/api/auth/register", `{"email":"a@example.org","password":"Passw0rd-of-a"}`, "")
	if got.status != http.StatusCreated {
		t.Fatalf("registering: %d %s", got.status, got.body)
	}
	r.cookie, _, _ = strings.Cut(got.header.Get("Set-Cookie"), ";")
	return r
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (r *rig) post(t *testing.T, path, body, key string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if r.cookie != "" {
		request.Header.Set("Cookie", r.cookie)
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Errorf("POST %s: %v", path, err)
		return reply{}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("POST %s: %v", path, err)
	}
	return reply{response.StatusCode, response.Header, string(text)}
}

const (
	sources = "/api/sunsources?includeConnectionDetails=true"
	source  = `{"name":"x","connectionType":"MQTT"}`
)

func TestAStoreThatIsAwayIs503AndLeavesTheKeyFree(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, away := range []error{fault.New(fault.Unavailable, "The records are away."), errors.New("driver: secret address 10.0.0.1")} {
		r.records.SunSources.FailNext(1, away)
		got := r.post(t, sources, source, "k1")
		want := http.StatusInternalServerError
		if fault.Passing(away) {
			want = http.StatusServiceUnavailable
		}
		if got.status != want || strings.Contains(got.body, "10.0.0.1") || (want == 503) != (got.header.Get("Retry-After") != "") {
			t.Errorf("%v: %d %s, want %d", away, got.status, got.body, want)
		}
	}
	if !strings.Contains(r.logs(), "secret address 10.0.0.1") {
		t.Error("the log does not tell the cause")
	}
	if got := r.post(t, sources, source, "k1"); got.status != http.StatusCreated || got.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the third try: %d %s", got.status, got.body)
	}
}

func TestAnAnswerIsKeptSealed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.post(t, sources, source, "k1")
	_, rest, _ := strings.Cut(got.body, `"mqttApiKey":"`)
	secret, _, found := strings.Cut(rest, `"`)
	if !found || len(r.answers.kept) != 1 {
		t.Fatalf("the answer is %s, %d are kept", got.body, len(r.answers.kept))
	}
	if kept := string(r.answers.kept[0]); strings.Contains(kept, secret) || strings.Contains(kept, "connectionDetails") {
		t.Errorf("the answer is kept in the clear: %s", kept)
	}
	again := r.post(t, sources, source, "k1")
	if again.body != got.body {
		t.Errorf("the repeat is %s", again.body)
	}
}

func TestABodyCanNotBeGuessedAtFromItsDigestAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, key := range []string{"k1", "k2"} {
		r.post(t, sources, source, key)
	}
	if d := r.answers.digests; len(d) != 2 || d[0] == d[1] {
		t.Errorf("one body under two keys has the digests %x", d)
	}
}

func TestAnAnswerThatCanNotBeKeptIsGivenAllTheSame(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.records.Idempotency.PassNext(1) // the claim
	r.records.Idempotency.FailNext(1, errors.New("disk full"))
	if got := r.post(t, sources, source, "k1"); got.status != http.StatusCreated {
		t.Errorf("the answer is %d %s", got.status, got.body)
	}
	if !strings.Contains(r.logs(), "disk full") {
		t.Error("the log does not tell")
	}
	// It is not known any more how the first one ended: acting again would be wrong.
	if got := r.post(t, sources, source, "k1"); got.status != http.StatusConflict || got.header.Get("Retry-After") == "" {
		t.Errorf("the repeat is %d %s", got.status, got.body)
	}
}

func TestAClaimThatFailsActsNot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.records.Idempotency.FailNext(1, errors.New("away"))
	before := r.records.SunSources.Calls()
	if got := r.post(t, sources, source, "k1"); got.status != http.StatusInternalServerError {
		t.Errorf("the answer is %d %s", got.status, got.body)
	}
	if after := r.records.SunSources.Calls(); after != before {
		t.Error("the request was served without its claim")
	}
}

func TestARepeatMeetsTheFirstRequestUnderWay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const groups = "/api/powergroups"
	goOn := r.records.PowerGroups.Block()
	defer goOn()
	calls := r.records.PowerGroups.Calls()
	first := make(chan reply, 1)
	go func() { first <- r.post(t, groups, `{"name":"x"}`, "k1") }()
	waitFor(t, func() bool { return r.records.PowerGroups.Calls() > calls })
	if got := r.post(t, groups, `{"name":"x"}`, "k1"); got.status != http.StatusConflict || got.header.Get("Retry-After") == "" {
		t.Errorf("the repeat is %d %s", got.status, got.body)
	}
	if got := r.post(t, groups, `{"name":"y"}`, "k1"); got.status != http.StatusUnprocessableEntity {
		t.Errorf("another body is %d %s", got.status, got.body)
	}
	goOn()
	made := <-first
	if got := r.post(t, groups, `{"name":"x"}`, "k1"); made.status != http.StatusCreated || got.body != made.body {
		t.Errorf("the first is %d %s, its repeat %s", made.status, made.body, got.body)
	}
}

func TestAnAnswerOfAnotherKeyDoesNotOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.post(t, sources, source, "k1")
	first := r.answers.kept[0]
	r.answers.Store = swapped{r.answers.Store, first}
	r.post(t, sources, source, "k2")
	if got := r.post(t, sources, source, "k2"); got.status != http.StatusConflict || strings.Contains(got.body, "mqttApiKey") {
		t.Errorf("an answer of another key is given: %d %s", got.status, got.body)
	}
}

// swapped keeps one and the same answer for every key.
type swapped struct {
	idempotency.Store
	answer []byte
}

func (s swapped) Finish(ctx context.Context, key idempotency.Key, _ []byte) error {
	return s.Store.Finish(ctx, key, s.answer)
}

// waitFor waits until it holds.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	limit := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("not within 10 s")
		}
	}
}
