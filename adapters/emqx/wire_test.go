package emqx

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ampra/core/clock"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/modules/credentials"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"), // a clock for the whole process
	)
}

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

const (
	sharedSecret = "a-secret-that-both-know"
	goodKey      = "ak_good"
	oldKey       = "ak_old"
)

// registry is the records, the gate and the clock of a test.
type registry struct {
	mu  sync.Mutex
	all map[uuid.UUID]credential.Access
	err error
	now time.Time
}

func newRegistry() *registry {
	return &registry{all: map[uuid.UUID]credential.Access{}, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

func (r *registry) clock() clock.Clock {
	return clock.Func(func() time.Time {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.now
	})
}

func accessKey(text string, until *time.Time) credential.AccessKey {
	return credential.AccessKey{CredentialID: uuid.New(), Digest: credential.DigestOf(credential.NewSecret(text)), ValidUntil: until}
}

// add makes an active MQTT source with these keys.
func (r *registry) add(keys ...credential.AccessKey) credential.Access {
	a := credential.Access{SourceID: uuid.New(), Type: sunsource.MQTT, Active: true, Keys: keys}
	r.set(a)
	return a
}

func (r *registry) set(a credential.Access) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[a.SourceID] = a
}

func (r *registry) remove(source uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, source)
}

func (r *registry) Access(_ context.Context, source uuid.UUID) (credential.Access, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.all[source]
	switch {
	case r.err != nil:
		return a, r.err
	case !ok:
		return a, fault.New(fault.NotFound, "There is no such source.")
	}
	return a, nil
}

func (r *registry) AccessByClient(ctx context.Context, clientID string) (credential.Access, error) {
	r.mu.Lock()
	source := uuid.Nil
	for id := range r.all {
		if sunsource.ClientID(id) == clientID {
			source = id
		}
	}
	r.mu.Unlock()
	return r.Access(ctx, source)
}

func (r *registry) SignInMQTT(ctx context.Context, clientID, username string, password credential.Secret) (credentials.Session, error) {
	refused := fault.New(fault.Unauthenticated, "wrong")
	a, err := r.AccessByClient(ctx, clientID)
	if fault.Is(err, fault.NotFound) {
		return credentials.Session{}, refused
	}
	if err != nil {
		return credentials.Session{}, err
	}
	key, ok := a.MatchMQTT(password, r.clock().Now())
	if !ok || (username != "" && username != clientID && username != a.SourceID.String()) {
		return credentials.Session{}, refused
	}
	return credentials.Session{SourceID: a.SourceID, CredentialID: key.CredentialID, ValidUntil: key.ValidUntil}, nil
}

// exchange is a file of testdata.
type exchange struct {
	request       string
	status        int
	answer, named string
}

// exchanges reads the files that match, with values in the places of names.
func exchanges(t *testing.T, pattern string, values *strings.Replacer) []exchange {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file %s: %v", pattern, err)
	}
	list := make([]exchange, len(files))
	for i, file := range files {
		list[i] = exchangeOf(t, file, values)
	}
	return list
}

func exchangeOf(t *testing.T, file string, values *strings.Replacer) exchange {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(values.Replace(string(text)), "\n")
	for len(lines) > 0 && strings.HasPrefix(lines[0], "#") {
		lines = lines[1:]
	}
	request, answer, ok := strings.Cut(strings.Join(lines, ""), "---\n")
	head, body, _ := strings.Cut(answer, "\n")
	status, err := strconv.Atoi(strings.TrimPrefix(head, "HTTP/1.1 "))
	if !ok || err != nil {
		t.Fatalf("%s is no exchange", file)
	}
	return exchange{request: request, status: status, answer: strings.TrimSpace(body), named: filepath.Base(file)}
}

// parse reads the request of an exchange.
func (e exchange) parse(t *testing.T) (*http.Request, string) {
	t.Helper()
	head, body, _ := strings.Cut(e.request, "\n\n")
	body = strings.TrimSpace(body)
	text := strings.ReplaceAll(head, "\n", "\r\n") + "\r\nhost: ampra\r\ncontent-length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatalf("%s: %v", e.named, err)
	}
	return request, body
}

func newHandler(r *registry, log *slog.Logger) *fiber.App {
	h := New(Config{
		Secret: credential.NewSecret(sharedSecret),
		Reader: Reader{
			User: "reader", Key: credential.NewSecret("reads-all"), ClientIDs: "ampra-home-", Filter: "$share/home/sunsource/+/data/#",
		},
	}, Deps{Gate: r, Sources: r, Clock: r.clock(), Log: log})
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	h.Mount(app)
	return app
}

