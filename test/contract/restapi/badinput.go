package restapi

import (
	"fmt"
	"strings"
	"testing"
)

func (s *suite) badInput(t *testing.T) {
	p := s.newUser(t, "User")
	id := p.newSource(t, "Webhook")
	ways := map[string]func(t *testing.T, body any, headers ...with) *answer{
		"POST a source": func(t *testing.T, body any, headers ...with) *answer {
			return p.post(t, "/api/sunsources", body, headers...)
		},
		"PUT a source": func(t *testing.T, body any, headers ...with) *answer {
			return p.put(t, sourcePath(id), body, headers...)
		},
		"POST a group": func(t *testing.T, body any, headers ...with) *answer {
			return p.post(t, "/api/powergroups", body, headers...)
		},
		"POST a token": func(t *testing.T, body any, headers ...with) *answer {
			return p.post(t, "/api/auth/tokens", body, headers...)
		},
		"PUT a password": func(t *testing.T, body any, headers ...with) *answer {
			return p.put(t, "/api/auth/password", body, headers...)
		},
		"POST a login": func(t *testing.T, body any, headers ...with) *answer {
			return s.anonymous().post(t, "/api/auth/login", body, headers...)
		},
	}
	for name, send := range ways {
		t.Run(name, func(t *testing.T) {
			s.malformed(t, send)
			s.notJSON(t, send)
		})
	}
	t.Run("fields", func(t *testing.T) { s.wrongFields(t, p, id) })
	t.Run("all failing fields are named at once", func(t *testing.T) { s.allAtOnce(t, p, id) })
	t.Run("numbers", func(t *testing.T) { s.wrongNumbers(t, p, id) })
	t.Run("texts", func(t *testing.T) { s.wrongTexts(t, p) })
	t.Run("a body of more than 1 MiB", func(t *testing.T) { s.tooLarge(t, p) })
}

// malformed sends what is no JSON: the answer names the byte.
func (s *suite) malformed(t *testing.T, send func(*testing.T, any, ...with) *answer) {
	for body, at := range map[string]int{
		"": 0, "{": 1, `{"name"`: 7, `{"name":}`: 8, `{"name":"x",}`: 11, `{"name":"x"`: 11, `{"name":"x"} x`: 13, `{name:"x"}`: 2,
		`{"name":'x'}`: 8, "{\"name\":\"\xff\"}": 9, "{\"name\":\"x\ny\"}": 10, `{"name":"\ud800"}`: 9, `{"name":01}`: 9, `{"name":NaN}`: 8,
		`{"name":Infinity}`: 8, `{"latitude":-}`: 13, `{"latitude":+1}`: 12, `{"latitude":.5}`: 12, "\xef\xbb\xbf{}": 0,
	} {
		got := send(t, body)
		got.want(t, 400)
		if detail := got.text(t, "detail"); body != "" && !strings.Contains(detail, fmt.Sprintf("byte %d", at)) {
			t.Errorf("%q: the detail %q names another byte than %d", body, detail, at)
		}
	}
	for _, body := range []string{"[]", `"x"`, "5", "null", "true", `[{"name":"x"}]`} {
		got := send(t, body)
		got.want(t, 400)
		if detail := got.text(t, "detail"); !strings.Contains(detail, "object") {
			t.Errorf("%q: the detail is %q", body, detail)
		}
	}
	deep := strings.Repeat(`{"a":`, 50_000)
	send(t, deep).want(t, 400)
	send(t, `{"a":`+strings.Repeat("[", 100_000)).want(t, 400)
}

func (s *suite) notJSON(t *testing.T, send func(*testing.T, any, ...with) *answer) {
	const body = `{"name":"x"}`
	for _, media := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "application/json; charset=latin1", "x"} {
		send(t, body, with{"Content-Type", media}).want(t, 415)
	}
	for _, encoding := range []string{"gzip", "deflate", "br", "zstd", "x"} {
		send(t, body, with{"Content-Encoding", encoding}).want(t, 415)
	}
	for _, media := range []string{"application/json;charset=UTF-8", "Application/JSON", "application/json; charset=\"utf-8\""} {
		if got := send(t, body, with{"Content-Type", media}); got.status == 415 {
			t.Errorf("Content-Type %s is refused: %s", media, got.body)
		}
	}
}

