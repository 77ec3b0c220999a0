package restapi

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ampra/adapters/httpapi"
)

func (s *suite) documentation(t *testing.T) {
	p := s.anonymous()
	t.Run("every route is in the document, and every operation is a route", func(t *testing.T) {
		var routes, described []string
		for _, r := range httpapi.Routes() {
			routes = append(routes, r.Method+" "+r.Path)
		}
		paths, _ := s.document.tree["paths"].(object)
		ids := map[any]string{}
		for path := range paths {
			methods, _ := paths[path].(object)
			for method := range methods {
				key := strings.ToUpper(method) + " " + path
				described = append(described, key)
				o, _ := methods[method].(object)
				if before, twice := ids[o["operationId"]]; twice || o["operationId"] == nil || o["summary"] == nil {
					t.Errorf("%s has operationId %v, like %q, and summary %v", key, o["operationId"], before, o["summary"])
				}
				ids[o["operationId"]] = key
			}
		}
		slices.Sort(routes)
		slices.Sort(described)
		if !slices.Equal(routes, described) {
			t.Errorf("the routes are\n%v, the document has\n%v", routes, described)
		}
	})
	t.Run("who may call a route stands in the document", func(t *testing.T) {
		for _, r := range httpapi.Routes() {
			op, _ := at(s.document.tree, "paths", r.Path, strings.ToLower(r.Method)).(object)
			if _, secured := op["security"]; secured != (r.Role != "") {
				t.Errorf("%s %s: security is %v, the role %q", r.Method, r.Path, op["security"], r.Role)
			}
		}
	})
	t.Run("the page to try it loads nothing from elsewhere", func(t *testing.T) {
		page := p.get(t, "/api/docs")
		page.want(t, 200)
		policy := page.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "script-src 'self'") || strings.Contains(policy, "http") {
			t.Errorf("Content-Security-Policy is %q", policy)
		}
		if inline := regexp.MustCompile(`<script>|<style| on[a-z]+=`).FindString(string(page.body)); inline != "" {
			t.Errorf("the page has %q inline, which its own policy forbids", inline)
		}
		files := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(string(page.body), -1)
		if len(files) < 4 {
			t.Fatalf("the page names %d files: %s", len(files), page.body)
		}
		for _, file := range files {
			got := p.get(t, file[1])
			if got.status != 200 || len(got.body) == 0 {
				t.Errorf("%s is %d with %d bytes", file[1], got.status, len(got.body))
			}
		}
	})
	t.Run("files of the page come packed or not, and are the same", func(t *testing.T) {
		const path = "/api/docs/swagger-ui.css"
		plain := p.get(t, path, with{"Accept-Encoding", "identity"})
		packed := p.get(t, path, with{"Accept-Encoding", "br, gzip"})
		if plain.header.Get("Content-Encoding") != "" || packed.header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("Content-Encoding is %q and %q", plain.header.Get("Content-Encoding"), packed.header.Get("Content-Encoding"))
		}
		reader, err := gzip.NewReader(bytes.NewReader(packed.body))
		if err != nil {
			t.Fatal(err)
		}
		if unpacked, err := io.ReadAll(reader); err != nil || !bytes.Equal(unpacked, plain.body) {
			t.Errorf("the packed file has %d bytes unpacked, the plain one %d (%v)", len(unpacked), len(plain.body), err)
		}
		if media := plain.header.Get("Content-Type"); !strings.HasPrefix(media, "text/css") {
			t.Errorf("Content-Type is %q", media)
		}
		p.get(t, "/api/docs/none.css").want(t, 404)
	})
	t.Run("health and readiness", func(t *testing.T) {
		if got := p.get(t, "/healthz"); got.status != 200 || got.object(t)["status"] != "ok" {
			t.Errorf("health is %d %s", got.status, got.body)
		}
		got := p.get(t, "/readyz")
		checks, _ := got.object(t)["checks"].(object)
		for _, name := range slices.Sorted(maps.Keys(checks)) {
			if checks[name] != "ok" {
				t.Errorf("%s is %v", name, checks[name])
			}
		}
		if got.status != 200 || len(checks) == 0 {
			t.Errorf("readiness is %d %s", got.status, got.body)
		}
	})
	t.Run("metrics", func(t *testing.T) {
		got := p.get(t, "/metrics")
		got.want(t, http.StatusOK)
		if !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") || len(got.body) == 0 {
			t.Errorf("metrics are %q with %d bytes", got.header.Get("Content-Type"), len(got.body))
		}
	})
}
