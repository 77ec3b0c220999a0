package restapi

import (
	"strings"
	"testing"
)

func pricesPath(source string) string { return "/api/roi/" + source + "/prices" }

func pricePath(id string) string { return "/api/roi/prices/" + id }

// newPrice gives a new source a price and returns both.
func (p *person) newPrice(t *testing.T) (source, price string) {
	t.Helper()
	source = p.newSource(t, "MQTT")
	return source, p.addPrice(t, source, "2026-01-01T00:00:00Z", "0.25")
}

func (p *person) addPrice(t *testing.T, source, from, perKwh string) string {
	t.Helper()
	got := p.post(t, pricesPath(source), `{"pricePerKwh":`+perKwh+`,"effectiveFrom":"`+from+`"}`)
	got.want(t, 201)
	return got.text(t, "id")
}

func (s *suite) prices(t *testing.T) {
	t.Run("a price comes back as it was sent", s.pricesComeBack)
	t.Run("each field of a price absent, null and set", s.priceFields)
	t.Run("what is no price", s.badPrices)
	t.Run("a source has one price from a moment on", func(t *testing.T) {
		p := s.newUser(t, "User")
		source, first := p.newPrice(t)
		second := p.addPrice(t, source, "2026-02-01T00:00:00Z", "0.3")
		p.post(t, pricesPath(source), object{"pricePerKwh": 1, "effectiveFrom": "2026-01-01T01:00:00+01:00"}).want(t, 409)
		p.put(t, pricePath(second), object{"effectiveFrom": "2026-01-01T00:00:00Z"}).want(t, 409)
		p.del(t, pricePath(first)).want(t, 204)
		p.put(t, pricePath(second), object{"effectiveFrom": "2026-01-01T00:00:00Z"}).want(t, 200)
	})
	t.Run("deleting prices, the last one, too", func(t *testing.T) {
		p := s.newUser(t, "User")
		source, price := p.newPrice(t)
		p.del(t, pricePath(price)).want(t, 204)
		p.del(t, pricePath(price)).want(t, 404)
		p.put(t, pricePath(price), object{}).want(t, 404)
		if got := p.get(t, pricesPath(source)); string(got.body) != "[]" {
			t.Errorf("the prices are %s", got.body)
		}
	})
	t.Run("the first price comes with the source", func(t *testing.T) {
		p := s.newUser(t, "User")
		source := p.newSource(t, "MQTT", object{"initialKwhPrice": 0.25})
		list := p.get(t, pricesPath(source)).list(t)
		if len(list) != 1 || list[0]["pricePerKwh"] != 0.25 || list[0]["feedInPricePerKwh"] != nil || !likeTime(list[0]["effectiveFrom"]) {
			t.Errorf("the prices are %v", list)
		}
		p.del(t, sourcePath(source)).want(t, 204)
		p.get(t, pricesPath(source)).want(t, 404)
	})
	t.Run("a source without readings has a return all the same", s.emptyReturn)
}

func (s *suite) pricesComeBack(t *testing.T) {
	p := s.newUser(t, "User")
	source := p.newSource(t, "MQTT")
	made := p.post(t, pricesPath(source), `{"pricePerKwh":0.123456789012,"feedInPricePerKwh":999999999999999.999999999999,"effectiveFrom":"2026-06-01T02:00:00.123456+02:00"}`)
	made.want(t, 201)
	id := made.text(t, "id")
	if list := strings.Join(names(t, made.body), " "); list != "id pricePerKwh feedInPricePerKwh effectiveFrom" || made.location(t) != pricePath(id) || !likeID(id) {
		t.Errorf("a price has %s, Location is %q", list, made.location(t))
	}
	want := `"pricePerKwh":0.123456789012,"feedInPricePerKwh":999999999999999.999999999999,"effectiveFrom":"2026-06-01T00:00:00.123456Z"`
	if !strings.Contains(string(made.body), want) {
		t.Errorf("the price is %s, want %s", made.body, want)
	}
	earlier := p.addPrice(t, source, "1999-12-31T23:59:59Z", "1e1")
	later := p.addPrice(t, source, "2099-01-01T00:00:00Z", "0")
	var ids []string
	list := p.get(t, pricesPath(source))
	for _, price := range list.list(t) {
		text, _ := price["id"].(string)
		ids = append(ids, text)
	}
	if got := strings.Join(ids, " "); got != earlier+" "+id+" "+later || !strings.Contains(string(list.body), `"pricePerKwh":10,`) {
		t.Errorf("the prices are %s", list.body)
	}
}