func (s *suite) wrongFields(t *testing.T, p *person, id string) {
	base := `"name":"x","connectionType":"MQTT"`
	for field := range map[string]bool{
		"unknown": true, "Name": true, "NAME": true, "connectiontype": true, "id": true, "createdAt": true, "updatedAt": true, "mqttApiKey": true,
		"mqttTopic": true, "mqttClientId": true, "webhookUrl": true, "connectionDetails": true, "powerGroupName": true, "isActive": true,
		"regenerateMqttApiKey": true, "ownerId": true, "": true, "__proto__": true,
	} {
		for _, value := range []string{`"x"`, "null", "{}", "true"} {
			p.post(t, "/api/sunsources", fmt.Sprintf(`{%s,"%s":%s}`, base, field, value)).wantErrors(t, field)
		}
		if field != "isActive" && field != "regenerateMqttApiKey" {
			p.put(t, sourcePath(id), fmt.Sprintf(`{"%s":"x"}`, field)).wantErrors(t, field)
		}
	}
	for _, field := range []string{"webhookSecret", "initialKwhPrice"} {
		p.put(t, sourcePath(id), fmt.Sprintf(`{"%s":null}`, field)).wantErrors(t, field)
	}
	p.post(t, "/api/sunsources", `{`+base+`,"name":"y"}`).wantErrors(t, "name")
	p.post(t, "/api/sunsources", `{`+base+`,"\u006eame":"y"}`).wantErrors(t, "name")
	p.put(t, sourcePath(id), `{"latitude":1,"latitude":1}`).wantErrors(t, "latitude")
	if got := p.get(t, sourcePath(id)).object(t)["latitude"]; got != nil {
		t.Errorf("a refused update set latitude to %v", got)
	}
	for missing, body := range map[string]string{"name": `{"connectionType":"MQTT"}`, "connectionType": `{"name":"x"}`} {
		p.post(t, "/api/sunsources", body).wantErrors(t, missing)
		p.post(t, "/api/sunsources", strings.TrimSuffix(body, "}")+`,"`+missing+`":null}`).wantErrors(t, missing)
	}
	for _, value := range []string{`"true"`, "1", "0", `"false"`, "[]"} {
		p.put(t, sourcePath(id), `{"isActive":`+value+`}`).wantErrors(t, "isActive")
		p.put(t, sourcePath(id), `{"regenerateMqttApiKey":`+value+`}`).wantErrors(t, "regenerateMqttApiKey")
	}
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, `,"unknown%d":1`, i)
	}
	got := p.post(t, "/api/sunsources", `{`+base+many.String()+`}`)
	got.want(t, 400)
	if len(got.body) > 20_000 {
		t.Errorf("an answer about 5000 unknown fields has %d bytes", len(got.body))
	}
}

func (s *suite) allAtOnce(t *testing.T, p *person, id string) {
	p.post(t, "/api/sunsources", `{"name":"","connectionType":"Mqtt","latitude":"north","longitude":181,"currency":"eur","systemCost":-1,
		"maintenanceCostPerYear":"much","installationDate":"yesterday","iconUrl":"ftp://x","webhookSecret":"short","initialKwhPrice":-1,
		"installedCapacityWatts":-1,"powerGroupId":"home","id":"x","colour":"red"}`).wantErrors(t,
		"name", "connectionType", "latitude", "longitude", "currency", "systemCost", "maintenanceCostPerYear", "installationDate", "iconUrl",
		"webhookSecret", "initialKwhPrice", "installedCapacityWatts", "powerGroupId", "id", "colour")
	p.put(t, sourcePath(id), `{"name":null,"isActive":null,"currency":null,"latitude":91,"longitude":"x","regenerateMqttApiKey":1,"mqttTopic":"x"}`).
		wantErrors(t, "name", "isActive", "currency", "latitude", "longitude", "regenerateMqttApiKey", "mqttTopic")
	p.post(t, "/api/sunsources", `{}`).wantErrors(t, "name", "connectionType")
	p.post(t, "/api/sunsources", `{"name":"","connectionType":"MQTT","powerGroupId":"`+unknownID+`"}`).wantErrors(t, "name", "powerGroupId")
	p.put(t, sourcePath(id), `{"latitude":91,"powerGroupId":"`+unknownID+`"}`).wantErrors(t, "latitude", "powerGroupId")
	p.post(t, "/api/powergroups", `{"name":5,"logoUrl":"x","sunSourceCount":3}`).wantErrors(t, "name", "logoUrl", "sunSourceCount")
	p.post(t, "/api/auth/tokens", `{"name":"","scopes":["admin"],"expiresAt":"2001-01-01T00:00:00Z","token":"x"}`).
		wantErrors(t, "name", "scopes", "expiresAt", "token")
	p.put(t, "/api/auth/password", `{"newPassword":"weak"}`).wantErrors(t, "currentPassword", "newPassword")
	s.overseer.post(t, "/api/users", `{"email":"x","password":"weak","role":"King"}`).wantErrors(t, "email", "password", "role")
	if got := p.put(t, sourcePath(unknownID), `{"name":""}`); got.status != 404 {
		t.Errorf("a wrong body for an unknown source is %d, want 404", got.status)
	}
}

