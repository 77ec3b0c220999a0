package restapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	health "ampra/core/device"
)

// deviceStates tries the states of devices, and the lists that go by them.
func (s *suite) deviceStates(t *testing.T) {
	t.Run("of a device that was never heard nothing is known", s.neverHeard)
	t.Run("lists are searched, narrowed, sorted and paged", s.fleet)
	t.Run("wrong parameters are named", s.wrongSearches)
	if s.site.Hear == nil || s.site.Knock == nil {
		return
	}
	t.Run("a device that is heard has a state and a history", s.wasHeard)
	t.Run("an overview sums up what is online", s.overview)
	t.Run("attempts are shown to their owner, the newest first", s.attempts)
}

func (s *suite) neverHeard(t *testing.T) {
	p := s.newUser(t, "User")
	id := p.newSource(t, "MQTT")
	status := p.get(t, "/api/sunsources/"+id+"/status")
	status.want(t, 200)
	if want := `{"state":"unknown","since":null,"lastSeenAt":null,"rhythmSeconds":null,"changes":[],"nextCursor":null}`; string(status.body) != want {
		t.Errorf("the status is %s", status.body)
	}
	if got := p.get(t, "/api/sunsources/"+id+"/attempts"); string(got.body) != `{"attempts":[]}` {
		t.Errorf("the attempts are %s", got.body)
	}
	with, without := p.get(t, "/api/sunsources/"+id+"?include=state").object(t), p.get(t, "/api/sunsources/"+id).object(t)
	for name, want := range map[string]any{"state": "unknown", "stateSince": nil, "lastSeenAt": nil} {
		if got, ok := with[name]; !ok || got != want {
			t.Errorf("%s is %v", name, got)
		}
		delete(with, name)
	}
	if !slices.Equal(slices.Sorted(maps.Keys(with)), slices.Sorted(maps.Keys(without))) {
		t.Errorf("beside its state it is %v, want %v", with, without)
	}
	if revealed := p.get(t, "/api/sunsources/"+id+"?include=state&includeConnectionDetails=true"); revealed.object(t)["connectionDetails"] == nil ||
		revealed.header.Get("Cache-Control") != "no-store" {
		t.Errorf("with its details it is %s", revealed.body)
	}
}

func (s *suite) wasHeard(t *testing.T) {
	p := s.newUser(t, "User")
	id := p.newSource(t, "MQTT")
	at := s.now().UTC().Truncate(time.Millisecond)
	s.site.Hear(t, id, at, nil)
	status := p.get(t, "/api/sunsources/"+id+"/status").object(t)
	for name, want := range map[string]any{"state": "online", "rhythmSeconds": 60.0, "nextCursor": nil} {
		if status[name] != want {
			t.Errorf("%s is %v, want %v", name, status[name], want)
		}
	}
	if seen, err := time.Parse(time.RFC3339, sprint(status["lastSeenAt"])); err != nil || !seen.Equal(at) {
		t.Errorf("it was seen at %v, want %v", status["lastSeenAt"], at)
	}
	changes, _ := status["changes"].([]any)
	if len(changes) != 1 {
		t.Fatalf("the changes are %v", changes)
	}
	if c, _ := changes[0].(object); c["state"] != "online" || c["until"] != nil || c["since"] != status["since"] {
		t.Errorf("the change is %v", c)
	}
	past := p.get(t, "/api/sunsources/"+id+"/status?to="+at.Add(-time.Hour).Format(time.RFC3339)).object(t)
	if changes, _ := past["changes"].([]any); len(changes) != 0 {
		t.Errorf("before it was heard: %v", changes)
	}
	listed := p.get(t, "/api/sunsources?include=state&state=online,late").list(t)
	if len(listed) != 1 || listed[0]["state"] != "online" || listed[0]["lastSeenAt"] != status["lastSeenAt"] {
		t.Errorf("listed is %v", listed)
	}
}

// names of a list's sources, in order.
func (a *answer) names(t *testing.T) string {
	t.Helper()
	var list []string
	for _, one := range a.list(t) {
		list = append(list, fmt.Sprint(one["name"]))
	}
	return strings.Join(list, " ")
}

