package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/modules/credentials"
	"ampra/modules/telemetry/ingest"
	"ampra/test/fake"
)

// gate admits what is signed with its secret, for its source.
type gate struct {
	source uuid.UUID
	secret credential.Secret
	clock  *fake.Clock
	err    error

	mu     sync.Mutex
	knocks []credentials.Knock
}

func (g *gate) AdmitWebhook(_ context.Context, k credentials.Knock) (time.Time, error) {
	g.mu.Lock()
	kept := k
	kept.Body = bytes.Clone(k.Body)
	g.knocks = append(g.knocks, kept)
	g.mu.Unlock()
	if g.err != nil {
		return time.Time{}, g.err
	}
	at, err := k.Signatures.Verify(g.secret, k.Body, g.clock.Now())
	if err == nil && k.SourceID != g.source {
		err = errors.New("another source")
	}
	if err != nil {
		return time.Time{}, &credentials.Refusal{Reason: err}
	}
	return at, nil
}

func (g *gate) last() credentials.Knock {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.knocks[len(g.knocks)-1]
}

// inbox takes deliveries.
type inbox struct {
	answer func(context.Context, ingest.Delivery) (ingest.Receipt, error)

	mu         sync.Mutex
	deliveries []ingest.Delivery
}

func (i *inbox) Accept(ctx context.Context, d ingest.Delivery) (ingest.Receipt, error) {
	i.mu.Lock()
	d.Payload = bytes.Clone(d.Payload) // it is the caller's again once this returns
	i.deliveries = append(i.deliveries, d)
	i.mu.Unlock()
	if i.answer != nil {
		return i.answer(ctx, d)
	}
	return ingest.Receipt{Accepted: 1}, nil
}

// rig is the route on an app that answers errors with their code.
type rig struct {
	gate  *gate
	inbox *inbox
	clock *fake.Clock
	app   *fiber.App
}

func newRig(cfg Config) *rig {
	clock := fake.NewClock(time.Date(2026, time.June, 21, 12, 0, 0, 0, time.UTC))
	r := &rig{
		gate:  &gate{source: uuid.MustParse("7c9e6679-7425-40de-944b-e07fc1f90ae7"), secret: credential.NewSecret("wh_secret-of-the-test"), clock: clock},
		inbox: &inbox{}, clock: clock,
	}
	r.app = fiber.New(fiber.Config{DisableStartupMessage: true, DisablePreParseMultipartForm: true, ErrorHandler: func(c *fiber.Ctx, err error) error {
		if e, ok := errors.AsType[*fault.Error](err); ok && e.RetryAfter > 0 {
			c.Set("Retry-After", e.RetryAfter.String())
		}
		if m, ok := err.(interface{ Members() map[string]any }); ok {
			body, err := json.Marshal(m.Members(), json.Deterministic(true))
			if err != nil {
				return err
			}
			c.Set("X-Members", string(body))
		}
		return c.SendString(string(fault.CodeOf(err)))
	}})
	New(cfg, Deps{Gate: r.gate, Ingest: r.inbox, Log: slog.New(slog.DiscardHandler)}).Mount(r.app)
	return r
}

// header is one line of a request.
type header [2]string

func (r *rig) signed(body string) header {
	text, _ := credential.SignPlain(r.gate.secret, []byte(body))
	return header{"X-Webhook-Signature", text}
}

// send returns what the route answers: the body, which for an error is its code.
func (r *rig) send(t testing.TB, id, body string, headers ...header) (string, http.Header) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://x/", strings.NewReader(body))
	request.URL.Path, request.URL.RawPath = path+"x", path+id
	request.URL.Opaque = path + id
	request.RequestURI = path + id
	for _, h := range headers {
		request.Header.Add(h[0], h[1])
	}
	response, err := r.app.Test(request, -1)
	if err != nil {
		t.Fatalf("sending: %v", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer), response.Header
}

func (r *rig) deliver(t testing.TB, body string) string {
	t.Helper()
	answer, _ := r.send(t, r.gate.source.String(), body, r.signed(body))
	return answer
}

func TestTheGateSeesEachValueOfEachSignatureHeader(t *testing.T) {
	t.Parallel()
	r := newRig(Config{RefusalTime: 1})
	for name, of := range map[string]func(credential.Signatures) []string{
		"webhook-id":          func(s credential.Signatures) []string { return s.ID },
		"webhook-timestamp":   func(s credential.Signatures) []string { return s.Timestamp },
		"webhook-signature":   func(s credential.Signatures) []string { return s.Standard },
		"x-webhook-signature": func(s credential.Signatures) []string { return s.Plain },
		"x-webhook-secret":    func(s credential.Signatures) []string { return s.PlainAlias },
	} {
		for _, values := range [][]string{nil, {"a"}, {""}, {"a", "b"}, {"a", "a"}, {"a,b"}} {
			var headers []header
			for _, v := range values {
				headers = append(headers, header{name, v})
			}
			r.send(t, r.gate.source.String(), "{}", headers...)
			if got := of(r.gate.last().Signatures); !slices.Equal(got, values) {
				t.Errorf("%s: the gate sees %q, want %q", name, got, values)
			}
		}
	}
}

func TestTheBodyIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	r := newRig(Config{})
	for _, media := range []string{"", "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"} {
		for _, body := range []string{"{}", "a=b&c=%20", "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n", "\x00\xff\r\n", strings.Repeat("x", 100_000)} {
			answer, _ := r.send(t, r.gate.source.String(), body, r.signed(body), header{"Content-Type", media})
			if answer != `{"accepted":1,"rejected":[],"warnings":[]}` {
				t.Errorf("%q %.20q: %s", media, body, answer)
			}
			if got := r.inbox.deliveries[len(r.inbox.deliveries)-1]; string(got.Payload) != body {
				t.Errorf("%q: %.20q was delivered as %.20q", media, body, got.Payload)
			}
		}
	}
}

func TestAnEncodedBodyIsNotLookedAt(t *testing.T) {
	t.Parallel()
	r := newRig(Config{})
	for _, encoding := range []string{"gzip", "identity", "deflate", "x"} {
		if answer, _ := r.send(t, r.gate.source.String(), "{}", r.signed("{}"), header{"Content-Encoding", encoding}); answer != "unsupported" {
			t.Errorf("%s: %s", encoding, answer)
		}
	}
	if len(r.gate.knocks) > 0 || len(r.inbox.deliveries) > 0 {
		t.Errorf("%d knocks, %d deliveries", len(r.gate.knocks), len(r.inbox.deliveries))
	}
}

func TestADeliverySaysWhereItCameFromAndWhenItWasSigned(t *testing.T) {
	t.Parallel()
	r := newRig(Config{})
	r.gate.err = nil
	r.deliver(t, "{}")
	got := r.inbox.deliveries[0]
	if got.SourceID != r.gate.source || got.Origin != "webhook" || got.Topic != "/api/webhook/sunsource/"+r.gate.source.String() || !got.SignedAt.IsZero() {
		t.Errorf("the delivery is %+v", got)
	}
}

func TestWhatIsNoIDIsAskedForAsOneThatNobodyHas(t *testing.T) {
	t.Parallel()
	r := newRig(Config{RefusalTime: 1})
	id := r.gate.source.String()
	for _, bad := range []string{"x", id[:35], id + "0", strings.ReplaceAll(id, "-", ""), "{" + id + "}", "urn:uuid:" + id, strings.Repeat("z", 36)} {
		if answer, _ := r.send(t, bad, "{}", r.signed("{}")); answer != "unauthenticated" || r.gate.last().SourceID != uuid.Nil {
			t.Errorf("%q: %s, asked for %s", bad, answer, r.gate.last().SourceID)
		}
	}
}

func TestEveryRefusalTakesTheSameTimeAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	const floor = 100 * time.Millisecond
	r := newRig(Config{RefusalTime: floor})
	took := func(act func()) time.Duration {
		began := time.Now()
		act()
		return time.Since(began)
	}
	for name, id := range map[string]string{"wrong": r.gate.source.String(), "unknown": uuid.NewString(), "malformed": "x"} {
		if d := took(func() { r.send(t, id, "{}", header{"X-Webhook-Signature", "x"}) }); d < floor {
			t.Errorf("%s was refused after %s, want %s at least", name, d, floor)
		}
	}
	fastest := time.Hour
	for range 5 {
		fastest = min(fastest, took(func() { r.deliver(t, "{}") }))
	}
	if fastest >= floor {
		t.Errorf("a good request took %s", fastest)
	}
	r.gate.err = fault.New(fault.Unavailable, "away")
	if answer := r.deliver(t, "{}"); answer != "unavailable" {
		t.Errorf("a gate that can't tell gives %s", answer)
	}
}

