package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"ampra/core/credential"
)

// user is a signed-in user of a server's API, with a cookie as a browser has it.
type user struct {
	t               testing.TB
	server          *server
	http            *http.Client
	secure          bool // speaks https
	email, password string
}

// answer is what the API said.
type answer struct {
	call   string
	status int
	header http.Header
	body   string
}

// into reads the body.
func (a answer) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("%s: reading the answer: %v\n%s", a.call, err, a.body)
	}
}

// visitor is nobody yet.
func visitor(t testing.TB, s *server) *user {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: patience, Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	return &user{t: t, server: s, http: client}
}

// firstUser signs up at a fresh installation.
func firstUser(t testing.TB, s *server) *user {
	t.Helper()
	u := visitor(t, s)
	u.email, u.password = "maria@example.org", "Sunny-Side-1"
	u.want(http.StatusCreated, http.MethodPost, "/api/auth/register", map[string]any{"email": u.email, "password": u.password})
	return u
}

// in is the same user in a part of the test.
func (u *user) in(t testing.TB) *user {
	part := *u
	part.t = t
	return &part
}

// at is the same user, signed in at another process of the installation.
func (u *user) at(s *server) *user {
	u.t.Helper()
	other := visitor(u.t, s)
	other.email, other.password = u.email, u.password
	other.want(http.StatusOK, http.MethodPost, "/api/auth/login", map[string]any{"email": u.email, "password": u.password})
	return other
}

// do makes one request; a body that is no string is sent as JSON.
func (u *user) do(method, path string, body any) (answer, error) {
	var text []byte
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			return answer{}, err
		}
	}
	address := u.server.url()
	if u.secure {
		address = strings.Replace(address, "http:", "https:", 1)
	}
	request, err := http.NewRequestWithContext(u.t.Context(), method, address+path, bytes.NewReader(text))
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return fetch(u.http, request)
}

func fetch(client *http.Client, request *http.Request) (answer, error) {
	call := request.Method + " " + request.URL.Path
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", call, err)
	}
	return answer{call: call, status: response.StatusCode, header: response.Header, body: string(text)}, nil
}

// want makes a request and ends the test when its status is another.
func (u *user) want(status int, method, path string, body any) answer {
	u.t.Helper()
	a, err := u.do(method, path, body)
	if err != nil {
		u.t.Fatalf("%s %s: %v", method, path, err)
	}
	if a.status != status {
		u.t.Fatalf("%s: status %d, want %d: %s", a.call, a.status, status, a.body)
	}
	return a
}

// source is a sun source with what its device needs.
type source struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Type    string `json:"connectionType"`
	Details struct {
		Host     *string `json:"mqttBrokerHost"`
		Port     *int    `json:"mqttBrokerPort"`
		ClientID *string `json:"mqttClientId"`
		Key      *string `json:"mqttApiKey"`
		Topic    *string `json:"mqttTopic"`
		URL      *string `json:"webhookUrl"`
		Secret   *string `json:"webhookSecret"`
	} `json:"connectionDetails"`
}

// add makes a source of the kind, "MQTT" or "Webhook".
func (u *user) add(kind, name string) source {
	u.t.Helper()
	var s source
	u.want(http.StatusCreated, http.MethodPost, "/api/sunsources?includeConnectionDetails=true", map[string]any{
		"name": name, "connectionType": kind, "latitude": 45.4642, "longitude": 9.19, "initialKwhPrice": 0.25,
	}).into(u.t, &s)
	return s
}

// page is a part of a source's history.
type page struct {
	Readings []reading `json:"readings"`
	Next     *string   `json:"nextCursor"`
}

// reading is one as the API shows it.
type reading map[string]any

// history reads one page; query begins with "?" or is empty.
func (u *user) history(id, query string) (page, error) {
	a, err := u.do(http.MethodGet, "/api/sunsources/"+id+"/telemetry"+query, nil)
	if err != nil {
		return page{}, err
	}
	if a.status != http.StatusOK {
		return page{}, fmt.Errorf("%s: status %d: %s", a.call, a.status, a.body)
	}
	var p page
	return p, json.Unmarshal([]byte(a.body), &p)
}

// everything reads all of a source's history, page by page, oldest first.
func (u *user) everything(id string) ([]reading, error) {
	var all []reading
	query := "?order=asc&limit=1000"
	for cursor := ""; ; {
		p, err := u.history(id, query+cursor)
		if err != nil {
			return nil, err
		}
		all = append(all, p.Readings...)
		if p.Next == nil {
			return all, nil
		}
		cursor = "&cursor=" + *p.Next
	}
}

// finds waits until a source has so many readings, and sees that it has no more.
func (u *user) finds(s source, count int) []reading {
	u.t.Helper()
	var all []reading
	eventually(u.t, fmt.Sprintf("%d readings of %s are found", count, s.Name), func() error {
		var err error
		if all, err = u.everything(s.ID); err != nil {
			return err
		}
		if len(all) != count {
			return fmt.Errorf("%d readings: %v", len(all), all[:min(len(all), 3)])
		}
		return nil
	})
	return all
}

// signing is how a webhook's device signs.
type signing func(header http.Header, secret credential.Secret, body []byte)

// standard is the Standard Webhooks form.
func standard(header http.Header, secret credential.Secret, body []byte) {
	standardAt(time.Now())(header, secret, body)
}

// standardAt is standard at a moment near now.
func standardAt(at time.Time) signing {
	return func(header http.Header, secret credential.Secret, body []byte) {
		id := fmt.Sprintf("msg_%d", at.UnixNano())
		signature, _ := credential.SignStandard(secret, id, at, body)
		header.Set("webhook-id", id)
		header.Set("webhook-timestamp", fmt.Sprint(at.Unix()))
		header.Set("webhook-signature", signature)
	}
}

// plain is the form for small devices.
func plain(header http.Header, secret credential.Secret, body []byte) {
	signature, _ := credential.SignPlain(secret, body)
	header.Set("X-Webhook-Signature", signature)
}

// post sends a body as the source's device, signed with a secret.
func post(t testing.TB, s source, secret, body string, sign signing) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, *s.Details.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sign(request.Header, credential.NewSecret(secret), []byte(body))
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := fetch(client, request)
	if err != nil {
		t.Fatalf("posting as %s: %v", s.Name, err)
	}
	return a
}

// deliver posts a body that must be taken.
func deliver(t testing.TB, s source, body string, sign signing) answer {
	t.Helper()
	a := post(t, s, *s.Details.Secret, body, sign)
	if a.status != http.StatusAccepted {
		t.Fatalf("posting as %s: status %d, want 202: %s", s.Name, a.status, a.body)
	}
	return a
}
