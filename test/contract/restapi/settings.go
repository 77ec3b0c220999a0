package restapi

import (
	"strings"
	"testing"
)

func settingsPath(source string) string { return sourcePath(source) + "/settings" }

const undecided = `{"timeZone":"UTC","timeZoneFrom":"default","meter":null,"payloadProfile":null,"payloadOverrides":[]}`

func (s *suite) settings(t *testing.T) {
	t.Run("fields that are sent change, absent ones stay, null clears", s.settingsChange)
	t.Run("the zone comes from the owner, else from the place", s.settingsZone)
	t.Run("all that is wrong is named", s.settingsWrong)
	t.Run("a sample shows what would be understood", s.settingsPreview)
	t.Run("a letter is read as was decided since", s.settingsReplay)
	t.Run("the newest reading says which rules gave it", s.settingsExplain)
}

func (s *suite) settingsChange(t *testing.T) {
	p := s.newUser(t, "User")
	path := settingsPath(p.newSource(t, "MQTT"))
	same := func(got *answer, want string) {
		t.Helper()
		if got.status != 200 || string(got.body) != want {
			t.Errorf("%d %s, want %s", got.status, got.body, want)
		}
	}
	same(p.get(t, path), undecided)
	all := `{"timeZone":"Asia/Tokyo","timeZoneFrom":"owner","meter":"load","payloadProfile":"grott","payloadOverrides":[` +
		`{"field":"gridPowerWatts","from":"a.b","unit":"kW","scale":0.1,"invertSign":true}]}`
	same(p.put(t, path, object{
		"timeZone": "Asia/Tokyo", "meter": "load", "payloadProfile": "grott",
		"payloadOverrides": []object{{"field": "gridPowerWatts", "from": "a.b", "unit": "kW", "scale": 0.1, "invertSign": true}},
	}), all)
	same(p.put(t, path, object{}), all)
	same(p.get(t, path), all)
	same(p.put(t, path, object{"timeZone": nil, "meter": nil}),
		`{"timeZone":"UTC","timeZoneFrom":"default","meter":null`+all[strings.Index(all, `,"payloadProfile"`):])
	same(p.put(t, path, object{"payloadProfile": nil, "payloadOverrides": nil}), undecided)
	same(p.get(t, path), undecided)
}

func (s *suite) settingsZone(t *testing.T) {
	p := s.newUser(t, "User")
	id := p.newSource(t, "MQTT", object{"latitude": 49.34, "longitude": 11.96})
	zone := func(got *answer) string { return got.text(t, "timeZone") + " by " + got.text(t, "timeZoneFrom") }
	if got := zone(p.get(t, settingsPath(id))); got != "Europe/Berlin by coordinates" {
		t.Error(got)
	}
	if got := zone(p.put(t, settingsPath(id), object{"timeZone": "Australia/Sydney"})); got != "Australia/Sydney by owner" {
		t.Error(got)
	}
	if got := zone(p.put(t, settingsPath(id), object{"timeZone": nil})); got != "Europe/Berlin by coordinates" {
		t.Error(got)
	}
	p.put(t, sourcePath(id), object{"latitude": -33, "longitude": 151.5}).want(t, 200)
	if got := zone(p.get(t, settingsPath(id))); got != "Australia/Sydney by coordinates" {
		t.Error(got)
	}
}

func (s *suite) settingsWrong(t *testing.T) {
	p := s.newUser(t, "User")
	id := p.newSource(t, "MQTT")
	bad := object{
		"timeZone": "Europe/Nowhere", "meter": "roof", "payloadProfile": "none such",
		"payloadOverrides": []object{
			{"field": "power", "from": ""},
			{"field": "gridPowerWatts", "from": "x", "unit": "V", "scale": -1},
			{"field": "timestamp", "from": "t", "unit": "s"},
			{"from": "y", "sign": 1},
		},
	}
	p.put(t, settingsPath(id), bad).wantErrors(t, "timeZone", "meter", "payloadProfile", "payloadOverrides[0].field", "payloadOverrides[0].from",
		"payloadOverrides[1].unit", "payloadOverrides[1].scale", "payloadOverrides[2].unit", "payloadOverrides[3].field", "payloadOverrides[3].sign")
	p.put(t, settingsPath(id), object{"timeZoneFrom": "owner", "payloadOverrides": "x"}).wantErrors(t, "timeZoneFrom", "payloadOverrides")
	p.post(t, settingsPath(id)+"/preview", object{"settings": object{"meter": "roof"}}).wantErrors(t, "payload", "settings.meter")
	if got := p.get(t, settingsPath(id)); string(got.body) != undecided {
		t.Errorf("what was refused is kept: %s", got.body)
	}
}

// preview tries a sample and returns the first reading with its explanation.
func (d device) preview(t *testing.T, body object) (all, reading, explain object) {
	t.Helper()
	got := d.post(t, settingsPath(d.id)+"/preview", body)
	got.want(t, 200)
	all = got.object(t)
	if list := objects(t, all["readings"]); len(list) > 0 {
		reading, _ = list[0]["reading"].(object)
		explain, _ = list[0]["explain"].(object)
	}
	return all, reading, explain
}

