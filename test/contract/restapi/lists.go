package restapi

import (
	"net/url"
	"regexp"
	"testing"
	"time"
)

// lists tries the paging of lists that are bare arrays.
func (s *suite) lists(t *testing.T) {
	p := s.newUser(t, "User")
	group := p.newGroup(t, "All")
	priced, from := p.newSource(t, "MQTT"), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, list := range []struct {
		path string
		make func() string
	}{
		{"/api/sunsources", func() string { return p.newSource(t, "MQTT") }},
		{"/api/sunsources?powerGroupId=" + group, func() string { return p.newSource(t, "Webhook", object{"powerGroupId": group}) }},
		{"/api/powergroups", func() string { return p.newGroup(t, s.name("Group")) }},
		{pricesPath(priced), func() string {
			from = from.Add(time.Hour)
			return p.addPrice(t, priced, from.Format(time.RFC3339), "0.3")
		}},
	} {
		t.Run(list.path, func(t *testing.T) {
			for range 5 {
				list.make()
			}
			s.pages(t, p, list.path)
		})
	}
	t.Run("an empty list is an empty array", func(t *testing.T) {
		nobody := s.newUser(t, "User")
		for _, path := range []string{"/api/sunsources", "/api/sunsources?limit=1", "/api/powergroups", "/api/auth/tokens"} {
			got := nobody.get(t, path)
			if string(got.body) != "[]" || got.header.Get("Link") != "" {
				t.Errorf("%s is %s with Link %q", path, got.body, got.header.Get("Link"))
			}
		}
	})
	for _, path := range []string{"/api/sunsources", "/api/powergroups", pricesPath(priced)} {
		for name, wrong := range map[string][]string{
			"limit":  {"0", "-1", "1001", "ten", "", "1.5", "99999999999999999999"},
			"cursor": {"x", "", unknownID, "00000000-0000-0000-0000-000000000000"},
		} {
			for _, value := range wrong {
				p.get(t, path+"?"+name+"="+value).wantErrors(t, name)
			}
		}
		p.get(t, path+"?limit=1&limit=2").wantErrors(t, "limit")
		p.get(t, path+"?limit=0&cursor=x").wantErrors(t, "limit", "cursor")
		p.get(t, path+"?limit=1000&sort=name&x").want(t, 200)
	}
	for _, wrong := range []string{"x", "", exampleGroup[:35], "{" + exampleGroup + "}", "null"} {
		p.get(t, "/api/sunsources?powerGroupId="+url.QueryEscape(wrong)).wantErrors(t, "powerGroupId")
	}
	t.Run("another's list is another", func(t *testing.T) {
		other := s.newUser(t, "User")
		got := p.get(t, "/api/sunsources?limit=1")
		got.want(t, 200)
		next := linkForm.FindStringSubmatch(got.header.Get("Link"))
		if next == nil {
			t.Fatalf("Link is %q", got.header.Get("Link"))
		}
		other.get(t, next[1]).wantErrors(t, "cursor")
	})
}

var linkForm = regexp.MustCompile(`^<(/[^>]+)>; rel="next"$`)

// pages reads a list whole and page by page, which must be the same.
func (s *suite) pages(t *testing.T, p *person, path string) {
	t.Helper()
	whole := p.get(t, path)
	whole.want(t, 200)
	if link := whole.header.Get("Link"); link != "" {
		t.Errorf("the whole list has Link %q", link)
	}
	var want []any
	for _, one := range whole.list(t) {
		want = append(want, one["id"])
	}
	if len(want) < 5 {
		t.Fatalf("the list has %d entries", len(want))
	}
	separator := "?"
	if regexp.MustCompile(`\?`).MatchString(path) {
		separator = "&"
	}
	for _, limit := range []string{"1", "2", "5"} {
		var got []any
		for next := path + separator + "limit=" + limit; next != ""; {
			page := p.get(t, next)
			page.want(t, 200)
			for _, one := range page.list(t) {
				got = append(got, one["id"])
			}
			next = ""
			if link := page.header.Get("Link"); link != "" {
				found := linkForm.FindStringSubmatch(link)
				if found == nil {
					t.Fatalf("Link is %q", link)
				}
				next = found[1]
			}
			if len(got) > len(want) {
				t.Fatalf("the pages of %s do not end", limit)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("pages of %s give %d entries, want %d", limit, len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("pages of %s: entry %d is %v, want %v", limit, i, got[i], want[i])
			}
		}
	}
}
