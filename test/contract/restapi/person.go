package restapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// object is a JSON object to send.
type object = map[string]any

// person is somebody who calls the API: with a session, with a token, or with
// neither.
type person struct {
	suite           *suite
	email, password string
	id              string
	// cookie is "name=value".
	cookie string
	token  string
}

// with is a header for one request.
type with struct{ name, value string }

// anonymous is nobody.
func (s *suite) anonymous() *person { return &person{suite: s} }

// byToken is the person with an API token instead of the session.
func (p *person) byToken(t *testing.T, scopes ...string) *person {
	t.Helper()
	got := p.post(t, "/api/auth/tokens", object{
		"name": "test", "scopes": scopes, "expiresAt": p.suite.now().Add(time.Hour).UTC().Format(time.RFC3339),
	})
	got.want(t, 201)
	return &person{suite: p.suite, email: p.email, id: p.id, token: got.text(t, "token")}
}

func (p *person) login(t *testing.T) {
	t.Helper()
	got := p.suite.anonymous().post(t, "/api/auth/login", object{"email": p.email, "password": p.password})
	got.want(t, 200)
	p.signedIn(t, got)
}

// signedIn takes the session's cookie from an answer.
func (p *person) signedIn(t *testing.T, got *answer) {
	t.Helper()
	cookie := got.cookie(t)
	p.cookie = cookie.Name + "=" + cookie.Value
	p.id = got.text(t, "id")
}

func (p *person) get(t *testing.T, path string, headers ...with) *answer {
	t.Helper()
	return p.do(t, http.MethodGet, path, nil, headers...)
}

func (p *person) post(t *testing.T, path string, body any, headers ...with) *answer {
	t.Helper()
	return p.do(t, http.MethodPost, path, body, headers...)
}

func (p *person) put(t *testing.T, path string, body any, headers ...with) *answer {
	t.Helper()
	return p.do(t, http.MethodPut, path, body, headers...)
}

func (p *person) del(t *testing.T, path string, headers ...with) *answer {
	t.Helper()
	return p.do(t, http.MethodDelete, path, nil, headers...)
}

// client sends each request on its own connection state as tests do, and follows
// no redirects.
func client() *http.Client {
	return &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// do sends a request and checks of the answer what holds for all. body is a
// string or bytes as they are, parts of a form, nil, or anything that becomes JSON.
func (p *person) do(t *testing.T, method, path string, body any, headers ...with) *answer {
	t.Helper()
	var data []byte
	media := "application/json"
	switch b := body.(type) {
	case nil:
	case string:
		data = []byte(b)
	case []byte:
		data = b
	case multipartBody:
		data, media = b.data, b.media
	default:
		var err error
		if data, err = json.Marshal(b, json.Deterministic(true)); err != nil {
			t.Fatalf("encoding a body: %v", err)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), method, p.suite.site.URL+path, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		request.Header.Set("Content-Type", media)
	}
	if p.cookie != "" {
		request.Header.Set("Cookie", p.cookie)
	}
	if p.token != "" {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	for _, h := range headers {
		switch {
		case h.value == "":
			request.Header.Del(h.name)
		case strings.HasPrefix(h.name, "+"):
			request.Header.Add(h.name[1:], h.value)
		default:
			request.Header.Set(h.name, h.value)
		}
	}
	return p.suite.send(t, request)
}

// send sends any request and checks the answer.
func (s *suite) send(t *testing.T, request *http.Request) *answer {
	t.Helper()
	response, err := client().Do(request)
	if err != nil { // an error, not the end: it may be one of several goroutines
		t.Errorf("%s %s: %v", request.Method, request.URL.Path, err)
		return &answer{method: request.Method, path: request.URL.EscapedPath(), header: http.Header{}}
	}
	defer response.Body.Close()
	body, err := readBody(response)
	if err != nil {
		t.Errorf("%s %s: reading the answer: %v", request.Method, request.URL.Path, err)
	}
	got := &answer{method: request.Method, path: request.URL.EscapedPath(), status: response.StatusCode, header: response.Header, body: body}
	s.check(t, got)
	return got
}

// readBody reads an answer; of one that does not end, how it begins.
func readBody(response *http.Response) ([]byte, error) {
	if response.Header.Get("Content-Type") != "text/event-stream" || response.Request.Method == http.MethodHead {
		return io.ReadAll(response.Body)
	}
	return bufio.NewReader(response.Body).ReadBytes('\n')
}

// location is the path of a Location header.
func (a *answer) location(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || u.Path == "" {
		t.Fatalf("Location is %q", a.header.Get("Location"))
	}
	return u.Path
}

// newSource makes a source and returns its id.
func (p *person) newSource(t *testing.T, connectionType string, more ...object) string {
	t.Helper()
	body := object{"name": p.suite.name("Source"), "connectionType": connectionType}
	for _, m := range more {
		maps.Copy(body, m)
	}
	got := p.post(t, "/api/sunsources", body)
	got.want(t, 201)
	return got.text(t, "id")
}

// newGroup makes a power group and returns its id.
func (p *person) newGroup(t *testing.T, name string) string {
	t.Helper()
	got := p.post(t, "/api/powergroups", object{"name": name})
	got.want(t, 201)
	return got.text(t, "id")
}

// details returns a source's connection details.
func (p *person) details(t *testing.T, id string) object {
	t.Helper()
	got := p.get(t, sourcePath(id)+"?includeConnectionDetails=true")
	got.want(t, 200)
	details, ok := got.object(t)["connectionDetails"].(object)
	if !ok {
		t.Fatalf("connectionDetails is %v", got.object(t)["connectionDetails"])
	}
	return details
}

func sourcePath(id string) string { return "/api/sunsources/" + id }

func groupPath(id string) string { return "/api/powergroups/" + id }

func webhookPath(id string) string { return "/api/webhook/sunsource/" + id }

// unknownID is a well-formed id that nothing has.
const unknownID = "00000000-0000-4000-8000-00000000beef"

func sprint(v any) string { return fmt.Sprintf("%v", v) }
