package restapi

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// firstAccount needs sites of its own: each has one first account only.
func firstAccount(t *testing.T, open Open) {
	s := &suite{site: open(t)}
	s.document = loadDocument(t, s.site.URL)
	first := object{"email": "First@Example.org", "password": s.secret("First-Passw0rd"), "firstName": "Ada", "lastName": nil}
	for _, header := range []with{
		{"X-Forwarded-For", "127.0.0.1"},
		{"X-Forwarded-Host", "localhost"},
		{"Forwarded", "for=127.0.0.1"},
		{"X-Real-IP", "127.0.0.1"},
		{"Via", "1.1 proxy"},
		{"x-forwarded-anything", "x"},
	} {
		s.anonymous().post(t, "/api/auth/register", first, header).want(t, 403)
	}
	forged := object{"email": "first@example.org", "password": s.secret("First-Passw0rd"), "setupToken": s.secret("setup_forged")}
	s.anonymous().post(t, "/api/auth/register", forged, with{"X-Forwarded-For", "192.0.2.1"}).want(t, 403)
	rebound := []with{{"Origin", "http://ampra.attacker.example"}, {"Host", "ampra.attacker.example"}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.site.URL+"/api/auth/register",
		strings.NewReader(`{"email":"thief@example.org","password":"Thief-Passw0rd"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = rebound[1].value
	request.Header.Set("Origin", rebound[0].value)
	request.Header.Set("Content-Type", "application/json")
	if got := s.send(t, request); got.status != 403 {
		t.Errorf("a page whose name was bound to this machine makes the first account: %d", got.status)
	}
	s.anonymous().post(t, "/api/auth/register", object{"email": "first@example.org", "password": "weak", "firstName": strings.Repeat("x", 101)}).
		wantErrors(t, "password", "firstName")

	got := s.anonymous().post(t, "/api/auth/register", first)
	got.want(t, 201)
	user := got.object(t)
	if user["email"] != "first@example.org" || user["role"] != "Overseer" || user["firstName"] != "Ada" || user["lastName"] != nil ||
		!likeID(user["id"]) || !likeTime(user["createdAt"]) {
		t.Errorf("the first account is %s", got.body)
	}
	p := s.anonymous()
	p.signedIn(t, got)
	if me := p.get(t, "/api/auth/me"); string(me.body) != string(got.body) {
		t.Errorf("me is %s, want %s", me.body, got.body)
	}
	s.checkCookie(t, got)
	s.anonymous().post(t, "/api/auth/register", object{"email": "second@example.org", "password": s.secret("Second-Passw0rd")}).want(t, 403)
}

// checkCookie looks at the session's cookie of an answer.
func (s *suite) checkCookie(t *testing.T, got *answer) {
	t.Helper()
	c := got.cookie(t)
	https := strings.HasPrefix(s.site.PublicURL, "https:")
	name := "ampra"
	if https {
		name = "__Host-ampra"
	}
	if c.Name != name || !c.HttpOnly || c.Secure != https || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("the cookie is %s, of %s", got.header.Get("Set-Cookie"), s.site.PublicURL)
	}
	if c.MaxAge != int((7 * 24 * time.Hour).Seconds()) {
		t.Errorf("the cookie lives %d s, want 7 days", c.MaxAge)
	}
	if cache := got.header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("Cache-Control of a sign-in is %q", cache)
	}
}

func (s *suite) accounts(t *testing.T) {
	t.Run("sign in and out", s.signInAndOut)
	t.Run("five failures lock an e-mail, known or not", s.lock)
	t.Run("a new password ends the other sessions", s.password)
	t.Run("an Admin makes accounts", s.users)
	t.Run("fields of a registration", func(t *testing.T) {
		for body, fields := range map[string][]string{
			`{}`:                                     {"email", "password"},
			`{"email":5,"password":null}`:            {"email", "password"},
			`{"email":"a@b.example","Password":"x"}`: {"Password", "password"},
		} {
			s.anonymous().post(t, "/api/auth/login", body).wantErrors(t, fields...)
		}
	})
}

func (s *suite) signInAndOut(t *testing.T) {
	p := s.newUser(t, "User")
	got := s.anonymous().post(t, "/api/auth/login", object{"email": "  " + strings.ToUpper(p.email) + " ", "password": p.password})
	got.want(t, 200)
	s.checkCookie(t, got)
	if names := names(t, got.body); strings.Join(names, " ") != "id email firstName lastName role createdAt" {
		t.Errorf("a user has %v", names)
	}
	second := &person{suite: s}
	second.signedIn(t, got)
	p.get(t, "/api/auth/me").want(t, 200)
	second.get(t, "/api/auth/me").want(t, 200)

	out := second.post(t, "/api/auth/logout", nil)
	out.want(t, 204)
	if c := out.cookie(t); c.MaxAge >= 0 || c.Value != "" {
		t.Errorf("signing out sets the cookie %v", c)
	}
	second.get(t, "/api/auth/me").want(t, 401)
	second.post(t, "/api/auth/logout", nil).want(t, 204)
	p.get(t, "/api/auth/me").want(t, 200)

	for _, cookie := range []string{"ampra=", "ampra=x", "other=1", "ampra=" + strings.Repeat("x", 3000)} {
		(&person{suite: s, cookie: cookie}).get(t, "/api/auth/me").want(t, 401)
	}
	_, value, _ := strings.Cut(p.cookie, "=")
	(&person{suite: s, token: value}).get(t, "/api/auth/me").want(t, 401)
	p.get(t, "/api/auth/me", with{"Authorization", "Basic eDp5"}).want(t, 200)
	if got := s.anonymous().get(t, "/api/auth/me"); got.header.Get("WWW-Authenticate") == "" {
		t.Error("401 has no WWW-Authenticate")
	}
	wrong := s.anonymous().post(t, "/api/auth/login", object{"email": p.email, "password": s.secret("Wr0ng-password-1")})
	unknown := s.anonymous().post(t, "/api/auth/login", object{"email": "x" + p.email, "password": s.secret("Wr0ng-password-2")})
	if wrong.status != 401 || unknown.status != 401 || wrong.text(t, "detail") != unknown.text(t, "detail") {
		t.Errorf("a wrong password is %d %s, an unknown e-mail %d %s", wrong.status, wrong.body, unknown.status, unknown.body)
	}
}

func (s *suite) lock(t *testing.T) {
	known := s.newUser(t, "User")
	unknown := &person{suite: s, email: "nobody-at-all@example.org", password: s.secret("Passw0rd-of-nobody")}
	for _, p := range []*person{known, unknown} {
		for range 5 {
			s.anonymous().post(t, "/api/auth/login", object{"email": p.email, "password": "Wr0ng-password"}).want(t, 401)
		}
		got := s.anonymous().post(t, "/api/auth/login", object{"email": p.email, "password": p.password})
		got.want(t, 429)
		if after := got.header.Get("Retry-After"); after == "" || len(after) > 3 {
			t.Errorf("Retry-After is %q", after)
		}
	}
	known.get(t, "/api/auth/me").want(t, 200)
	if s.site.Advance != nil {
		s.site.Advance(5*time.Minute + time.Second)
		known.login(t)
	}
}

func (s *suite) password(t *testing.T) {
	p := s.newUser(t, "User")
	other := &person{suite: s, email: p.email, password: p.password}
	other.login(t)
	next := s.secret("Next-Passw0rd-" + s.name(""))
	p.put(t, "/api/auth/password", object{"currentPassword": "Wr0ng-password", "newPassword": next}).wantErrors(t, "currentPassword")
	for _, weak := range []string{"Sh0rt", "alllower1", "ALLUPPER1", "NoDigitsHere", strings.Repeat("aA1", 90), ""} {
		p.put(t, "/api/auth/password", object{"currentPassword": p.password, "newPassword": weak}).wantErrors(t, "newPassword")
	}
	other.get(t, "/api/auth/me").want(t, 200)
	p.put(t, "/api/auth/password", object{"currentPassword": p.password, "newPassword": next}).want(t, 204)
	p.get(t, "/api/auth/me").want(t, 200)
	other.get(t, "/api/auth/me").want(t, 401)
	s.anonymous().post(t, "/api/auth/login", object{"email": p.email, "password": p.password}).want(t, 401)
	p.password = next
	p.login(t)
}

func (s *suite) users(t *testing.T) {
	admin := s.newUser(t, "Admin")
	body := func(email, role string) object {
		return object{"email": email, "password": s.secret("Made-Passw0rd"), "role": role}
	}
	got := admin.post(t, "/api/users", body("Made-By-Admin@example.org", "Admin"))
	got.want(t, 201)
	if user := got.object(t); user["email"] != "made-by-admin@example.org" || user["role"] != "Admin" {
		t.Errorf("the account is %s", got.body)
	}
	if got.header.Get("Set-Cookie") != "" {
		t.Error("making an account for another signs in")
	}
	admin.post(t, "/api/users", body("made-by-admin@example.org", "User")).want(t, 409)
	admin.post(t, "/api/users", body("higher@example.org", "Overseer")).want(t, 403)
	admin.post(t, "/api/users", body("x@example.org", "user")).wantErrors(t, "role")
	for _, email := range []string{"", "x", "@example.org", "x@", "a b@example.org", "a@b@c", strings.Repeat("x", 250) + "@example.org"} {
		admin.post(t, "/api/users", body(email, "User")).wantErrors(t, "email")
	}
}
