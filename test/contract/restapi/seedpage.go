package restapi

import (
	"embed"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// examples are the requests and answers that the API's page shows.
//
//go:embed testdata
var examples embed.FS

func example(t *testing.T, name string) []byte {
	t.Helper()
	text, err := examples.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Ids of the examples, which a test replaces by those that it has.
const (
	exampleGroup  = "550e8400-e29b-41d4-a716-446655440000"
	exampleSource = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
)

// wantExample compares a JSON object with one of the page's: the same names in the
// same order, and the same values; drawn are the names whose values the server
// draws, checked by the function.
func wantExample(t *testing.T, got, want []byte, drawn map[string]func(any) bool) {
	t.Helper()
	if g, w := names(t, got), names(t, want); !slices.Equal(g, w) {
		t.Errorf("the names are\n%v, want\n%v", g, w)
	}
	var g, w object
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if fits := drawn[name]; fits != nil {
			if !fits(g[name]) {
				t.Errorf("%s is %v, which is not of the form of %v", name, g[name], w[name])
			}
		} else if !reflect.DeepEqual(g[name], w[name]) {
			t.Errorf("%s is %v (%T), want %v (%T)", name, g[name], g[name], w[name], w[name])
		}
	}
}

func is(want any) func(any) bool { return func(got any) bool { return got == want } }

func likeTime(got any) bool {
	text, ok := got.(string)
	return ok && timeForm.MatchString(text)
}

func likeID(got any) bool {
	text, ok := got.(string)
	return ok && uuidForm.MatchString(text)
}

// stage is what the examples begin with.
type stage struct {
	*suite
	*person
	group, source string
}

func (s *suite) newStage(t *testing.T) stage {
	t.Helper()
	p := s.newUser(t, "User")
	group := p.newGroup(t, "Home Installation")
	got := p.post(t, "/api/sunsources", ours(example(t, "create_request"), group, ""))
	got.want(t, 201)
	return stage{s, p, group, got.text(t, "id")}
}

// ours puts our ids in the place of an example's.
func ours(text []byte, group, source string) []byte {
	return []byte(strings.NewReplacer(exampleGroup, group, exampleSource, source, exampleSource[:8], first(source, 8)).Replace(string(text)))
}

func first(text string, n int) string { return text[:min(n, len(text))] }

// drawnOf are the values of a source that the server draws.
func (st stage) drawnOf() map[string]func(any) bool {
	return map[string]func(any) bool{
		"id": is(st.source), "createdAt": likeTime, "updatedAt": likeTime, "powerGroupId": is(st.group),
		"connectionDetails": func(got any) bool { return got == nil },
	}
}

func (s *suite) seedPage(t *testing.T) {
	t.Run("POST a sun source: the answer is 201, the DTO, with a Location", s.exampleCreate)
	t.Run("GET the list, filtered by power group", func(t *testing.T) {
		st := s.newStage(t)
		other := st.newSource(t, "Webhook")
		got := st.get(t, "/api/sunsources?powerGroupId="+st.group)
		got.want(t, 200)
		body := strings.TrimSpace(string(got.body))
		if n := len(got.list(t)); n != 1 || strings.Contains(body, other) {
			t.Fatalf("the list has %d sources: %s", n, body)
		}
		want := strings.TrimSpace(string(example(t, "list_response")))
		wantExample(t, []byte(strings.Trim(body, "[]")), []byte(strings.Trim(want, "[]\n ")), st.drawnOf())
	})
	t.Run("GET a sun source with connection details", s.exampleGet)
	t.Run("PUT a sun source", s.exampleUpdate)
	t.Run("DELETE a sun source: 204, and it is gone", func(t *testing.T) {
		st := s.newStage(t)
		got := st.del(t, sourcePath(st.source))
		got.want(t, 204)
		if len(got.body) > 0 {
			t.Errorf("204 has the body %q", got.body)
		}
		st.get(t, sourcePath(st.source)).want(t, 404)
		st.del(t, sourcePath(st.source)).want(t, 404)
	})
	t.Run("GET the webhook URL", func(t *testing.T) {
		st := s.newStage(t)
		id := st.newSource(t, "Webhook")
		got := st.get(t, sourcePath(id)+"/webhook-url")
		got.want(t, 200)
		want := strings.ReplaceAll(string(ours(example(t, "webhook_url_response"), "", id)), "https://api.ampra.solar", s.site.PublicURL)
		wantExample(t, got.body, []byte(want), nil)
	})
	t.Run("POST rotate-secret", func(t *testing.T) {
		p := s.newUser(t, "User")
		got := p.post(t, sourcePath(p.newSource(t, "Webhook"))+"/rotate-secret", nil)
		got.want(t, 200)
		wantExample(t, got.body, example(t, "rotate_secret_response"), map[string]func(any) bool{
			"webhookSecret": func(v any) bool { return hookForm.MatchString(sprint(v)) },
		})
	})
	t.Run("POST regenerate-mqtt-key", func(t *testing.T) {
		p := s.newUser(t, "User")
		got := p.post(t, sourcePath(p.newSource(t, "MQTT"))+"/regenerate-mqtt-key", nil)
		got.want(t, 200)
		wantExample(t, got.body, example(t, "regenerate_mqtt_key_response"), map[string]func(any) bool{
			"mqttApiKey": func(v any) bool { return mqttForm.MatchString(sprint(v)) },
		})
	})
}

func (s *suite) exampleCreate(t *testing.T) {
	p := s.newUser(t, "User")
	group := p.newGroup(t, "Home Installation")
	got := p.post(t, "/api/sunsources", ours(example(t, "create_request"), group, ""))
	got.want(t, 201)
	st := stage{s, p, group, got.text(t, "id")}
	drawn := st.drawnOf()
	drawn["id"] = likeID
	list := strings.TrimSpace(string(example(t, "list_response")))
	wantExample(t, got.body, []byte(strings.Trim(list, "[]\n ")), drawn)
	if want := sourcePath(st.source); got.location(t) != want {
		t.Errorf("Location is %q, want %q", got.location(t), want)
	}
	p.get(t, got.location(t)).want(t, 200)
	if cache := got.header.Get("Cache-Control"); strings.Contains(cache, "public") {
		t.Errorf("Cache-Control is %q", cache)
	}
}

func (s *suite) exampleGet(t *testing.T) {
	st := s.newStage(t)
	got := st.get(t, sourcePath(st.source)+"?includeConnectionDetails=true")
	got.want(t, 200)
	if cache := got.header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("Cache-Control of an answer with secrets is %q, want no-store", cache)
	}
	want := ours(example(t, "get_response"), st.group, st.source)
	drawn := st.drawnOf()
	delete(drawn, "connectionDetails")
	drawn["connectionDetails"] = func(any) bool { return true } // compared below
	wantExample(t, got.body, want, drawn)

	var g, w struct {
		Details jsontext.Value `json:"connectionDetails"`
	}
	if err := json.Unmarshal(got.body, &g); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	wantExample(t, g.Details, w.Details, map[string]func(any) bool{
		"mqttBrokerHost": is(s.site.MQTTHost), "mqttBrokerPort": is(float64(s.site.MQTTPort)),
		"mqttApiKey": func(v any) bool { return mqttForm.MatchString(sprint(v)) },
	})
	st.details(t, st.source)

	plain := st.get(t, sourcePath(st.source))
	plain.want(t, 200)
	if plain.object(t)["connectionDetails"] != nil {
		t.Errorf("connectionDetails is there without being asked for: %s", plain.body)
	}
}

