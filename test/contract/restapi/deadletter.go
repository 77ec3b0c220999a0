package restapi

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

func lettersPath(source string) string { return sourcePath(source) + "/dead-letters" }

// letters are a source's dead letters, once there are so many of them.
func (d device) letters(t *testing.T, want int) []object {
	t.Helper()
	var found []object
	eventually(t, fmt.Sprintf("%d dead letters", want), func() bool {
		got := d.get(t, lettersPath(d.id)+"?limit=100")
		got.want(t, 200)
		found = objects(t, got.object(t)["deadLetters"])
		return len(found) >= want
	})
	if len(found) != want {
		t.Fatalf("there are %d dead letters, want %d: %v", len(found), want, found)
	}
	return found
}

// readings are a source's readings, once there are so many of them.
func (d device) readings(t *testing.T, want int) []object {
	t.Helper()
	var found []object
	eventually(t, fmt.Sprintf("%d readings found", want), func() bool {
		found = objects(t, d.get(t, sourcePath(d.id)+"/telemetry").object(t)["readings"])
		return len(found) >= want
	})
	if len(found) != want {
		t.Fatalf("the readings are %v, want %d", found, want)
	}
	return found
}

// newLetter makes a source with one dead letter.
func (p *person) newLetter(t *testing.T) (source, letter string) {
	t.Helper()
	id := p.newSource(t, "Webhook")
	d := device{p, id, sprint(p.details(t, id)["webhookSecret"])}
	d.send(t, "{").want(t, 400)
	return id, sprint(d.letters(t, 1)[0]["id"])
}

func (s *suite) deadLetters(t *testing.T) {
	t.Run("a letter has every field", s.wholeLetter)
	t.Run("pages", s.letterPages)
	t.Run("letters are deleted one by one and all at once", s.lettersGo)
	t.Run("what still can't be read stays", s.vainReplay)
	t.Run("what can be read now is stored once", s.replay)
}

const letterNames = "id receivedAt origin topic kind reason size truncated notReplayable encoding payload"

func (s *suite) wholeLetter(t *testing.T) {
	d := s.newDevice(t)
	if got := d.get(t, lettersPath(d.id)); string(got.body) != `{"deadLetters":[],"nextCursor":null}` {
		t.Errorf("without letters the list is %s", got.body)
	}
	marker := s.secret(s.name("payload that is not logged"))
	texts := []string{
		`{"acPowerWatts":1,"note":"` + marker + `"`, "\xff\x00", `{"note":"` + strings.Repeat("é", 40_000) + `"`,
		`[{"timestamp":"1970-01-01T00:00:00Z","acPowerWatts":1},{"timestamp":"2026-01-01T00:00:00Z","acPowerWatts":1}]`,
	}
	for i, text := range texts {
		d.send(t, text)
		d.letters(t, i+1)
		s.tick()
	}
	found := d.letters(t, 4)
	partly, long, binary, first := found[0], found[1], found[2], found[3]
	for i, want := range []object{
		{"payload": texts[3], "encoding": "utf-8", "kind": "refused", "size": float64(len(texts[3])), "truncated": false, "notReplayable": nil},
		{"payload": texts[2][:65_535], "encoding": "utf-8", "kind": "malformed", "size": float64(len(texts[2])), "truncated": true},
		{"payload": base64.StdEncoding.EncodeToString([]byte(texts[1])), "encoding": "base64", "kind": "malformed", "size": 2.0},
		{"payload": texts[0], "encoding": "utf-8", "kind": "malformed", "size": float64(len(texts[0])), "truncated": false, "notReplayable": nil},
	} {
		for name, value := range want {
			if found[i][name] != value {
				t.Errorf("letter %d: %s is %.100v, want %.100v", i, name, found[i][name], value)
			}
		}
		if !uuidForm.MatchString(sprint(found[i]["id"])) || !likeTime(found[i]["receivedAt"]) || found[i]["origin"] != "webhook" ||
			found[i]["topic"] != "/api/webhook/sunsource/"+d.id {
			t.Errorf("letter %d: id, receivedAt, origin or topic is wrong: %.300v", i, found[i])
		}
	}
	if reason := sprint(first["reason"]); !strings.Contains(reason, fmt.Sprint("byte ", len(texts[0]))) {
		t.Errorf("the reason %q does not name the byte %d", reason, len(texts[0]))
	}
	if reason := sprint(partly["reason"]); !strings.Contains(reason, "reading 0") {
		t.Errorf("the reason %q does not name the reading", reason)
	}
	one := d.get(t, lettersPath(d.id)+"/"+sprint(first["id"]))
	one.want(t, 200)
	if list := strings.Join(names(t, one.body), " "); list != letterNames || one.object(t)["payload"] != texts[0] {
		t.Errorf("one letter is %s, its names %s", one.body, list)
	}
	refused := d.post(t, lettersPath(d.id)+"/"+sprint(long["id"])+"/replay", nil)
	refused.want(t, 409)
	if detail := refused.text(t, "detail"); detail != long["notReplayable"] || !strings.Contains(detail, "65536") {
		t.Errorf("a cut letter is refused with %q, and says %v itself", detail, long["notReplayable"])
	}
	other := s.newDevice(t)
	d.get(t, lettersPath(other.id)).want(t, 404)
	other.get(t, lettersPath(other.id)+"/"+sprint(binary["id"])).want(t, 404)
	other.del(t, lettersPath(other.id)+"/"+sprint(binary["id"])).want(t, 404)
	other.post(t, lettersPath(other.id)+"/"+sprint(binary["id"])+"/replay", nil).want(t, 404)
}