func TestTheDocumentedQuestionsOfEMQXAreAnswered(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	until := r.now.Add(time.Hour)
	one := r.add(accessKey(goodKey, nil), accessKey(oldKey, &until))
	values := strings.NewReplacer("{secret}", sharedSecret, "{source}", one.SourceID.String(), "{client}", sunsource.ClientID(one.SourceID),
		"{key}", goodKey, "{old key}", oldKey, "{credential}", one.Keys[0].CredentialID.String(),
		"{old credential}", one.Keys[1].CredentialID.String(), "{until}", strconv.FormatInt(until.Unix(), 10))
	app := newHandler(r, slog.New(slog.DiscardHandler))
	for _, e := range exchanges(t, "asks-*.http", values) {
		request, _ := e.parse(t)
		response, err := app.Test(request, -1)
		if err != nil {
			t.Fatalf("%s: %v", e.named, err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != e.status || string(body) != e.answer || response.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: answered %d %s\nwant %d %s", e.named, response.StatusCode, body, e.status, e.answer)
		}
	}

	// The same questions when the source is inactive: none opens anything for a device.
	one.Active = false
	r.set(one)
	for _, e := range exchanges(t, "asks-*.http", values) {
		request, body := e.parse(t)
		response, err := app.Test(request, -1)
		if err != nil {
			t.Fatalf("%s: %v", e.named, err)
		}
		said, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if !strings.Contains(body, `"reader"`) && !strings.Contains(string(said), `"deny"`) {
			t.Errorf("%s, with an inactive source: answered %s", e.named, said)
		}
	}
}

func TestWithoutAnAnswerOfTheRecordsNobodyIsLetInAndNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	one := r.add(accessKey(goodKey, nil))
	r.err = fault.Wrap(fault.Unavailable, errors.New("away"), "away")
	var log strings.Builder
	app := newHandler(r, slog.New(slog.NewTextHandler(&log, nil)))
	values := strings.NewReplacer("{secret}", sharedSecret, "{source}", one.SourceID.String(), "{client}", sunsource.ClientID(one.SourceID), "{key}", goodKey)
	for _, file := range []string{"asks-5.8-sign-in.http", "asks-acl-publish-below.http", "asks-wrong-secret.http"} {
		e := exchangeOf(t, filepath.Join("testdata", file), values)
		request, _ := e.parse(t)
		response, err := app.Test(request, -1)
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK || !strings.Contains(string(said), `"deny"`) {
			t.Errorf("%s: answered %d %s", file, response.StatusCode, said)
		}
	}
	text := log.String()
	if !strings.Contains(text, "away") || !strings.Contains(text, "without the right secret") {
		t.Errorf("the log does not say what is wrong:\n%s", text)
	}
	for _, secret := range []string{goodKey, sharedSecret} {
		if strings.Contains(text, secret) {
			t.Errorf("the log shows %s", secret)
		}
	}
}

func TestWithoutASecretOfItsOwnNoQuestionIsAnsweredWithYes(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	one := r.add(accessKey(goodKey, nil))
	h := New(Config{}, Deps{Gate: r, Sources: r, Clock: r.clock(), Log: slog.New(slog.DiscardHandler)})
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	h.Mount(app)
	for _, header := range []string{"", "Bearer", "Bearer ", "Basic "} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/internal/mqtt/auth",
			strings.NewReader(`{"clientid":"`+sunsource.ClientID(one.SourceID)+`","password":"`+goodKey+`"}`))
		if header != "" {
			request.Header.Set("Authorization", header)
		}
		response, err := app.Test(request, -1)
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if !strings.Contains(string(said), `"deny"`) {
			t.Errorf("with %q: answered %s", header, said)
		}
	}
}

func FuzzQuestionsOfEMQX(f *testing.F) {
	f.Add([]byte(`{"clientid":"a","username":"b","password":"c"}`))
	f.Add([]byte(`{"clientid":"a","topic":"sunsource/x/data","action":"publish","ampra_key":"undefined"}`))
	r := newRegistry()
	one := r.add(accessKey(goodKey, nil))
	h := New(Config{Secret: credential.NewSecret(sharedSecret)}, Deps{Gate: r, Sources: r, Clock: r.clock(), Log: slog.New(slog.DiscardHandler)})
	f.Fuzz(func(t *testing.T, body []byte) {
		for name, ask := range map[string]func(context.Context, []byte) (verdict, error){"authenticate": h.authenticate, "authorise": h.authorise} {
			said, err := ask(t.Context(), body)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if said.Result == "allow" && !strings.Contains(string(body), one.SourceID.String()[:8]) {
				t.Fatalf("%s: %q is allowed", name, body)
			}
		}
	})
}
