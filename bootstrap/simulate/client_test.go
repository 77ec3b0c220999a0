package simulate

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ampra/core/credential"
)

func TestSigningIn(t *testing.T) {
	t.Parallel()
	secret := credential.NewSecret
	for name, c := range map[string]struct {
		closed bool
		signIn SignIn
		made   bool
		says   string // in the error, "" for none
	}{
		"a known user signs in":                           {signIn: SignIn{Email: "known@example.org", Password: secret("Right123")}, closed: true},
		"a wrong password is told as it is":               {signIn: SignIn{Email: "known@example.org", Password: secret("Wrong123")}, says: "The e-mail or the password is wrong."},
		"an unknown user is signed up where that is open": {signIn: SignIn{Email: "new@example.org", Password: secret("Right123")}, made: true},
		"an unknown user is refused where it is closed":   {signIn: SignIn{Email: "new@example.org", Password: secret("Right123")}, closed: true, says: "signing in as new@example.org"},
		"without a name an account is made":               {made: true},
		"without a name a closed server says what to do":  {closed: true, says: "--token"},
		"a token is enough":                               {closed: true, signIn: SignIn{Token: secret("ampra_right")}},
		"a wrong token is told":                           {signIn: SignIn{Token: secret("ampra_wrong")}, says: "401: Sign in first. (request r-1)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, fakeHooks{})
			f.users["known@example.org"], f.closed = "Right123", c.closed
			c.signIn.URL = f.url() + "/"
			session, err := NewSession(t.Context(), c.signIn)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("the error is %v, it should say %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			if session.Made != c.made {
				t.Errorf("made %v, want %v", session.Made, c.made)
			}
			if _, err := session.AddSource(t.Context(), "Roof", false, 1, 0); err != nil {
				t.Errorf("signed in, and yet: %v", err)
			}
		})
	}
}

func TestAMadePasswordKeepsTheServersRules(t *testing.T) {
	t.Parallel()
	f := startFake(t, fakeHooks{})
	session, err := NewSession(t.Context(), f.signIn())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	password := session.Password.Reveal()
	for what, set := range map[string]string{"upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "lower": "abcdefghijklmnopqrstuvwxyz", "digit": "0123456789"} {
		if !strings.ContainsAny(password, set) {
			t.Errorf("the password has no %s case", what)
		}
	}
	if len(password) < 8 || f.users[session.Email] != password {
		t.Errorf("%q is not what the account was made with", session.Email)
	}
}

func TestWhereNoServerIsTheErrorSaysSo(t *testing.T) {
	t.Parallel()
	listener := listen(t, "127.0.0.1:0")
	at := listener.Addr().String()
	_ = listener.Close()
	_, err := NewSession(t.Context(), SignIn{URL: "http://" + at})
	if err == nil || !strings.Contains(err.Error(), "no server answers at http://"+at) || !strings.Contains(err.Error(), "ampra serve") {
		t.Errorf("the error is %v", err)
	}
}

func TestAURLThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "localhost:8080", "mqtt://localhost", "http://", "http://a b"} {
		if _, err := NewSession(t.Context(), SignIn{URL: text}); err == nil || !strings.Contains(err.Error(), "URL") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// always answers each request alike, whatever its host.
type always func(http.ResponseWriter)

func (a always) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	a(recorder)
	response := recorder.Result()
	response.Request = r
	return response, nil
}

