package restapi

import (
	"testing"
	"time"
)

// clock tries what happens as time passes, where the site lets it.
func (s *suite) clock(t *testing.T) {
	if s.site.Advance == nil {
		t.Skip("the clock of this site can't be moved")
	}
	t.Run("a session slides, and ends when it is not used", func(t *testing.T) {
		p := s.newUser(t, "User")
		if got := p.get(t, "/api/auth/me"); got.header.Get("Set-Cookie") != "" {
			t.Errorf("a fresh session sends its cookie anew: %s", got.header.Get("Set-Cookie"))
		}
		for range 3 {
			s.site.Advance(6 * 24 * time.Hour)
			got := p.get(t, "/api/sunsources")
			got.want(t, 200)
			if cookie := got.cookie(t); cookie.Name+"="+cookie.Value != p.cookie || cookie.MaxAge != 7*24*60*60 {
				t.Errorf("the cookie comes back as %v", cookie)
			}
		}
		s.site.Advance(7*24*time.Hour + time.Second)
		p.get(t, "/api/auth/me").want(t, 401)
		s.overseer.login(t)
	})
	t.Run("an API token ends", func(t *testing.T) {
		p := s.newUser(t, "User")
		token := p.byToken(t, "read")
		token.get(t, "/api/auth/me").want(t, 200)
		s.site.Advance(time.Hour + time.Second)
		token.get(t, "/api/auth/me").want(t, 401)
	})
	t.Run("a grace ends", func(t *testing.T) {
		d := s.newDevice(t)
		old := d
		d.secret = d.post(t, sourcePath(d.id)+"/rotate-secret?graceSeconds=60", nil).text(t, "webhookSecret")
		s.site.Advance(59 * time.Second)
		old.send(t, `{"acPowerWatts":1}`).want(t, 202)
		s.site.Advance(2 * time.Second)
		old.send(t, `{"acPowerWatts":1}`).want(t, 401)
		d.send(t, `{"acPowerWatts":1}`).want(t, 202)
		if got := d.get(t, sourcePath(d.id)+"/credentials").object(t)["previous"]; got != nil {
			t.Errorf("previous is %v", got)
		}
	})
	t.Run("an Idempotency-Key is free after a day", func(t *testing.T) {
		p := s.newUser(t, "User")
		key := with{"Idempotency-Key", "daily"}
		made := p.post(t, "/api/powergroups", object{"name": "x"}, key)
		s.site.Advance(23 * time.Hour)
		if again := p.post(t, "/api/powergroups", object{"name": "x"}, key); again.text(t, "id") != made.text(t, "id") {
			t.Error("the answer was forgotten after 23 hours")
		}
		s.site.Advance(2 * time.Hour)
		if anew := p.post(t, "/api/powergroups", object{"name": "x"}, key); anew.text(t, "id") == made.text(t, "id") {
			t.Error("the answer is remembered after 25 hours")
		}
	})
}
