package restapi

import (
	"strings"
	"sync"
	"testing"
)

// repeats tries the Idempotency-Key.
func (s *suite) repeats(t *testing.T) {
	p, other := s.newUser(t, "User"), s.newUser(t, "User")
	body := object{"name": "Once", "connectionType": "MQTT"}
	key := func(value string) with { return with{"Idempotency-Key", value} }
	path := "/api/sunsources?includeConnectionDetails=true"

	t.Run("a repeat gets the first answer and does nothing", func(t *testing.T) {
		before := len(p.get(t, "/api/sunsources").list(t))
		made := p.post(t, path, body, key("k1"))
		made.want(t, 201)
		again := p.post(t, path, body, key("k1"))
		again.want(t, 201)
		if string(again.body) != string(made.body) || again.header.Get("Location") != made.header.Get("Location") ||
			again.header.Get("Content-Type") != made.header.Get("Content-Type") || again.header.Get("Cache-Control") != "no-store" {
			t.Errorf("the repeat is %v %s, want %v %s", again.header, again.body, made.header, made.body)
		}
		if made.header.Get("Idempotent-Replayed") != "" || again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("Idempotent-Replayed is %q, then %q", made.header.Get("Idempotent-Replayed"), again.header.Get("Idempotent-Replayed"))
		}
		if n := len(p.get(t, "/api/sunsources").list(t)); n != before+1 {
			t.Errorf("%d sources were made, want 1", n-before)
		}
	})
	t.Run("another body, query, path or user", func(t *testing.T) {
		p.post(t, path, object{"name": "Twice", "connectionType": "MQTT"}, key("k1")).want(t, 422)
		p.post(t, "/api/sunsources", body, key("k1")).want(t, 422)
		first := p.post(t, path, body, key("k1"))
		for _, got := range []*answer{other.post(t, path, body, key("k1")), p.post(t, path, body, key("K1")), p.post(t, path, body)} {
			got.want(t, 201)
			if got.text(t, "id") == first.text(t, "id") {
				t.Errorf("another request got the first one's answer: %s", got.body)
			}
		}
		p.post(t, "/api/powergroups", object{"name": "Once"}, key("k1")).want(t, 201)
	})
	t.Run("a token and a session of one user are one user", func(t *testing.T) {
		if got := p.byToken(t, "write").post(t, path, body, key("k1")); got.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("the token's repeat is %d %v", got.status, got.header)
		}
		p.byToken(t, "read").post(t, path, body, key("k1")).want(t, 403)
		s.anonymous().post(t, path, body, key("k1")).want(t, 401)
	})
	t.Run("a refusal is an answer too", func(t *testing.T) {
		wrong := object{"name": "", "connectionType": "MQTT"}
		p.post(t, path, wrong, key("k2")).wantErrors(t, "name")
		again := p.post(t, path, wrong, key("k2"))
		again.wantErrors(t, "name")
		if again.header.Get("Idempotent-Replayed") != "true" {
			t.Error("the refusal was made anew")
		}
		p.post(t, path, body, key("k2")).want(t, 422)
	})
	t.Run("a request of the wrong kind leaves the key free", func(t *testing.T) {
		p.post(t, path, body, key("k3"), with{"Content-Type", "text/plain"}).want(t, 415)
		p.post(t, path, body, key("k3")).want(t, 201)
	})
	t.Run("a rotation is done once", func(t *testing.T) {
		id := p.newSource(t, "Webhook")
		rotate := sourcePath(id) + "/rotate-secret"
		secret := p.post(t, rotate, nil, key("k4")).text(t, "webhookSecret")
		if again := p.post(t, rotate, nil, key("k4")).text(t, "webhookSecret"); again != secret {
			t.Errorf("the repeat gave another secret")
		}
		p.post(t, rotate+"?graceSeconds=10", nil, key("k6")).want(t, 200)
		p.post(t, rotate+"?graceSeconds=20", nil, key("k6")).want(t, 422)
		secret = p.post(t, rotate, nil).text(t, "webhookSecret")
		if now := p.details(t, id)["webhookSecret"]; now != secret {
			t.Error("the secret in force is not the one that was answered")
		}
	})
	t.Run("keys that are none", func(t *testing.T) {
		for _, bad := range []string{strings.Repeat("k", 256), "k\tk", "schlüssel"} {
			p.post(t, path, body, key(bad)).wantErrors(t, "Idempotency-Key")
		}
		p.post(t, path, body, key(strings.Repeat("k", 255))).want(t, 201)
	})
	t.Run("many at once make one", func(t *testing.T) {
		var all sync.WaitGroup
		answers := make([]*answer, 10)
		for i := range answers {
			all.Go(func() { answers[i] = p.post(t, path, body, key("k5")) })
		}
		all.Wait()
		made := map[string]bool{}
		for _, got := range answers {
			switch got.status {
			case 201:
				made[got.text(t, "id")] = true
			case 409:
				if got.header.Get("Retry-After") == "" {
					t.Error("409 of a request under way has no Retry-After")
				}
			default:
				t.Errorf("one of many got %d %s", got.status, got.body)
			}
		}
		if len(made) != 1 {
			t.Errorf("%d sources were made, want 1", len(made))
		}
	})
}