func TestASessionThatOnlyTravelsOverHTTPSIsNamed(t *testing.T) {
	t.Parallel()
	for base, says := range map[string]string{"http://ampra.example": "only travels over HTTPS", "https://ampra.example": ""} {
		c, err := newClient(base, credential.Secret{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		c.http.Transport = always(func(w http.ResponseWriter) {
			http.SetCookie(w, &http.Cookie{Name: "__Host-session", Value: "s", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
			answer(w, 200, map[string]any{})
		})
		err = c.login(t.Context(), "me@example.org", credential.NewSecret("Right123"))
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: the error is %v, want %q", base, err, says)
		}
	}
}

func TestAProblemIsShownFieldByField(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"title":"Bad Request","detail":"The request has invalid fields.","requestId":"abc","errors":{"name":["must have 1 to 100 characters"],"currency":["a","b"]}}`: "GET /x: 400: The request has invalid fields: currency a, b; name must have 1 to 100 characters (request abc)",
		`{"message":"only a message"}`: "GET /x: 400: only a message",
		`<html>a proxy</html>`:         "GET /x: 400: Bad Request",
		``:                             "GET /x: 400: Bad Request",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = w.Write([]byte(body))
		}))
		c, err := newClient(server.URL, credential.Secret{}, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.call(t.Context(), http.MethodGet, "/x", nil, nil, nil); err == nil || err.Error() != want {
			t.Errorf("the error is %v, want %s", err, want)
		}
		c.http.CloseIdleConnections()
		server.Close()
	}
}

func TestAnAnswerIsWaitedForThatAnEarlierTryWillNeverGet(t *testing.T) {
	t.Parallel()
	tries := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if tries++; tries < 3 {
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusConflict, "The first request is still under way.")
			return
		}
		answer(w, 201, map[string]any{"id": "1", "connectionDetails": map[string]any{}})
	}))
	defer server.Close()
	c, err := newClient(server.URL, credential.Secret{}, 0) // no patience with anything else
	if err != nil {
		t.Fatal(err)
	}
	defer c.http.CloseIdleConnections()
	if _, err := c.create(t.Context(), newSource{Name: "Roof"}); err != nil || tries != 3 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

func TestARequestIsTriedAgainWhileTheFailurePasses(t *testing.T) {
	t.Parallel()
	keys := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys[r.Header.Get("Idempotency-Key")]++
		if n := keys[r.Header.Get("Idempotency-Key")]; n < 3 {
			refuse(w, http.StatusServiceUnavailable, "Not yet.")
			return
		}
		answer(w, 201, map[string]any{"id": "1", "connectionDetails": map[string]any{}})
	}))
	defer server.Close()
	c, err := newClient(server.URL, credential.Secret{}, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.http.CloseIdleConnections()
	if _, err := c.create(t.Context(), newSource{Name: "Roof"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.create(t.Context(), newSource{Name: "Roof"}); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 2 {
		t.Errorf("two sources were asked for with %d idempotency keys", len(keys))
	}
	c.patience = 0
	if _, err := c.create(t.Context(), newSource{}); statusOf(err) != http.StatusServiceUnavailable {
		t.Errorf("without patience: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.create(ctx, newSource{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestACursorThatStandsStillIsNotFollowedForEver(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"readings": []any{}, "nextCursor": "same"})
	}))
	defer server.Close()
	c, err := newClient(server.URL, credential.Secret{}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.http.CloseIdleConnections()
	if err := c.history(t.Context(), "1", time.Now(), time.Now(), func(Reading) {}); err == nil || !strings.Contains(err.Error(), "cursor") {
		t.Errorf("the error is %v", err)
	}
}

func TestRetryAfterIsReadAsSecondsOrAsADate(t *testing.T) {
	t.Parallel()
	now := at("2026-06-20T10:00:00Z")
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-3": 0, "soon": 0, "999999": time.Hour,
		"Sat, 20 Jun 2026 10:00:30 GMT": 30 * time.Second,
		"Sat, 20 Jun 2026 09:00:00 GMT": 0,
		"Sat, 20 Jun 2036 10:00:00 GMT": time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, text := range []string{"", "7", "Sat, 20 Jun 2026 10:00:30 GMT", "18446744073709551616"} {
		f.Add(text)
	}
	now := at("2026-06-20T10:00:00Z")
	f.Fuzz(func(t *testing.T, text string) {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got < 0 || got > time.Hour {
			t.Errorf("%q: %s", text, got)
		}
	})
}

func TestTheWebhookIsTheOneShownUnlessTheServerIsOnThisMachine(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"http://127.0.0.1:18080":      "http://127.0.0.1:18080/api/webhook/sunsource/1",
		"http://localhost:9":          "http://localhost:9/api/webhook/sunsource/1",
		"https://ampra.example":       "https://hooks.example/api/webhook/sunsource/1",
		"http://192.0.2.7:8080":       "https://hooks.example/api/webhook/sunsource/1",
		"http://localhost.example:80": "https://hooks.example/api/webhook/sunsource/1",
	} {
		c, err := newClient(base, credential.Secret{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&Session{client: c}).webhookURL("https://hooks.example/api/webhook/sunsource/1")
		if err != nil || got != want {
			t.Errorf("%s: %s (%v), want %s", base, got, err, want)
		}
	}
}