func (s *suite) fleet(t *testing.T) {
	p := s.newUser(t, "User")
	group := p.newGroup(t, "South")
	for _, one := range []object{
		{"name": "Äpfel", "installedCapacityWatts": 300, "powerGroupId": group},
		{"name": "birnen", "description": "am Südhang"},
		{"name": "Čerešne", "installedCapacityWatts": 100},
		{"name": "Zwetschgen", "installedCapacityWatts": 200, "powerGroupId": group},
	} {
		if s.site.Advance != nil {
			s.site.Advance(time.Second) // or all are of one moment
		}
		p.newSource(t, "MQTT", one)
	}
	for query, want := range map[string]string{
		"sort=name":                           "Äpfel birnen Čerešne Zwetschgen",
		"sort=-name":                          "Zwetschgen Čerešne birnen Äpfel",
		"sort=createdAt":                      "Äpfel birnen Čerešne Zwetschgen",
		"sort=-createdAt":                     "Zwetschgen Čerešne birnen Äpfel",
		"sort=capacity":                       "birnen Čerešne Zwetschgen Äpfel",
		"sort=-capacity":                      "Äpfel Zwetschgen Čerešne birnen",
		"q=CERESNE":                           "Čerešne",
		"q=s%C3%BCdhang":                      "birnen",
		"q=sunsource_":                        "",
		"q=e&sort=-name":                      "Zwetschgen Čerešne birnen Äpfel",
		"q=":                                  "Äpfel birnen Čerešne Zwetschgen",
		"state=unknown&sort=name":             "Äpfel birnen Čerešne Zwetschgen",
		"state=online":                        "",
		"sort=-name&powerGroupId=" + group:    "Zwetschgen Äpfel",
		"sort=name&powerGroupId=" + unknownID: "",
	} {
		if got := p.get(t, "/api/sunsources?"+query).names(t); got != want {
			t.Errorf("%s gives %s, want %s", query, got, want)
		}
	}
	for range 4 {
		p.newSource(t, "Webhook", object{"name": "Äpfel"})
	}
	for _, sort := range []string{"name", "-name", "createdAt", "-createdAt", "lastSeenAt", "-lastSeenAt", "state", "-state", "capacity", "-capacity"} {
		s.pages(t, p, "/api/sunsources?include=state&sort="+sort)
	}
	s.pages(t, p, "/api/sunsources?q=e&state=unknown,online&sort=-capacity")
	plain, sorted := p.get(t, "/api/sunsources"), p.get(t, "/api/sunsources?sort=createdAt")
	if string(plain.body) != string(sorted.body) {
		t.Errorf("by creation the list is\n%s, want\n%s", sorted.body, plain.body)
	}
	// A cursor belongs to its order, and to no other.
	link := linkForm.FindStringSubmatch(p.get(t, "/api/sunsources?sort=name&limit=1").header.Get("Link"))
	if link == nil {
		t.Fatal("there is no next page")
	}
	p.get(t, strings.Replace(link[1], "sort=name", "sort=-name", 1)).wantErrors(t, "cursor")
	p.get(t, strings.Replace(link[1], "sort=name", "sort=state", 1)).wantErrors(t, "cursor")
}

func (s *suite) wrongSearches(t *testing.T) {
	p := s.newUser(t, "User")
	id := p.newSource(t, "MQTT")
	for query, field := range map[string]string{
		"sort=": "sort", "sort=x": "sort", "sort=--name": "sort", "sort=Name": "sort", "state=": "state", "state=online,": "state", "state=Online": "state",
		"include=": "include", "include=x": "include", "q=" + strings.Repeat("x", 201): "q", "sort=name&cursor=" + unknownID: "cursor", "sort=name&cursor=": "cursor",
		"sort=name&limit=0": "limit", "sort=name&sort=name": "sort", "q=x&powerGroupId=x": "powerGroupId",
	} {
		p.get(t, "/api/sunsources?"+query).wantErrors(t, field)
	}
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=1001": "limit", "from=x": "from", "to=yesterday": "to", "cursor=x": "cursor", "cursor=-1": "cursor",
	} {
		p.get(t, "/api/sunsources/"+id+"/status?"+query).wantErrors(t, field)
	}
	p.get(t, "/api/sunsources/"+id+"?include=x").wantErrors(t, "include")
	p.get(t, "/api/overview?timeZone=Nowhere").wantErrors(t, "timeZone")
}

func (s *suite) overview(t *testing.T) {
	p := s.newUser(t, "User")
	none := p.get(t, "/api/overview")
	none.want(t, 200)
	got := none.object(t)
	now, told := got["now"].(object)
	if power, named := now["solarPowerWatts"]; !told || !named || power != nil || got["sources"] != 0.0 || sprint(got["silent"]) != "[]" {
		t.Errorf("of nothing it is %s", none.body)
	}
	one, two := p.newSource(t, "MQTT"), p.newSource(t, "MQTT")
	p.newSource(t, "MQTT")
	s.site.Hear(t, one, s.now(), new(1500.5))
	s.site.Hear(t, two, s.now(), new(500.0))
	got = p.get(t, "/api/overview").object(t)
	states, _ := got["states"].(object)
	now, _ = got["now"].(object)
	solar, _ := now["solarPowerWatts"].(object)
	if got["sources"] != 3.0 || states["online"] != 2.0 || states["unknown"] != 1.0 || solar["value"] != 2000.5 || solar["sources"] != 2.0 || now["gridPowerWatts"] != nil {
		t.Errorf("it is %v", got)
	}
	if today, _ := got["today"].(object); today["start"] == nil || today["productionKwh"] != nil {
		t.Errorf("today is %v", got["today"])
	}
}

func (s *suite) attempts(t *testing.T) {
	p := s.newUser(t, "User")
	id := p.newSource(t, "Webhook")
	for i := range 25 {
		s.site.Knock(health.Attempt{
			SourceID: uuid.MustParse(id), At: s.now().Add(time.Duration(i) * time.Second), Transport: "webhook", Remote: "192.0.2.7",
			Reason: health.BadSignature, Detail: strings.Repeat("i", i),
		})
	}
	got := p.get(t, "/api/sunsources/"+id+"/attempts").object(t)
	list, _ := got["attempts"].([]any)
	if len(list) != 20 {
		t.Fatalf("%d attempts are shown", len(list))
	}
	for i, one := range list {
		if a, _ := one.(object); a["detail"] != strings.Repeat("i", 24-i) || a["remote"] != "192.0.2.7" || a["reason"] != "badSignature" || a["transport"] != "webhook" {
			t.Errorf("attempt %d is %v", i, a)
		}
	}
}