func (s *suite) wrongNumbers(t *testing.T, p *person, id string) {
	digits := strings.Repeat("9", 70_000)
	for _, value := range []string{"1e400", "-1e400", "1e999999999", digits, "1" + strings.Repeat("0", 400)} {
		p.put(t, sourcePath(id), `{"latitude":`+value+`}`).wantErrors(t, "latitude")
		p.put(t, sourcePath(id), `{"systemCost":`+value+`}`).wantErrors(t, "systemCost")
		p.post(t, "/api/sunsources", `{"name":"x","connectionType":"MQTT","initialKwhPrice":`+value+`}`).wantErrors(t, "initialKwhPrice")
	}
	for _, value := range []string{"1e-999999999", "0.1e-50", "1e-13", "0." + digits} {
		p.put(t, sourcePath(id), `{"systemCost":`+value+`}`).wantErrors(t, "systemCost")
	}
	if got := p.put(t, sourcePath(id), `{"latitude":1e-999999999}`); got.status != 200 || got.object(t)["latitude"] != 0.0 {
		t.Errorf("a latitude too small to tell from 0 is %d %s", got.status, got.body)
	}
}

func (s *suite) wrongTexts(t *testing.T, p *person) {
	huge := strings.Repeat("x", 64<<10)
	p.post(t, "/api/sunsources", object{"name": huge, "connectionType": huge, "description": huge, "iconUrl": huge, "currency": huge}).
		wantErrors(t, "name", "connectionType", "description", "iconUrl", "currency")
	p.post(t, "/api/sunsources", `{"name":"a\u0000b","connectionType":"MQTT"}`).wantErrors(t, "name")
	p.post(t, "/api/sunsources", object{"name": "x", "connectionType": "MQTT", huge: 1}).want(t, 400)
	for _, name := range []string{"Söuth <b>\"roof\"</b> & ☀️ 'x'; DROP TABLE sun_source;--", "\u202egnp.exe", "tab\there", "日本語"} {
		got := p.post(t, "/api/sunsources", object{"name": name, "connectionType": "MQTT"})
		got.want(t, 201)
		if read := p.get(t, got.location(t)); read.text(t, "name") != name {
			t.Errorf("the name %q comes back as %q", name, read.text(t, "name"))
		}
	}
}

func (s *suite) tooLarge(t *testing.T, p *person) {
	fits := `{"name":"x","connectionType":"MQTT","description":"` + strings.Repeat("x", 1<<20-len(`{"name":"x","connectionType":"MQTT","description":""}`)) + `"}`
	if len(fits) != 1<<20 {
		t.Fatalf("the body has %d bytes", len(fits))
	}
	p.post(t, "/api/sunsources", fits).wantErrors(t, "description")
	p.post(t, "/api/sunsources", fits+" ").want(t, 413)
	p.post(t, "/api/sunsources", strings.Repeat(" ", 12<<20)).want(t, 413)
	p.get(t, "/api/sunsources").want(t, 200)
}
