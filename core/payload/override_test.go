package payload_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"ampra/core/fault"
	"ampra/core/payload"
)

func overridden(t *testing.T, data string, o payload.Options, list ...payload.Override) payload.Sample {
	t.Helper()
	if f := payload.CheckOverrides("o", list); f.Err() != nil {
		t.Fatal(f.Err())
	}
	o.Overrides, o.Received = payload.NewOverrides(list), received()
	r, err := payload.Normalise([]byte(data), o)
	if err != nil || len(r.Samples) != 1 {
		t.Fatalf("%v, %+v", err, r)
	}
	return r.Samples[0]
}

func TestAnOverrideWinsOverEveryRule(t *testing.T) {
	t.Parallel()
	grott := `{"device":"N","time":"2026-06-14T12:00:05Z","buffered":"no","values":{"pvserial":"N","pvpowerin":12345,"pvpowerout":12001,"eactotal":81200,"spare":70}}`
	for name, c := range map[string]struct {
		data string
		o    payload.Override
		want float64
	}{
		"a profile's, by its whole name":        {grott, payload.Override{Field: "solarPowerWatts", From: "values.spare"}, 70},
		"a profile's, by its name in extra":     {grott, payload.Override{Field: "solarPowerWatts", From: "spare"}, 70},
		"with a unit":                           {grott, payload.Override{Field: "energyTotalKwh", From: "spare", Unit: "Wh"}, 0.07},
		"with a scale that is one over a whole": {grott, payload.Override{Field: "acPowerWatts", From: "values.pvpowerout", Scale: 0.1}, 1200.1},
		"with any scale":                        {grott, payload.Override{Field: "acPowerWatts", From: "spare", Scale: 0.75}, 52.5},
		"with its sign turned":                  {grott, payload.Override{Field: "gridPowerWatts", From: "spare", Invert: true}, -70},
		"a general rule's":                      {`{"pv_power":1,"other":2}`, payload.Override{Field: "solarPowerWatts", From: "other"}, 2},
		"the unit beside the value":             {`{"a":{"v":2,"u":"kW"}}`, payload.Override{Field: "gridPowerWatts", From: "a"}, 2000},
		"its own unit over the one beside":      {`{"a":{"v":2,"u":"kW"}}`, payload.Override{Field: "gridPowerWatts", From: "a", Unit: "W"}, 2},
		"a text with a comma and a unit":        {`{"a":"2,5 kW"}`, payload.Override{Field: "gridPowerWatts", From: "a"}, 2500},
		"an element of a list":                  {`{"a":[1,2,3]}`, payload.Override{Field: "batteryStateOfChargePercent", From: "a.1"}, 2},
		"a wrapped value":                       {`{"ts":1756123456000,"values":{"x":5}}`, payload.Override{Field: "loadPowerWatts", From: "x"}, 5},
		"SenML":                                 {`[{"bn":"d:","n":"x","v":5}]`, payload.Override{Field: "loadPowerWatts", From: "x"}, 5},
		"a form":                                {`d=20260614&t=12:00&v1=8120&v2=2622&v5=31.2`, payload.Override{Field: "inverterTemperatureCelsius", From: "v5"}, 31.2},
		"a line":                                {`m,t=1 x=5,pv_power=1 1756123456000000000`, payload.Override{Field: "loadPowerWatts", From: "x"}, 5},
	} {
		s := overridden(t, c.data, payload.Options{}, c.o)
		f := fieldOf(t, c.o.Field)
		got, ok := s.Get(f)
		if !ok || math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v, %v, want %v", name, got, ok, c.want)
		}
		rules := 0
		for _, g := range s.Given {
			if g.Field() == c.o.Field {
				rules++
				if g.Rule != "override" {
					t.Errorf("%s: given by %q", name, g.Rule)
				}
			}
		}
		if rules != 1 {
			t.Errorf("%s: given by %d rules", name, rules)
		}
	}
}

func fieldOf(t *testing.T, name string) payload.Field {
	t.Helper()
	for f := range payload.Field(payload.NumFields) {
		if f.String() == name {
			return f
		}
	}
	t.Fatalf("there is no field %q", name)
	return 0
}

