package restapi

import (
	"strings"
	"testing"
	"time"
)

func (s *suite) apiTokens(t *testing.T) {
	p := s.newUser(t, "User")
	expires := s.now().Add(48 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	got := p.post(t, "/api/auth/tokens", object{"name": "script", "scopes": []string{"read", "write"}, "expiresAt": expires})
	got.want(t, 201)
	if list := strings.Join(names(t, got.body), " "); list != "id name scopes createdAt expiresAt lastUsedAt token" {
		t.Errorf("a new token has %s", list)
	}
	if cache := got.header.Get("Cache-Control"); cache != "no-store" || !tokenForm.MatchString(got.text(t, "token")) {
		t.Errorf("Cache-Control is %q, the token %q", cache, got.text(t, "token"))
	}
	if o := got.object(t); o["lastUsedAt"] != nil || o["expiresAt"] != expires || o["name"] != "script" {
		t.Errorf("the token is %s", got.body)
	}
	id, script := got.text(t, "id"), &person{suite: s, token: got.text(t, "token")}

	t.Run("a token is its user, with what its scopes allow", func(t *testing.T) {
		if me := script.get(t, "/api/auth/me"); me.text(t, "id") != p.id {
			t.Errorf("me is %s", me.body)
		}
		script.post(t, "/api/sunsources", object{"name": "By token", "connectionType": "MQTT"}).want(t, 201)
		reader := p.byToken(t, "read")
		reader.get(t, "/api/sunsources").want(t, 200)
		reader.post(t, "/api/sunsources", object{"name": "By token", "connectionType": "MQTT"}).want(t, 403)
		script.post(t, "/api/auth/tokens", object{"name": "x", "scopes": []string{"read"}, "expiresAt": expires}).want(t, 403)
	})
	t.Run("the list shows when a token was used, and never its text", func(t *testing.T) {
		list := p.get(t, "/api/auth/tokens")
		if strings.Contains(string(list.body), script.token) || strings.Contains(string(list.body), "ampra_") {
			t.Errorf("the list shows a token: %s", list.body)
		}
		for _, one := range list.list(t) {
			if one["id"] == id && !likeTime(one["lastUsedAt"]) {
				t.Errorf("lastUsedAt is %v", one["lastUsedAt"])
			}
			if _, shown := one["token"]; shown || len(one) != 6 {
				t.Errorf("the list has %v", one)
			}
		}
	})
	t.Run("a bad bearer is 401, also beside a good session", func(t *testing.T) {
		for _, bad := range []string{"Bearer", "Bearer ", "Bearer x", "bearer ampra_x", "BEARER " + script.token + "x", "Bearer  " + script.token[:20]} {
			p.get(t, "/api/auth/me", with{"Authorization", bad}).want(t, 401)
		}
		s.anonymous().get(t, "/api/auth/me", with{"Authorization", "bearer " + script.token}).want(t, 200)
	})
	t.Run("a token's request needs no origin", func(t *testing.T) {
		script.post(t, "/api/powergroups", object{"name": "x"}, with{"Origin", "https://elsewhere.example"}, with{"Sec-Fetch-Site", "cross-site"}).want(t, 201)
	})
	t.Run("what is wrong is named", func(t *testing.T) {
		for field, bad := range map[string][]any{
			"scopes":    {[]string{}, []string{"read", "read"}, []string{"admin"}, "read", []any{"read", 5}, nil, []string{"Read"}},
			"expiresAt": {"2001-01-01T00:00:00Z", "soon", 5, nil, s.now().Add(-time.Second).UTC().Format(time.RFC3339)},
			"name":      {"", strings.Repeat("x", 101), nil, 5},
		} {
			for _, value := range bad {
				body := object{"name": "x", "scopes": []string{"read"}, "expiresAt": expires}
				body[field] = value
				p.post(t, "/api/auth/tokens", body).wantErrors(t, field)
			}
		}
	})
	t.Run("a revoked token is over at once", func(t *testing.T) {
		s.newUser(t, "User").del(t, "/api/auth/tokens/"+id).want(t, 404)
		script.get(t, "/api/auth/me").want(t, 200)
		p.del(t, "/api/auth/tokens/"+id).want(t, 204)
		script.get(t, "/api/auth/me").want(t, 401)
		p.del(t, "/api/auth/tokens/"+id).want(t, 404)
		p.del(t, "/api/auth/tokens/x").want(t, 404)
	})
}
