package restapi

import (
	"net/url"
	"strings"
	"testing"

	"ampra/adapters/httpapi"
)

// origins tries what pages of other origins can make a browser send.
func (s *suite) origins(t *testing.T) {
	base, err := url.Parse(s.site.URL)
	if err != nil {
		t.Fatal(err)
	}
	owner := s.newUser(t, "User")
	c := cast{suite: s, priced: map[string]string{}, owner: owner}
	for _, r := range httpapi.Routes() {
		if r.Scope != httpapi.Write || strings.HasPrefix(r.Path, "/api/webhook/") {
			continue
		}
		t.Run(r.Method+" "+r.Path, func(t *testing.T) {
			for name, headers := range map[string][]with{
				"from another site":              {{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://elsewhere.example"}},
				"from a sibling":                 {{"Sec-Fetch-Site", "same-site"}},
				"from another site, old":         {{"Origin", "https://elsewhere.example"}},
				"from another port":              {{"Origin", "http://" + base.Hostname() + ":1"}},
				"from nowhere":                   {{"Origin", "null"}},
				"with an unknown Sec-Fetch-Site": {{"Sec-Fetch-Site", "who-knows"}},
			} {
				path, body := c.request(t, r)
				if got := owner.do(t, r.Method, path, body, headers...); got.status != 403 {
					t.Errorf("%s: %d, want 403: %s", name, got.status, got.body)
				}
				c.notReached(t, r, owner, &answer{status: 403, path: path})
			}
		})
	}
	t.Run("pages of our own pass", func(t *testing.T) {
		for _, headers := range [][]with{
			{{"Sec-Fetch-Site", "same-origin"}, {"Origin", s.site.URL}},
			{{"Sec-Fetch-Site", "none"}},
			{{"Origin", s.site.URL}},
			{{"Origin", s.site.PublicURL}},
			{{"Sec-Fetch-Site", "same-origin"}, {"Origin", "https://proxied.example"}},
		} {
			owner.post(t, "/api/powergroups", object{"name": "Ours"}, headers...).want(t, 201)
		}
		owner.get(t, "/api/sunsources", with{"Sec-Fetch-Site", "cross-site"}, with{"Origin", "https://elsewhere.example"}).want(t, 200)
	})
	t.Run("no other origin may read an answer", func(t *testing.T) {
		got := owner.get(t, "/api/sunsources", with{"Origin", "https://elsewhere.example"})
		for name := range got.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("the answer has %s: %s", name, got.header.Get(name))
			}
		}
		if got.header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("Cross-Origin-Resource-Policy is %q", got.header.Get("Cross-Origin-Resource-Policy"))
		}
	})
}