func TestAFieldWithAnOverrideComesFromItAlone(t *testing.T) {
	t.Parallel()
	s := overridden(t, `{"pv_power":100,"load_power":7}`, payload.Options{}, payload.Override{Field: "solarPowerWatts", From: "elsewhere"})
	if got, ok := s.Get(payload.SolarPowerWatts); ok {
		t.Errorf("the rules gave %v", got)
	}
	if !slices.Contains(s.Extra, payload.Extra{Name: "pv_power", Number: 100}) {
		t.Errorf("what the rules would have taken is lost: %+v", s.Extra)
	}
	if _, ok := s.Get(payload.LoadPowerWatts); !ok {
		t.Error("other fields are gone, too")
	}
}

func TestSeveralOverridesOfAFieldAreItsSumOrNothing(t *testing.T) {
	t.Parallel()
	list := []payload.Override{{Field: "batteryPowerWatts", From: "out"}, {Field: "batteryPowerWatts", From: "in", Invert: true}}
	s := overridden(t, `{"out":10,"in":300,"pv_power":1}`, payload.Options{}, list...)
	if got, ok := s.Get(payload.BatteryPowerWatts); !ok || got != -290 {
		t.Errorf("the sum is %v, %v", got, ok)
	}
	s = overridden(t, `{"out":10,"pv_power":1}`, payload.Options{}, list...)
	if got, ok := s.Get(payload.BatteryPowerWatts); ok {
		t.Errorf("of a part alone: %v", got)
	}
}

func TestOverridesReachTimesStatesStringsAndNothing(t *testing.T) {
	t.Parallel()
	s := overridden(t, `{"when":1756123456,"time":1,"mode":3,"note":"fine","east":{"w":5},"pv_power":8}`, payload.Options{},
		payload.Override{Field: "timestamp", From: "when"}, payload.Override{Field: "status.code", From: "mode"},
		payload.Override{Field: "status.text", From: "note"}, payload.Override{Field: "strings[1].powerWatts", From: "east.w"},
		payload.Override{Field: "extra", From: "pv_power"})
	if !s.Timed || s.Milli != 1756123456000 || s.Status.Code != 3 || s.Status.Text != "fine" {
		t.Errorf("%+v", s)
	}
	if len(s.Strings) != 2 || s.Strings[1].Number[2] != 5 {
		t.Errorf("the strings are %+v", s.Strings)
	}
	if _, ok := s.Get(payload.SolarPowerWatts); ok || !slices.Contains(s.Extra, payload.Extra{Name: "pv_power", Number: 8}) {
		t.Errorf("what shall be no field is one: %+v", s)
	}
}

func TestEverythingWrongWithOverridesIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		list []payload.Override
		want string
	}{
		"right":                  {[]payload.Override{{Field: "gridPowerWatts", From: "a", Unit: "mW", Scale: 1e-9, Invert: true}}, ""},
		"no such field":          {[]payload.Override{{Field: "power", From: "a"}}, "o[0].field"},
		"no such string":         {[]payload.Override{{Field: "strings[32].powerWatts", From: "a"}}, "o[0].field"},
		"no such part":           {[]payload.Override{{Field: "strings[0].power", From: "a"}}, "o[0].field"},
		"a padded string":        {[]payload.Override{{Field: "strings[01].powerWatts", From: "a"}}, "o[0].field"},
		"no name":                {[]payload.Override{{Field: "extra"}}, "o[0].from"},
		"another unit":           {[]payload.Override{{Field: "gridPowerWatts", From: "a", Unit: "kWh"}}, "o[0].unit"},
		"a scale of a time":      {[]payload.Override{{Field: "timestamp", From: "a", Scale: 2, Invert: true}}, "o[0].invertSign o[0].scale"},
		"a negative scale":       {[]payload.Override{{Field: "gridPowerWatts", From: "a", Scale: -2}}, "o[0].scale"},
		"a scale without bounds": {[]payload.Override{{Field: "gridPowerWatts", From: "a", Scale: math.Inf(1)}}, "o[0].scale"},
		"a sum of volts":         {[]payload.Override{{Field: "gridVoltageVolts", From: "a"}, {Field: "gridVoltageVolts", From: "b"}}, "o[1].field"},
		"twice":                  {[]payload.Override{{Field: "gridPowerWatts", From: "a"}, {Field: "gridPowerWatts", From: "a"}}, "o[1]"},
		"too many":               {make([]payload.Override, payload.MaxOverrides+1), "o"},
	} {
		f := payload.CheckOverrides("o", c.list)
		var fields []string
		if e, ok := errors.AsType[*fault.Error](f.Err()); ok {
			for field := range e.Fields {
				fields = append(fields, field)
			}
		}
		slices.Sort(fields)
		if got := strings.Join(fields, " "); got != c.want && (name != "too many" || !slices.Contains(fields, "o")) {
			t.Errorf("%s: names %q, want %q", name, got, c.want)
		}
	}
}

