package restapi

import (
	"strings"
	"testing"

	"ampra/adapters/httpapi"
)

// row is what a route answers to whom. owner is a User with things of one's own,
// other another User who asks for those, admin an Admin. reader and writer are
// API tokens of the owner's with the scope read and with both. 0 in admin is the
// same as other.
type row struct {
	nobody, owner, other, admin, reader, writer int
}

// access is the access matrix. A route that is not listed fails the test.
func access() map[string]row {
	return map[string]row{
		"GET /api/sunsources":                           {401, 200, 200, 0, 200, 200},
		"POST /api/sunsources":                          {401, 201, 201, 0, 403, 201},
		"GET /api/sunsources/{id}":                      {401, 200, 404, 0, 200, 200},
		"PUT /api/sunsources/{id}":                      {401, 200, 404, 0, 403, 200},
		"DELETE /api/sunsources/{id}":                   {401, 204, 404, 0, 403, 204},
		"GET /api/sunsources/{id}/webhook-url":          {401, 200, 404, 0, 200, 200},
		"POST /api/sunsources/{id}/rotate-secret":       {401, 200, 404, 0, 403, 200},
		"POST /api/sunsources/{id}/regenerate-mqtt-key": {401, 200, 404, 0, 403, 200},
		"GET /api/sunsources/{id}/credentials":          {401, 200, 404, 0, 200, 200},
		"GET /api/sunsources/{id}/status":               {401, 200, 404, 0, 200, 200},
		"GET /api/sunsources/{id}/attempts":             {401, 200, 404, 0, 200, 200},
		"GET /api/overview":                             {401, 200, 200, 0, 200, 200},
		"GET /api/sunsources/{id}/settings":             {401, 200, 404, 0, 200, 200},
		"PUT /api/sunsources/{id}/settings":             {401, 200, 404, 0, 403, 200},
		"POST /api/sunsources/{id}/settings/preview":    {401, 200, 404, 0, 403, 200},
		"GET /api/sunsources/{id}/telemetry":            {401, 200, 404, 0, 200, 200},
		"GET /api/sunsources/{id}/telemetry/latest":     {401, 204, 404, 0, 204, 204},
		"GET /api/sunsources/{id}/telemetry/series":     {401, 200, 404, 0, 200, 200},
		"GET /api/live":                                 {401, 200, 200, 0, 200, 200},
		"GET /api/sunsources/{id}/live":                 {401, 200, 404, 0, 200, 200},

		"GET /api/sunsources/{id}/energy":   {401, 200, 404, 0, 200, 200},
		"GET /api/sunsources/{id}/summary":  {401, 200, 404, 0, 200, 200},
		"GET /api/powergroups/{id}/energy":  {401, 200, 404, 0, 200, 200},
		"GET /api/powergroups/{id}/summary": {401, 200, 404, 0, 200, 200},
		"GET /api/energy":                   {401, 200, 200, 0, 200, 200},
		"GET /api/summary":                  {401, 200, 200, 0, 200, 200},

		"GET /api/sunsources/{id}/dead-letters":                    {401, 200, 404, 0, 200, 200},
		"DELETE /api/sunsources/{id}/dead-letters":                 {401, 204, 404, 0, 403, 204},
		"POST /api/sunsources/{id}/dead-letters/replay":            {401, 200, 404, 0, 403, 200},
		"GET /api/sunsources/{id}/dead-letters/{letterId}":         {401, 200, 404, 0, 200, 200},
		"DELETE /api/sunsources/{id}/dead-letters/{letterId}":      {401, 204, 404, 0, 403, 204},
		"POST /api/sunsources/{id}/dead-letters/{letterId}/replay": {401, 200, 404, 0, 403, 200},

		"POST /api/sunsources/{id}/imports": {401, 202, 404, 0, 403, 202},
		"GET /api/sunsources/{id}/export":   {401, 200, 404, 0, 200, 200},
		"GET /api/jobs":                     {401, 200, 200, 0, 200, 200},
		"GET /api/jobs/{id}":                {401, 200, 404, 0, 200, 200},
		"GET /api/jobs/{id}/rejected":       {401, 200, 404, 0, 200, 200},

		"GET /api/powergroups":         {401, 200, 200, 0, 200, 200},
		"POST /api/powergroups":        {401, 201, 201, 0, 403, 201},
		"GET /api/powergroups/{id}":    {401, 200, 404, 0, 200, 200},
		"PUT /api/powergroups/{id}":    {401, 200, 404, 0, 403, 200},
		"DELETE /api/powergroups/{id}": {401, 204, 404, 0, 403, 204},

		"GET /api/roi/{sourceId}":          {401, 200, 404, 0, 200, 200},
		"GET /api/roi/{sourceId}/prices":   {401, 200, 404, 0, 200, 200},
		"POST /api/roi/{sourceId}/prices":  {401, 201, 404, 0, 403, 201},
		"PUT /api/roi/prices/{priceId}":    {401, 200, 404, 0, 403, 200},
		"DELETE /api/roi/prices/{priceId}": {401, 204, 404, 0, 403, 204},

		"POST /api/auth/register":      {403, 403, 403, 0, 403, 403},
		"POST /api/auth/login":         {401, 401, 401, 0, 401, 401},
		"POST /api/auth/logout":        {204, 204, 204, 0, 204, 204},
		"GET /api/auth/me":             {401, 200, 200, 0, 200, 200},
		"PUT /api/auth/password":       {401, 400, 400, 0, 403, 403},
		"GET /api/auth/tokens":         {401, 200, 200, 0, 200, 200},
		"POST /api/auth/tokens":        {401, 201, 201, 0, 403, 403},
		"DELETE /api/auth/tokens/{id}": {401, 204, 404, 0, 403, 403},
		"POST /api/users":              {401, 403, 403, 201, 403, 403},

		"POST /api/webhook/sunsource/{id}": {401, 401, 401, 0, 401, 401},

		"GET /":                 {200, 200, 200, 0, 200, 200},
		"GET /api/openapi.json": {200, 200, 200, 0, 200, 200},
		"GET /api/docs":         {200, 200, 200, 0, 200, 200},
		"GET /api/docs/{file}":  {200, 200, 200, 0, 200, 200},
		"GET /healthz":          {200, 200, 200, 0, 200, 200},
		"GET /readyz":           {200, 200, 200, 0, 200, 200},
		"GET /metrics":          {200, 200, 200, 0, 200, 200},
	}
}

