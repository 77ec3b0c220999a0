package restapi

import (
	"maps"
	"reflect"
	"slices"
	"testing"
)

// updateFields tries each field of PUT absent, null and set.
func (s *suite) updateFields(t *testing.T) {
	p := s.newUser(t, "User")
	home, away := p.newGroup(t, "Home"), p.newGroup(t, "Away")
	begin := object{
		"name": "Full", "description": "About", "iconUrl": "https://example.org/a.png", "powerGroupId": home,
		"latitude": 1.5, "longitude": 2.5, "installedCapacityWatts": 5000.0, "currency": "CHF",
		"systemCost": 100.25, "maintenanceCostPerYear": 10.5, "installationDate": "2024-06-01T00:00:00Z",
	}
	fields := map[string]struct {
		set  any
		null bool // null clears it, else it is refused
	}{
		"name":                   {"Other", false},
		"description":            {"Else", true},
		"iconUrl":                {"https://example.org/b.png", true},
		"powerGroupId":           {away, true},
		"isActive":               {false, false},
		"latitude":               {-1.25, true},
		"longitude":              {-2.25, true},
		"regenerateMqttApiKey":   {true, false},
		"installedCapacityWatts": {6000.0, true},
		"currency":               {"USD", false},
		"systemCost":             {200.75, true},
		"maintenanceCostPerYear": {20.25, true},
		"installationDate":       {"2025-01-01T12:00:00Z", true},
		"connectionType":         {"MQTT", false},
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		c := fields[name]
		t.Run(name, func(t *testing.T) {
			id := p.newSource(t, "MQTT", begin)
			before := p.get(t, sourcePath(id)).object(t)

			got := p.put(t, sourcePath(id), object{name: c.set})
			got.want(t, 200)
			changed := maps.Clone(before)
			if _, shown := before[name]; shown {
				changed[name] = c.set
			}
			if name == "powerGroupId" {
				changed["powerGroupName"] = "Away"
			}
			s.wantSource(t, "set", got.object(t), changed)
			s.wantSource(t, "set and read again", p.get(t, sourcePath(id)).object(t), changed)

			p.put(t, sourcePath(id), object{}).want(t, 200)
			s.wantSource(t, "absent", p.get(t, sourcePath(id)).object(t), changed)

			null := p.put(t, sourcePath(id), object{name: nil})
			if !c.null {
				null.wantErrors(t, name)
				s.wantSource(t, "null refused", p.get(t, sourcePath(id)).object(t), changed)
				return
			}
			null.want(t, 200)
			changed[name] = nil
			if name == "powerGroupId" {
				changed["powerGroupName"] = nil
			}
			s.wantSource(t, "null", null.object(t), changed)
			s.wantSource(t, "null and read again", p.get(t, sourcePath(id)).object(t), changed)
		})
	}
}

// wantSource compares two sources but for updatedAt, which must not go back.
func (s *suite) wantSource(t *testing.T, when string, got, want object) {
	t.Helper()
	for name, value := range want {
		if name != "updatedAt" && !reflect.DeepEqual(got[name], value) {
			t.Errorf("%s: %s is %v, want %v", when, name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: there are %d names, want %d", when, len(got), len(want))
	}
	before, ok1 := want["updatedAt"].(string)
	after, ok2 := got["updatedAt"].(string)
	if !ok1 || !ok2 || first(after, 19) < first(before, 19) {
		t.Errorf("%s: updatedAt went from %v to %v", when, want["updatedAt"], got["updatedAt"])
	}
}