func (s *suite) settingsPreview(t *testing.T) {
	d := s.newDevice(t)
	sample := object{"a": object{"b": "1,5 kW"}, "pv_power": 100}
	all, reading, explain := d.preview(t, object{"payload": sample})
	if all["problem"] != nil || reading["solarPowerWatts"] != 100.0 || reading["gridPowerWatts"] != nil {
		t.Errorf("by rules alone: %v", all)
	}
	if rule, _ := explain["solarPowerWatts"].(object); rule["rule"] != "words, usual unit" || rule["assumed"] != true || sprint(rule["from"]) != "[pv_power]" {
		t.Errorf("the rule is %v", rule)
	}
	try := object{"payloadOverrides": []object{{"field": "gridPowerWatts", "from": "a.b", "invertSign": true}}}
	_, reading, explain = d.preview(t, object{"payload": sample, "settings": try})
	if rule, _ := explain["gridPowerWatts"].(object); reading["gridPowerWatts"] != -1500.0 || rule["rule"] != "override" {
		t.Errorf("with an override: %v %v", reading, explain)
	}
	_, reading, _ = d.preview(t, object{"payload": "inverter,site=roof pv_power=2622.7 1756123456000000000"})
	if reading["solarPowerWatts"] != 2622.7 {
		t.Errorf("of a line: %v", reading)
	}
	if all, _, _ = d.preview(t, object{"payload": `{"pv_power":`}); !strings.Contains(sprint(all["problem"]), "byte 12") {
		t.Errorf("of what is no JSON: %v", all)
	}
	if got := d.get(t, settingsPath(d.id)); string(got.body) != undecided {
		t.Errorf("a preview kept something: %s", got.body)
	}
	d.readings(t, 0)
}

// settingsReplay sends what can't be read, decides how it is to be, and tries the
// letter again.
func (s *suite) settingsReplay(t *testing.T) {
	d := s.newDevice(t)
	d.send(t, `{"meter":{"m1":"2,5 kW"},"note":"x"}`).want(t, 400)
	d.letters(t, 1)
	if got := d.post(t, lettersPath(d.id)+"/replay", nil); string(got.body) != `{"replayed":1,"accepted":0,"rejected":1,"remaining":1}` {
		t.Errorf("before: %d %s", got.status, got.body)
	}
	d.put(t, settingsPath(d.id), object{"payloadOverrides": []object{{"field": "loadPowerWatts", "from": "meter.m1"}}}).want(t, 200)
	if got := d.post(t, lettersPath(d.id)+"/replay", nil); string(got.body) != `{"replayed":1,"accepted":1,"rejected":0,"remaining":0}` {
		t.Errorf("after: %d %s", got.status, got.body)
	}
	if found := d.readings(t, 1); found[0]["loadPowerWatts"] != 2500.0 {
		t.Errorf("the reading is %v", found[0])
	}
}

func (s *suite) settingsExplain(t *testing.T) {
	d := s.newDevice(t)
	latest := sourcePath(d.id) + "/telemetry/latest"
	explain := func() object {
		t.Helper()
		got := d.get(t, latest+"?explain=true")
		got.want(t, 200)
		e, ok := got.object(t)["explain"].(object)
		if !ok {
			t.Fatalf("there is no explanation: %s", got.body)
		}
		return e
	}
	rule := func(e object, field string) any {
		one, ok := e[field].(object)
		if !ok {
			return "none"
		}
		return one["rule"]
	}
	send := func(text string, found int) {
		t.Helper()
		d.send(t, text).want(t, 202)
		d.readings(t, found)
	}
	send(`{"timestamp":"2026-01-01T00:00:00Z","acPowerWatts":1}`, 1)
	if e := explain(); rule(e, "acPowerWatts") != nil {
		t.Errorf("canonical names: %v", e)
	}
	send(`{"Time":"2026-01-02T00:00:00Z","ENERGY":{"Total":812.4,"Today":2.2,"Power":612,"TotalStartTime":"2025-03-01T08:00:00","Factor":0.9}}`, 2)
	if e := explain(); rule(e, "acPowerWatts") != "tasmota" || rule(e, "energyTotalKwh") != "tasmota" || rule(e, "gridPowerWatts") != "none" {
		t.Errorf("a vendor's payload: %v", e)
	}
	d.put(t, settingsPath(d.id), object{"payloadOverrides": []object{{"field": "acPowerWatts", "from": "ENERGY.Power", "scale": 2}}}).want(t, 200)
	send(`{"Time":"2026-01-03T00:00:00Z","ENERGY":{"Total":812.4,"Today":2.2,"Power":612,"TotalStartTime":"2025-03-01T08:00:00","Factor":0.9}}`, 3)
	if e := explain(); rule(e, "acPowerWatts") != "override" || rule(e, "energyTotalKwh") != "tasmota" {
		t.Errorf("with an override: %v", e)
	}
	if got := d.get(t, latest).object(t); got["acPowerWatts"] != 1224.0 || got["explain"] != nil {
		t.Errorf("the reading itself: %v", got)
	}
	send(`{"timestamp":"2026-01-04T00:00:00Z","energyTotalKwh":813}`, 4)
	if e := explain(); rule(e, "energyTotalKwh") != nil {
		t.Errorf("canonical names again: %v", e)
	}
	d.get(t, latest+"?explain=maybe").wantErrors(t, "explain")
}