// cast are those who try every route.
type cast struct {
	*suite
	// priced has the source of each price.
	priced map[string]string

	nobody, owner, other, admin, reader, writer *person
}

func (s *suite) matrix(t *testing.T) {
	c := cast{suite: s, priced: map[string]string{}, nobody: s.anonymous(), owner: s.newUser(t, "User"), other: s.newUser(t, "User"), admin: s.newUser(t, "Admin")}
	c.reader, c.writer = c.owner.byToken(t, "read"), c.owner.byToken(t, "read", "write")
	table := access()
	for _, r := range httpapi.Routes() {
		key := r.Method + " " + r.Path
		want, listed := table[key]
		delete(table, key)
		if !listed {
			t.Errorf("%s is not in the access matrix: say who may call it", key)
			continue
		}
		t.Run(key, func(t *testing.T) { c.try(t, r, want) })
	}
	for key := range table {
		t.Errorf("%s is in the access matrix and is no route", key)
	}
}

func (c cast) try(t *testing.T, r httpapi.Route, want row) {
	if want.admin == 0 {
		want.admin = want.other
	}
	for _, one := range []struct {
		who    string
		person *person
		want   int
	}{
		{"nobody", c.nobody, want.nobody},
		{"another user", c.other, want.other},
		{"an Admin", c.admin, want.admin},
		{"a token that may only read", c.reader, want.reader},
		{"a token that may write", c.writer, want.writer},
		{"the owner", c.owner, want.owner},
		{"a stale session", &person{suite: c.suite, cookie: "ampra=stale; __Host-ampra=stale"}, want.nobody},
	} {
		asking := *one.person
		if strings.HasSuffix(r.Path, "/logout") && asking.cookie != "" { // of a session that nobody else needs
			if one.person.password != "" {
				asking.login(t)
			}
		}
		path, body := c.request(t, r)
		got := asking.do(t, r.Method, path, body)
		if got.status != one.want {
			t.Errorf("%s gets %d, want %d: %.300s", one.who, got.status, one.want, got.body)
		}
		c.notReached(t, r, one.person, got)
	}
}

