package restapi

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// answer is what came back.
type answer struct {
	method, path string
	status       int
	header       http.Header
	body         []byte
}

// want fails the test when the status is another.
func (a *answer) want(t *testing.T, status int) {
	t.Helper()
	if a.status != status {
		t.Fatalf("%s %s answers %d, want %d: %s", a.method, a.path, a.status, status, a.body)
	}
}

// object is the body as a JSON object.
func (a *answer) object(t *testing.T) object {
	t.Helper()
	var got object
	if err := json.Unmarshal(a.body, &got); err != nil || got == nil {
		t.Fatalf("%s %s: the body is no JSON object: %v: %.200s", a.method, a.path, err, a.body)
	}
	return got
}

// list is the body as a JSON array of objects.
func (a *answer) list(t *testing.T) []object {
	t.Helper()
	got := []object{}
	if err := json.Unmarshal(a.body, &got); err != nil || got == nil {
		t.Fatalf("%s %s: the body is no JSON array: %v: %.200s", a.method, a.path, err, a.body)
	}
	return got
}

// text is a field of the body that is a string.
func (a *answer) text(t *testing.T, name string) string {
	t.Helper()
	text, ok := a.object(t)[name].(string)
	if !ok {
		t.Fatalf("%s %s: %s is %v, want a string", a.method, a.path, name, a.object(t)[name])
	}
	return text
}

// errors are the fields that a problem names.
func (a *answer) errors(t *testing.T) map[string][]string {
	t.Helper()
	var p struct {
		Errors map[string][]string `json:"errors"`
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("%s %s: the body is no problem: %v: %.200s", a.method, a.path, err, a.body)
	}
	return p.Errors
}

// wantErrors fails the test unless the answer is 400 and names exactly these
// fields.
func (a *answer) wantErrors(t *testing.T, fields ...string) {
	t.Helper()
	if a.status != 400 {
		t.Errorf("%s %s answers %d, want 400 naming %v: %s", a.method, a.path, a.status, fields, a.body)
		return
	}
	var got []string
	for name := range a.errors(t) {
		got = append(got, name)
	}
	slices.Sort(got)
	slices.Sort(fields)
	if !slices.Equal(got, fields) {
		t.Errorf("%s %s names %v, want %v: %s", a.method, a.path, got, fields, a.body)
	}
}

// cookie is the session's cookie that the answer sets.
func (a *answer) cookie(t *testing.T) *http.Cookie {
	t.Helper()
	response := http.Response{Header: a.header}
	cookies := response.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("%s %s sets %d cookies, want 1", a.method, a.path, len(cookies))
	}
	return cookies[0]
}

// names are the names of a JSON object, in its order.
func names(t *testing.T, object []byte) []string {
	t.Helper()
	dec := jsontext.NewDecoder(strings.NewReader(string(object)))
	if _, err := dec.ReadToken(); err != nil {
		t.Fatal(err)
	}
	var list []string
	for dec.PeekKind() == '"' {
		token, err := dec.ReadToken()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, token.String())
		if err := dec.SkipValue(); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// Forms of texts that the server draws.
var (
	uuidForm  = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	timeForm  = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z$`)
	mqttForm  = regexp.MustCompile(`^ak_[A-Za-z0-9_-]{43}$`)
	hookForm  = regexp.MustCompile(`^wh_[A-Za-z0-9_-]{43}$`)
	tokenForm = regexp.MustCompile(`^ampra_[A-Za-z0-9_-]{43}$`)
)

// check holds every answer to what holds for all: the headers, the shape of
// problems, the server's own document.
func (s *suite) check(t *testing.T, a *answer) {
	t.Helper()
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s %s: %s is %q, want %q", a.method, a.path, name, got, want)
		}
	}
	if got := a.header.Get("Content-Security-Policy"); !strings.Contains(got, "frame-ancestors 'none'") {
		t.Errorf("%s %s: Content-Security-Policy is %q", a.method, a.path, got)
	}
	if a.header.Get("X-Request-Id") == "" {
		t.Errorf("%s %s: the answer has no X-Request-Id", a.method, a.path)
	}
	s.noteSecrets(a)
	if a.status >= 400 {
		s.checkProblem(t, a)
	}
	if s.document != nil && a.method != http.MethodHead {
		s.document.check(t, a)
	}
}

func (s *suite) checkProblem(t *testing.T, a *answer) {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%s %s: Content-Type of %d is %q", a.method, a.path, a.status, got)
		return
	}
	if a.method == http.MethodHead {
		return
	}
	p := a.object(t)
	if p["status"] != float64(a.status) || p["message"] != p["detail"] || p["detail"] == "" || p["title"] != http.StatusText(a.status) {
		t.Errorf("%s %s: status, title, detail or message of the problem is wrong: %s", a.method, a.path, a.body)
	}
	if p["requestId"] == "" || (a.header.Get("Idempotent-Replayed") == "" && p["requestId"] != a.header.Get("X-Request-Id")) {
		t.Errorf("%s %s: requestId is %v, X-Request-Id %q", a.method, a.path, p["requestId"], a.header.Get("X-Request-Id"))
	}
	if p["instance"] != a.path {
		t.Errorf("%s %s: instance is %v", a.method, a.path, p["instance"])
	}
	if (a.status == 429 || a.status == 503) && a.header.Get("Retry-After") == "" {
		t.Errorf("%s %s: %d has no Retry-After", a.method, a.path, a.status)
	}
	if strings.Contains(string(a.body), "goroutine ") || strings.Contains(string(a.body), ".go:") {
		t.Errorf("%s %s shows a stack: %s", a.method, a.path, a.body)
	}
}

// noteSecrets takes down what an answer shows and the log must not.
func (s *suite) noteSecrets(a *answer) {
	response := http.Response{Header: a.header}
	for _, c := range response.Cookies() {
		s.secret(c.Value)
	}
	for _, found := range secretForm.FindAllSubmatch(a.body, -1) {
		s.secret(string(found[1]))
	}
}

var secretForm = regexp.MustCompile(`"(?:token|mqttApiKey|webhookSecret)":"([^"]+)"`)

// sorted puts the words of a header in order.
func sorted(header string) string {
	words := strings.Split(strings.ReplaceAll(header, " ", ""), ",")
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// objects are the objects of a list in an object.
func objects(t *testing.T, list any) []object {
	t.Helper()
	all, ok := list.([]any)
	if !ok {
		t.Fatalf("%v is no list", list)
	}
	found := make([]object, len(all))
	for i, one := range all {
		if found[i], ok = one.(object); !ok {
			t.Fatalf("%v is no object", one)
		}
	}
	return found
}