func (s *suite) letterPages(t *testing.T) {
	d := s.newDevice(t)
	for i := range 25 {
		d.send(t, fmt.Sprintf("{%d", i)).want(t, 400)
		s.tick()
	}
	all := d.letters(t, 25)
	for _, limit := range []int{1, 7, 25, 26} {
		seen, cursor := 0, ""
		for pages := 0; pages <= 26; pages++ {
			got := d.get(t, fmt.Sprintf("%s?limit=%d%s", lettersPath(d.id), limit, cursor))
			got.want(t, 200)
			for _, l := range objects(t, got.object(t)["deadLetters"]) {
				if seen >= len(all) || l["id"] != all[seen]["id"] {
					t.Fatalf("limit %d: letter %d is %v", limit, seen, l)
				}
				seen++
			}
			next := got.object(t)["nextCursor"]
			if next == nil {
				break
			}
			cursor = "&cursor=" + url.QueryEscape(sprint(next))
		}
		if seen != 25 {
			t.Errorf("limit %d: %d letters in all, want 25", limit, seen)
		}
	}
	if got := d.get(t, lettersPath(d.id)); len(objects(t, got.object(t)["deadLetters"])) != 20 {
		t.Errorf("without a limit there are %d letters, want 20", len(objects(t, got.object(t)["deadLetters"])))
	}
	for field, bad := range map[string][]string{"limit": {"0", "101", "x", "-1", ""}, "cursor": {"x", "AAAA", "%00", strings.Repeat("x", 500)}} {
		for _, value := range bad {
			d.get(t, lettersPath(d.id)+"?"+field+"="+value).wantErrors(t, field)
		}
	}
	d.get(t, lettersPath(d.id)+"?limit=0&cursor=a").wantErrors(t, "limit", "cursor")
}

func (s *suite) lettersGo(t *testing.T) {
	d := s.newDevice(t)
	for i := range 3 {
		d.send(t, "{").want(t, 400)
		d.letters(t, i+1)
		s.tick()
	}
	path := lettersPath(d.id) + "/" + sprint(d.letters(t, 3)[1]["id"])
	d.del(t, path).want(t, 204)
	d.del(t, path).want(t, 404)
	d.get(t, path).want(t, 404)
	d.post(t, path+"/replay", nil).want(t, 404)
	d.letters(t, 2)
	d.del(t, lettersPath(d.id)).want(t, 204)
	d.del(t, lettersPath(d.id)).want(t, 204)
	d.letters(t, 0)
	d.send(t, "{").want(t, 400)
	d.letters(t, 1)
	d.del(t, sourcePath(d.id)).want(t, 204)
	d.get(t, lettersPath(d.id)).want(t, 404)
}