// notReached looks whether a refused request did its work all the same.
func (c cast) notReached(t *testing.T, r httpapi.Route, who *person, got *answer) {
	t.Helper()
	if price, isPrice := strings.CutPrefix(got.path, pricePath("")); isPrice && got.status >= 400 {
		if list := c.owner.get(t, pricesPath(c.priced[price])); !strings.Contains(string(list.body), `"id":"`+price+`","pricePerKwh":0.25`) {
			t.Errorf("%s was refused to %v and happened: %s", r.Path, who.email, list.body)
		}
	}
	if r.Scope != httpapi.Write || got.status < 400 || !strings.Contains(r.Path, "{id}") {
		return
	}
	path, _, letters := strings.Cut(strings.TrimPrefix(got.path, "/api/"), "/dead-letters")
	if letters {
		if found, _ := c.owner.get(t, "/api/"+path+"/dead-letters").object(t)["deadLetters"].([]any); len(found) != 1 {
			t.Errorf("%s was refused to %v and happened", r.Path, who.email)
		}
	}
	path, _, isSettings := strings.Cut(path, "/settings")
	if isSettings {
		if now := c.owner.get(t, "/api/"+path+"/settings"); string(now.body) != undecided {
			t.Errorf("%s was refused to %v and happened: %s", r.Path, who.email, now.body)
		}
	}
	path, _, _ = strings.Cut(path, "/rotate")
	path, _, _ = strings.Cut(path, "/regenerate")
	if of, _, isImport := strings.Cut(path, "/imports"); isImport {
		if found := objects(t, c.owner.get(t, "/api/"+of+"/telemetry").object(t)["readings"]); len(found) != 0 {
			t.Errorf("%s was refused to %v and happened", r.Path, who.email)
		}
		path = of
	}
	if strings.HasPrefix(path, "sunsources/") || strings.HasPrefix(path, "powergroups/") {
		after := c.owner.get(t, "/api/"+path)
		if after.status != 200 || after.text(t, "name") == "renamed" {
			t.Errorf("%s was refused to %v and happened: %d %s", r.Path, who.email, after.status, after.body)
		}
	}
}

// request makes a request that is right but for who sends it, with a thing of the
// owner's that nothing else needs.
func (c cast) request(t *testing.T, r httpapi.Route) (path string, body any) {
	t.Helper()
	id, letter, file := "", "", "swagger-ui.css"
	switch {
	case strings.HasPrefix(r.Path, "/api/powergroups/"):
		id = c.owner.newGroup(t, c.name("Group"))
	case strings.HasPrefix(r.Path, "/api/auth/tokens/"):
		got := c.owner.get(t, "/api/auth/tokens")
		for _, token := range got.list(t) {
			if token["name"] == "to be revoked" {
				id, _ = token["id"].(string)
			}
		}
		if id == "" {
			made := c.owner.post(t, "/api/auth/tokens", object{"name": "to be revoked", "scopes": []string{"read"}, "expiresAt": "2099-01-01T00:00:00Z"})
			made.want(t, 201)
			id = made.text(t, "id")
		}
	case strings.Contains(r.Path, "{priceId}"):
		var source string
		source, id = c.owner.newPrice(t)
		c.priced[id] = source
	case strings.HasPrefix(r.Path, "/api/jobs/"):
		id = c.owner.newJob(t)
	case strings.HasSuffix(r.Path, "/regenerate-mqtt-key"), strings.Contains(r.Path, "{sourceId}"):
		id = c.owner.newSource(t, "MQTT")
	case strings.Contains(r.Path, "/dead-letters"):
		id, letter = c.owner.newLetter(t)
	case strings.Contains(r.Path, "{id}"):
		id = c.owner.newSource(t, "Webhook")
	}
	return strings.NewReplacer("{id}", id, "{sourceId}", id, "{priceId}", id, "{letterId}", letter, "{file}", file).Replace(r.Path), c.body(r)
}

func (c cast) body(r httpapi.Route) any {
	switch r.Method + " " + r.Path {
	case "POST /api/sunsources":
		return object{"name": "New", "connectionType": "MQTT"}
	case "PUT /api/sunsources/{id}", "PUT /api/powergroups/{id}":
		return object{"name": "renamed"}
	case "PUT /api/sunsources/{id}/settings":
		return object{"meter": "grid"}
	case "POST /api/sunsources/{id}/settings/preview":
		return object{"payload": object{"pv_power": 1}}
	case "POST /api/roi/{sourceId}/prices":
		return object{"pricePerKwh": 0.3, "effectiveFrom": "2026-01-01T00:00:00Z"}
	case "PUT /api/roi/prices/{priceId}":
		return object{"pricePerKwh": 0.4}
	case "POST /api/powergroups":
		return object{"name": "New"}
	case "POST /api/auth/register":
		return object{"email": "new@example.org", "password": "Passw0rd-new"}
	case "POST /api/auth/login":
		return object{"email": c.name("nobody") + "@example.org", "password": "Wr0ng-password"}
	case "PUT /api/auth/password":
		return object{"currentPassword": "Wr0ng-password", "newPassword": "An0ther-password"}
	case "POST /api/auth/tokens":
		return object{"name": "New", "scopes": []string{"read"}, "expiresAt": "2099-01-01T00:00:00Z"}
	case "POST /api/users":
		return object{"email": strings.ReplaceAll(c.name("made"), " ", "") + "@example.org", "password": "Passw0rd-made", "role": "User"}
	case "POST /api/webhook/sunsource/{id}":
		return object{"acPowerWatts": 1}
	case "POST /api/sunsources/{id}/imports":
		return fileOf("timestamp,acPowerWatts\n2026-01-01T10:00:00Z,5\n", "")
	default:
		return nil
	}
}