func TestAPinnedProfileReadsWhateverComes(t *testing.T) {
	t.Parallel()
	read := func(data, profile string) payload.Result {
		r, err := payload.Normalise([]byte(data), payload.Options{Profile: profile, Received: received()})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	cut := `{"device":"N","values":{"pvpowerin":12345}}` // without what marks a Grott
	if r := read(cut, ""); r.Profile == "grott" {
		t.Fatal("it is recognised without a pin")
	}
	r := read(cut, "grott")
	if got, ok := r.Samples[0].Get(payload.SolarPowerWatts); r.Profile != "grott" || !ok || got != 1234.5 {
		t.Errorf("pinned: %+v", r)
	}
	tasmota := `{"Time":"2026-06-14T12:00:07Z","ENERGY":{"TotalStartTime":"2025-03-01T08:00:00","Total":812.417,"Power":612}}`
	if r := read(tasmota, payload.General); r.Profile != "" {
		t.Errorf("general rules alone say %q", r.Profile)
	}
	for _, name := range payload.Profiles() {
		if name != payload.General && name != payload.Canonical && read(`{"x":1}`, name).Profile != name {
			t.Errorf("%s does not read when it is pinned", name)
		}
	}
}

func TestAPinnedProfileReadsAlsoWhatSaysItselfWhatItIs(t *testing.T) {
	t.Parallel()
	senML := `[{"bn":"d:","n":"pvPower","v":2000},{"n":"homePower","v":500},{"n":"solarPowerWatts","v":7}]`
	bulk := `[[0,"site",{"pvPower":2000,"homePower":500,"solarPowerWatts":7}]]`
	for name, c := range map[string]struct{ data, profile, want string }{
		"SenML, a vendor's":   {senML, "evcc", "solarPowerWatts=2000 loadPowerWatts=500 extra solarPowerWatts=7"},
		"SenML, general":      {senML, payload.General, "solarPowerWatts=2000 loadPowerWatts=500"},
		"SenML, canonical":    {senML, payload.Canonical, "solarPowerWatts=7 extra pvPower=2000 extra homePower=500"},
		"emoncms, a vendor's": {bulk, "evcc", "solarPowerWatts=2000 loadPowerWatts=500 extra solarPowerWatts=7"},
		"emoncms, canonical":  {bulk, payload.Canonical, "solarPowerWatts=7 extra pvPower=2000 extra homePower=500"},
	} {
		r, err := payload.Normalise([]byte(c.data), payload.Options{Profile: c.profile, Received: received()})
		if err != nil || len(r.Samples) != 1 {
			t.Fatalf("%s: %v, %+v", name, err, r)
		}
		if got := short(&r.Samples[0]); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// short is what a sample has, in one line.
func short(s *payload.Sample) string {
	var parts []string
	for f := range payload.Field(payload.NumFields) {
		if number, ok := s.Get(f); ok {
			parts = append(parts, fmt.Sprintf("%s=%v", f, number))
		}
	}
	for _, e := range s.Extra {
		parts = append(parts, fmt.Sprintf("extra %s=%v", e.Name, e.Number))
	}
	return strings.Join(parts, " ")
}

func TestPinsAndOverridesReachValuesOnTopicsOfTheirOwn(t *testing.T) {
	t.Parallel()
	values := func(list ...string) (values []payload.Value) {
		for ; len(list) > 1; list = list[2:] {
			values = append(values, payload.Value{Topic: list[0], Payload: []byte(list[1])})
		}
		return values
	}
	plain := values("roof/pv_power", "812.5", "roof/gridPowerWatts", "-3", "meter/m1", "2.5 kW")
	for name, c := range map[string]struct {
		values  []payload.Value
		profile string
		list    []payload.Override
		want    string
	}{
		"none":                  {plain, "", nil, "solarPowerWatts=812.5 gridPowerWatts=-3"},
		"canonical":             {plain, payload.Canonical, nil, "gridPowerWatts=-3 extra roof.pv_power=812.5"},
		"general over a vendor": {values("s/0/power", "5", "s/0/yieldday", "10", "s/pv_power", "3"), payload.General, nil, "solarPowerWatts=3 extra s.0.power=5 extra s.0.yieldday=10"},
		"a vendor, unmarked":    {values("s/0/power", "5", "s/0/voltage", "231"), "opendtu", nil, "acPowerWatts=5 gridVoltageVolts=231"},
		"a vendor with no topics of its own": {
			values("x/ENERGY/Power", "5", "x/ENERGY/Total", "7"), "tasmota", nil,
			"acPowerWatts=5 energyTotalKwh=7",
		},
		"an override of a whole topic": {
			plain, "",
			[]payload.Override{{Field: "loadPowerWatts", From: "meter.m1"}},
			"solarPowerWatts=812.5 gridPowerWatts=-3 loadPowerWatts=2500",
		},
		"an override over a canonical name": {
			plain, "",
			[]payload.Override{{Field: "gridPowerWatts", From: "roof.gridPowerWatts", Invert: true}},
			"solarPowerWatts=812.5 gridPowerWatts=3",
		},
		"an override under the short name, with a pin": {
			values("s/0/power", "5", "s/0/voltage", "231"), "opendtu",
			[]payload.Override{{Field: "loadPowerWatts", From: "0.power"}},
			"loadPowerWatts=5 gridVoltageVolts=231",
		},
	} {
		if f := payload.CheckOverrides("o", c.list); f.Err() != nil {
			t.Fatal(f.Err())
		}
		o := payload.Options{Profile: c.profile, Overrides: payload.NewOverrides(c.list), Received: received()}
		r := payload.NormaliseTopics(c.values, o)
		if len(r.Samples) != 1 {
			t.Fatalf("%s: %+v", name, r)
		}
		if got := short(&r.Samples[0]); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// FuzzDecidedPayloads looks for payloads that no profile or override may break.
func FuzzDecidedPayloads(f *testing.F) {
	f.Add(`{"a":1,"values":{"x":"2 kW"}}`, uint8(3), "a", "gridPowerWatts", 1.0)
	f.Add(`[{"n":"x","v":1,"t":-5}]`, uint8(9), "x", "strings[3].currentAmperes", 0.5)
	f.Add(`{"production":[{"type":"eim"}],"Data":[1,2],"emeters":[{"is_valid":false}]}`, uint8(20), "Data.0", "timestamp", 0.0)
	f.Add(`m x=1,y=2i 5`, uint8(0), "y", "status.text", 0.0)
	f.Fuzz(func(t *testing.T, data string, pin uint8, from, field string, scale float64) {
		list := []payload.Override{{Field: field, From: from, Scale: scale}, {Field: "batteryPowerWatts", From: from + "2"}}
		if bad := payload.CheckOverrides("o", list); bad.Err() != nil {
			list = list[1:]
		}
		names := payload.Profiles()
		o := payload.Options{Received: received(), Profile: names[int(pin)%len(names)], Overrides: payload.NewOverrides(list), Name: field}
		r, err := payload.Normalise([]byte(data), o)
		if err != nil {
			return
		}
		for i := range r.Samples {
			s := &r.Samples[i]
			for f := range payload.Field(payload.NumFields) {
				if v, ok := s.Get(f); ok && (math.IsNaN(v) || math.IsInf(v, 0)) {
					t.Errorf("%v is %v", f, v)
				}
			}
			for _, g := range s.Given {
				if o.Overrides.Gives(g.Field()) && g.Rule != "override" {
					t.Errorf("%s is given by %s over an override", g.Field(), g.Rule)
				}
			}
		}
		_ = fmt.Sprint(payload.Overridden([]byte(data), o))
	})
}
