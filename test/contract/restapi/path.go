package restapi

import (
	"net/http"
	"strings"
	"testing"
)

// paths tries what is no route, and ids that are none.
func (s *suite) paths(t *testing.T) {
	p := s.newUser(t, "User")
	id := p.newSource(t, "MQTT")
	for _, path := range []string{
		"/api", "/api/", "/api/sunsources/", "/api/SunSources", "/API/sunsources", "/api//sunsources", sourcePath(id) + "/", sourcePath(id) + "/x",
		"/api/webhook/sunsource/", "/api/webhook/sunsource", "/api/sunsources/" + id + "/telemetry/", "/api/auth", "/../etc/passwd", "/api/docs/../secret",
		"/api/docs/%2e%2e%2fserver.go", "/api/docs/index.js", "/favicon.ico", "/%00", "/\xff\xfe", "/internal/mqtt/auth",
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.site.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.URL.Opaque = path
		request.Header.Set("Cookie", p.cookie)
		got := s.send404(t, request, path)
		if got != 404 && got != 400 {
			t.Errorf("GET %q answers %d, want 404", path, got)
		}
	}
	for _, bad := range []string{
		"x", "0", id + "x", id[:35], strings.ReplaceAll(id, "-", ""), "{" + id + "}", "urn:uuid:" + id, "%20" + id, "null", "-1", strings.Repeat("x", 4000),
	} {
		for _, path := range []string{
			sourcePath(bad), sourcePath(bad) + "/webhook-url", sourcePath(bad) + "/credentials", sourcePath(bad) + "/telemetry",
			sourcePath(bad) + "/telemetry/latest", sourcePath(bad) + "/telemetry/series", sourcePath(bad) + "/dead-letters", lettersPath(id) + "/" + bad, groupPath(bad),
		} {
			p.get(t, path).want(t, 404)
		}
		p.put(t, sourcePath(bad), object{"name": "x"}).want(t, 404)
		p.del(t, sourcePath(bad)).want(t, 404)
		p.post(t, sourcePath(bad)+"/rotate-secret", nil).want(t, 404)
		p.post(t, lettersPath(bad)+"/replay", nil).want(t, 404)
		p.post(t, lettersPath(id)+"/"+bad+"/replay", nil).want(t, 404)
		p.del(t, lettersPath(id)+"/"+bad).want(t, 404)
	}
	p.get(t, sourcePath(strings.ToUpper(id))).want(t, 200)
	for _, path := range []string{sourcePath(unknownID), groupPath(unknownID), sourcePath(unknownID) + "/telemetry"} {
		p.get(t, path).want(t, 404)
	}
	t.Run("a method that a path does not take is 405 with Allow", func(t *testing.T) {
		for path, allowed := range map[string]string{
			"/api/sunsources": "GET, HEAD, POST", sourcePath(id): "DELETE, GET, HEAD, PUT", webhookPath(id): "POST", "/healthz": "GET, HEAD",
		} {
			for _, method := range []string{http.MethodPatch, http.MethodOptions, http.MethodTrace} {
				got := p.do(t, method, path, nil)
				got.want(t, 405)
				if allow := sorted(got.header.Get("Allow")); allow != allowed {
					t.Errorf("%s %s: Allow is %q, want %q", method, path, allow, allowed)
				}
			}
		}
	})
	t.Run("HEAD is GET without the body", func(t *testing.T) {
		got := p.do(t, http.MethodHead, sourcePath(id), nil)
		got.want(t, 200)
		if len(got.body) > 0 || got.header.Get("Content-Length") == "0" {
			t.Errorf("HEAD has %d bytes and Content-Length %q", len(got.body), got.header.Get("Content-Length"))
		}
		s.anonymous().do(t, http.MethodHead, sourcePath(id), nil).want(t, 401)
	})
}

// send404 sends a request whose path a problem can't always repeat.
func (s *suite) send404(t *testing.T, request *http.Request, path string) int {
	t.Helper()
	response, err := client().Do(request)
	if err != nil {
		t.Fatalf("GET %q: %v", path, err)
	}
	defer response.Body.Close()
	if media := response.Header.Get("Content-Type"); media != "application/problem+json" {
		t.Errorf("GET %q: %d with Content-Type %q", path, response.StatusCode, media)
	}
	return response.StatusCode
}