func (s *suite) priceFields(t *testing.T) {
	p := s.newUser(t, "User")
	_, id := p.newPrice(t)
	for field, set := range map[string]any{"pricePerKwh": 0.5, "feedInPricePerKwh": 0.08, "effectiveFrom": "2026-03-01T00:00:00Z"} {
		if changed := p.put(t, pricePath(id), object{field: set}); changed.status != 200 || changed.object(t)[field] != set {
			t.Errorf("%s is %v after being set to %v", field, changed.object(t)[field], set)
		}
		if same := p.put(t, pricePath(id), object{}); same.status != 200 || same.object(t)[field] != set {
			t.Errorf("%s is %v after an update without it", field, same.object(t)[field])
		}
		null := p.put(t, pricePath(id), object{field: nil})
		if field != "feedInPricePerKwh" {
			null.wantErrors(t, field)
		} else if null.status != 200 || null.object(t)[field] != nil {
			t.Errorf("%s is %v after null", field, null.object(t)[field])
		}
	}
}

func (s *suite) badPrices(t *testing.T) {
	p := s.newUser(t, "User")
	source, id := p.newPrice(t)
	for field, bad := range map[string][]string{
		"pricePerKwh":       {`-0.1`, `1e15`, `0.0000000000001`, `"0.25"`, `true`, `1e1000000`},
		"feedInPricePerKwh": {`-0.1`, `1e15`, `"0"`, `[]`},
		"effectiveFrom":     {`"2026-13-01T00:00:00Z"`, `"2026-01-01"`, `0`, `""`, `"1899-12-31T00:00:00Z"`},
		"currency":          {`"EUR"`},
		"id":                {`"` + unknownID + `"`},
		"PricePerKwh":       {`1`},
	} {
		for _, value := range bad {
			p.put(t, pricePath(id), `{"`+field+`":`+value+`}`).wantErrors(t, field)
		}
	}
	p.post(t, pricesPath(source), `{}`).wantErrors(t, "pricePerKwh", "effectiveFrom")
	p.post(t, pricesPath(source), `{"pricePerKwh":-1,"feedInPricePerKwh":-1,"effectiveFrom":null}`).wantErrors(t, "pricePerKwh", "feedInPricePerKwh", "effectiveFrom")
	for _, bad := range []string{"x", "", id[:35], unknownID} {
		if bad != "" {
			p.get(t, "/api/roi/"+bad).want(t, 404)
			p.get(t, pricesPath(bad)).want(t, 404)
			p.post(t, pricesPath(bad), object{"pricePerKwh": 1, "effectiveFrom": "2026-01-01T00:00:00Z"}).want(t, 404)
			p.put(t, pricePath(bad), object{}).want(t, 404)
			p.del(t, pricePath(bad)).want(t, 404)
		}
		if bad != unknownID {
			p.get(t, "/api/roi/"+source+"?from="+bad+"x").wantErrors(t, "from")
			p.get(t, "/api/roi/"+source+"?to="+bad+"x").wantErrors(t, "to")
		}
	}
	p.get(t, "/api/roi/"+source+"?from=2026-02-01&to=2026-01-01").wantErrors(t, "to")
	p.get(t, "/api/roi/"+source+"?from=2026-02-01&from=2026-03-01").wantErrors(t, "from")
}

func (s *suite) emptyReturn(t *testing.T) {
	p := s.newUser(t, "User")
	year := s.now().UTC().Year()
	source := p.newSource(t, "MQTT", object{
		"systemCost": 12500, "maintenanceCostPerYear": 365, "currency": "CHF", "installationDate": "2020-01-01T00:00:00Z",
	})
	got := p.get(t, "/api/roi/"+source+"?from=2021-01-01&to=2021-02-01")
	got.want(t, 200)
	o := got.object(t)
	for name, want := range map[string]any{
		"sourceId": source, "currency": "CHF", "timeZone": "UTC", "from": "2021-01-01T00:00:00Z", "to": "2021-02-01T00:00:00Z",
		"productionKwh": nil, "savings": nil, "feedInIncome": nil, "maintenance": 31.0, "net": -31.0, "systemCost": 12500.0,
		"returnPercent": nil, "returnPercentPerYear": nil, "paybackState": "unknown", "paybackDate": nil, "paybackReason": "noProduction",
	} {
		if o[name] != want {
			t.Errorf("%s is %v, want %v", name, o[name], want)
		}
	}
	if months, _ := o["months"].([]any); len(months) != 1 {
		t.Errorf("the months are %v", o["months"])
	}
	all, _ := p.get(t, "/api/roi/"+source).object(t)["months"].([]any)
	if len(all) <= 12*(year-2020) {
		t.Errorf("all the time has %d months", len(all))
	}
}