func (s *suite) exampleUpdate(t *testing.T) {
	st := s.newStage(t)
	key := st.details(t, st.source)["mqttApiKey"]
	got := st.put(t, sourcePath(st.source), ours(example(t, "update_request"), st.group, st.source))
	got.want(t, 200)
	var sent object
	if err := json.Unmarshal(ours(example(t, "update_request"), st.group, st.source), &sent); err != nil {
		t.Fatal(err)
	}
	delete(sent, "regenerateMqttApiKey")
	answered := got.object(t)
	for name, want := range sent {
		if !reflect.DeepEqual(answered[name], want) {
			t.Errorf("%s is %v after the update, want %v", name, answered[name], want)
		}
	}
	list := strings.Trim(strings.TrimSpace(string(example(t, "list_response"))), "[]\n ")
	if g, w := names(t, got.body), names(t, []byte(list)); !slices.Equal(g, w) {
		t.Errorf("the names are %v, want %v", g, w)
	}
	if answered["iconUrl"] != "https://minio.ampra.solar/uploads/user123/image.png" || answered["connectionType"] != "MQTT" {
		t.Errorf("fields that were not sent changed: %s", got.body)
	}
	if st.details(t, st.source)["mqttApiKey"] != key {
		t.Error("regenerateMqttApiKey: false drew a new key")
	}
}