func (s *suite) vainReplay(t *testing.T) {
	d := s.newDevice(t)
	d.send(t, "{").want(t, 400)
	d.send(t, `{"note":"`+strings.Repeat("x", 1<<17)+`"`).want(t, 400)
	d.letters(t, 2)
	d.send(t, `[{"timestamp":"1970-01-01T00:00:00Z","acPowerWatts":1},{"timestamp":"2026-01-01T00:00:00Z","acPowerWatts":7}]`).want(t, 202)
	before := d.letters(t, 3)
	for range 2 {
		got := d.post(t, lettersPath(d.id)+"/replay", nil)
		if got.status != 200 || string(got.body) != `{"replayed":2,"accepted":1,"rejected":2,"remaining":3}` {
			t.Errorf("the replay of all is %d %s", got.status, got.body)
		}
	}
	for i, l := range d.letters(t, 3) {
		if l["id"] != before[i]["id"] || l["reason"] != before[i]["reason"] || l["receivedAt"] != before[i]["receivedAt"] {
			t.Errorf("letter %d became %v", i, l)
		}
	}
	if found := d.readings(t, 1); found[0]["acPowerWatts"] != 7.0 {
		t.Errorf("after two replays the readings are %v", found)
	}
}

// replay needs letters that can be read, as after an upgrade: only who knows the
// store can put them.
func (s *suite) replay(t *testing.T) {
	if s.site.PutLetter == nil {
		t.Skip("this site's store can't be reached from here")
	}
	d := s.newDevice(t)
	received, signed := s.now().Add(-time.Hour).Truncate(time.Millisecond), s.now().Add(-2*time.Hour).Truncate(time.Second)
	put := func(text string, at, signed time.Time) { s.site.PutLetter(t, d.id, []byte(text), at, signed) }
	put(`{"timestamp":"2026-01-01T00:00:00Z","acPowerWatts":1}`, received, time.Time{})
	put(`{"acPowerWatts":2}`, received, time.Time{})
	put(`{"acPowerWatts":3}`, received.Add(time.Second), signed)
	put(`{`, received.Add(2*time.Second), time.Time{})
	all := d.letters(t, 4)
	one := lettersPath(d.id) + "/" + sprint(all[1]["id"]) + "/replay"
	key := with{"Idempotency-Key", "replay once"}
	for range 2 {
		if got := d.post(t, one, nil, key); got.status != 200 || string(got.body) != `{"replayed":1,"accepted":1,"rejected":0,"remaining":3}` {
			t.Errorf("the replay of one is %d %s", got.status, got.body)
		}
	}
	d.post(t, one, nil).want(t, 404)
	put(`{"acPowerWatts":3}`, received.Add(time.Second), signed) // came twice
	if got := d.post(t, lettersPath(d.id)+"/replay", nil); string(got.body) != `{"replayed":4,"accepted":3,"rejected":1,"remaining":1}` {
		t.Errorf("the replay of all is %d %s", got.status, got.body)
	}
	if left := d.letters(t, 1); !strings.Contains(sprint(left[0]["reason"]), "byte 1") {
		t.Errorf("what stays has the reason %v, want that of now", left[0]["reason"])
	}
	found := d.readings(t, 3)
	for i, want := range []time.Time{received, signed, time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)} {
		at, err := time.Parse(time.RFC3339, sprint(found[i]["timestamp"]))
		if err != nil || !at.Equal(want) {
			t.Errorf("reading %d is of %v, want %s", i, found[i]["timestamp"], want)
		}
	}
	if at, err := time.Parse(time.RFC3339, sprint(found[0]["receivedAt"])); err != nil || !at.Equal(received) {
		t.Errorf("it was received at %v, want %s", found[0]["receivedAt"], received)
	}
}
