package restapi

import (
	"strings"
	"testing"
)

func (s *suite) powerGroups(t *testing.T) {
	p := s.newUser(t, "User")
	got := p.post(t, "/api/powergroups", object{"name": "Home", "description": nil, "logoUrl": "https://example.org/logo.png"})
	got.want(t, 201)
	if list := strings.Join(names(t, got.body), " "); list != "id name description logoUrl createdAt updatedAt sunSourceCount" {
		t.Errorf("a power group has %s", list)
	}
	o := got.object(t)
	if o["description"] != nil || o["logoUrl"] != "https://example.org/logo.png" || o["sunSourceCount"] != 0.0 || !likeID(o["id"]) || !likeTime(o["createdAt"]) {
		t.Errorf("the group is %s", got.body)
	}
	id := got.text(t, "id")
	if got.location(t) != groupPath(id) {
		t.Errorf("Location is %q", got.location(t))
	}
	source := p.newSource(t, "MQTT", object{"powerGroupId": id})
	p.newSource(t, "MQTT", object{"powerGroupId": id})
	if count := p.get(t, groupPath(id)).object(t)["sunSourceCount"]; count != 2.0 {
		t.Errorf("sunSourceCount is %v, want 2", count)
	}

	t.Run("each field absent, null and set", func(t *testing.T) {
		for field, set := range map[string]string{"name": "Other", "description": "Text", "logoUrl": "https://example.org/other.png"} {
			if changed := p.put(t, groupPath(id), object{field: set}); changed.object(t)[field] != set {
				t.Errorf("%s is %v after being set to %s", field, changed.object(t)[field], set)
			}
			if same := p.put(t, groupPath(id), object{}); same.status != 200 || same.object(t)[field] != set {
				t.Errorf("%s is %v after an update without it", field, same.object(t)[field])
			}
			null := p.put(t, groupPath(id), object{field: nil})
			if field == "name" {
				null.wantErrors(t, "name")
			} else if null.status != 200 || null.object(t)[field] != nil {
				t.Errorf("%s is %v after null", field, null.object(t)[field])
			}
		}
	})
	t.Run("limits", func(t *testing.T) {
		for field, bad := range map[string][]any{
			"name":        {"", strings.Repeat("x", 101), 5},
			"description": {strings.Repeat("x", 501), 5},
			"logoUrl":     {"x", "ftp://x", "https://example.org/" + strings.Repeat("x", 500), false},
		} {
			for _, value := range bad {
				body := object{"name": "x"}
				body[field] = value
				p.post(t, "/api/powergroups", body).wantErrors(t, field)
				p.put(t, groupPath(id), object{field: value}).wantErrors(t, field)
			}
		}
		p.put(t, groupPath(id), `{"name":null,"logoUrl":"x","id":"x"}`).wantErrors(t, "name", "logoUrl", "id")
	})
	t.Run("deleting a group unassigns its sources", func(t *testing.T) {
		p.del(t, groupPath(id)).want(t, 204)
		p.get(t, groupPath(id)).want(t, 404)
		p.del(t, groupPath(id)).want(t, 404)
		left := p.get(t, sourcePath(source))
		if o := left.object(t); left.status != 200 || o["powerGroupId"] != nil || o["powerGroupName"] != nil {
			t.Errorf("the source is %d %s", left.status, left.body)
		}
	})
}

func (s *suite) credentials(t *testing.T) {
	p := s.newUser(t, "User")
	id := p.newSource(t, "Webhook")
	state := func() object { return p.get(t, sourcePath(id)+"/credentials").object(t) }
	got := p.get(t, sourcePath(id)+"/credentials")
	if list := strings.Join(names(t, got.body), " "); list != "kind createdAt lastUsedAt connected previous" {
		t.Errorf("a credential's state has %s", list)
	}
	if o := state(); o["kind"] != "Webhook" || o["connected"] != 0.0 || o["previous"] != nil || !likeTime(o["createdAt"]) {
		t.Errorf("the state is %v", o)
	}
	if o := p.get(t, sourcePath(p.newSource(t, "MQTT"))+"/credentials").object(t); o["kind"] != "MQTT" {
		t.Errorf("the state of an MQTT source is %v", o)
	}
	before := p.details(t, id)["webhookSecret"]
	rotated := p.post(t, sourcePath(id)+"/rotate-secret?graceSeconds=60", nil)
	rotated.want(t, 200)
	if rotated.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q", rotated.header.Get("Cache-Control"))
	}
	if now := p.details(t, id)["webhookSecret"]; now == before || now != rotated.text(t, "webhookSecret") {
		t.Errorf("the secret is %v, before %v", now, before)
	}
	previous, ok := state()["previous"].(object)
	if !ok || !likeTime(previous["validUntil"]) || len(previous) != 2 {
		t.Errorf("previous is %v", state()["previous"])
	}
	if body := string(p.get(t, sourcePath(id)+"/credentials").body); strings.Contains(body, "wh_") {
		t.Errorf("the state shows a secret: %s", body)
	}
	p.post(t, sourcePath(id)+"/rotate-secret", nil).want(t, 200)
	if state()["previous"] != nil {
		t.Errorf("a rotation without grace left %v", state()["previous"])
	}
	for _, bad := range []string{"-1", "604801", "x", "", "1.5", "99999999999999999999", "1e3"} {
		p.post(t, sourcePath(id)+"/rotate-secret?graceSeconds="+bad, nil).wantErrors(t, "graceSeconds")
		p.post(t, sourcePath(id)+"/regenerate-mqtt-key?graceSeconds="+bad, nil).wantErrors(t, "graceSeconds")
	}
	p.post(t, sourcePath(id)+"/rotate-secret?graceSeconds=604800", nil).want(t, 200)
}