func TestTheReceiptNamesWhatWasLeftOut(t *testing.T) {
	t.Parallel()
	r := newRig(Config{})
	receipt := ingest.Receipt{
		Accepted: 2, DroppedExtra: 3,
		Rejected: []telemetry.Rejection{{Index: 1, Reason: "too old"}},
		Warnings: []telemetry.Warning{{Index: 0, Field: "acPowerWatts", Reason: "no number"}},
	}
	r.inbox.answer = func(context.Context, ingest.Delivery) (ingest.Receipt, error) { return receipt, nil }
	const want = `{"accepted":2,"rejected":[{"index":1,"reason":"too old"}],"warnings":[{"index":0,"field":"acPowerWatts","reason":"no number"}]}`
	if answer := r.deliver(t, "{}"); answer != want {
		t.Errorf("the answer is %s, want %s", answer, want)
	}
	receipt.Accepted = 0
	for code, members := range map[fault.Code]string{
		fault.Invalid:  `{"rejected":[{"index":1,"reason":"too old"}],"warnings":[{"field":"acPowerWatts","index":0,"reason":"no number"}]}`,
		fault.TooLarge: "", fault.Unavailable: "", fault.Internal: "",
	} {
		r.inbox.answer = func(context.Context, ingest.Delivery) (ingest.Receipt, error) {
			return receipt, fmt.Errorf("accepting: %w", fault.New(code, "no"))
		}
		answer, headers := r.send(t, r.gate.source.String(), "{}", r.signed("{}"))
		if answer != string(code) || !sameJSON(headers.Get("X-Members"), members) {
			t.Errorf("%s gives %s with %s", code, answer, headers.Get("X-Members"))
		}
	}
}

// sameJSON compares two texts of which each is JSON or empty.
func sameJSON(a, b string) bool {
	var x, y any
	errA, errB := json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)
	return (errA == nil) == (errB == nil) && fmt.Sprint(x) == fmt.Sprint(y)
}

func TestAJournalThatIsAwayIsWaitedForWithinBounds(t *testing.T) {
	t.Parallel()
	r := newRig(Config{Time: 30 * time.Millisecond})
	r.inbox.answer = func(ctx context.Context, _ ingest.Delivery) (ingest.Receipt, error) {
		<-ctx.Done()
		return ingest.Receipt{}, fault.Wrap(fault.Unavailable, ctx.Err(), "not in time")
	}
	if answer := r.deliver(t, "{}"); answer != "unavailable" {
		t.Errorf("the answer is %s", answer)
	}
}

func TestASourceThatSendsTooMuchIsToldWhenToComeAgain(t *testing.T) {
	t.Parallel()
	r := newRig(Config{RefusalTime: 1})
	r.inbox.answer = func(context.Context, ingest.Delivery) (ingest.Receipt, error) {
		return ingest.Receipt{}, fault.Retry(fault.TooMany, 500*time.Millisecond, "too much")
	}
	id := r.gate.source.String()
	for range 10 { // what is refused counts for nobody
		r.send(t, id, "{}", header{"X-Webhook-Signature", "x"})
	}
	if n := len(r.inbox.deliveries); n != 0 {
		t.Errorf("%d unsigned requests came as far as the limits", n)
	}
	answer, headers := r.send(t, id, "{}", r.signed("{}"))
	if answer != "too_many" || headers.Get("Retry-After") != "500ms" {
		t.Errorf("over the limit: %s, Retry-After %s", answer, headers.Get("Retry-After"))
	}
}

// FuzzRequest looks for a request that is answered in a way that is none of the
// route's, or let in without a signature that holds.
func FuzzRequest(f *testing.F) {
	r := newRig(Config{RefusalTime: 1})
	good := r.signed("{}")[1]
	f.Add(r.gate.source.String(), "", "", "", good, "", "", "{}")
	f.Add("x", "msg", "1", "v1,x", "", "", "gzip", "[]")
	f.Add(r.gate.source.String(), "", "", "", "", good, "", "\xff")
	f.Fuzz(func(t *testing.T, id, messageID, stamp, standard, plain, alias, encoding, body string) {
		request := make([]header, 0, 6)
		for name, value := range map[string]string{
			"Webhook-Id": messageID, "Webhook-Timestamp": stamp, "Webhook-Signature": standard,
			"X-Webhook-Signature": plain, "X-Webhook-Secret": alias, "Content-Encoding": encoding,
		} {
			if strings.ContainsAny(value, "\r\n\x00") {
				return // no header of a request can hold it
			}
			if value != "" {
				request = append(request, header{name, value})
			}
		}
		if strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/?#%\\", r) }) || id == "" || id == "." || id == ".." {
			return // another path
		}
		before := len(r.inbox.deliveries)
		answer, _ := r.send(t, id, body, request...)
		let := len(r.inbox.deliveries) > before
		holds := false
		if want, ok := credential.SignPlain(r.gate.secret, []byte(body)); ok {
			bare := strings.TrimPrefix(want, "sha256=")
			holds = strings.Contains(strings.ToLower(plain+alias), bare)
		}
		switch {
		case let && (!holds || encoding != ""):
			t.Errorf("let in: %q %q %q", plain, alias, body)
		case let != strings.HasPrefix(answer, "{"):
			t.Errorf("let in %t, answered %q", let, answer)
		case !let && answer != "unauthenticated" && answer != "unsupported":
			t.Errorf("answered %q", answer)
		}
	})
}
