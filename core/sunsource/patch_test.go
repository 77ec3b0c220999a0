package sunsource_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/fault"
	"ampra/core/patch"
	"ampra/core/sunsource"
)

// full is a source that has everything.
func full() sunsource.SunSource {
	return sunsource.SunSource{
		ID: uuid.UUID{1}, OwnerID: uuid.UUID{2}, Name: "Roof", Description: new("old"), IconURL: new("https://example.org/old.png"),
		PowerGroupID: new(uuid.UUID{3}), PowerGroupName: new("Home"), ConnectionType: sunsource.MQTT, Latitude: new(45.4642),
		Longitude: new(9.19), IsActive: true, InstalledCapacityWatts: new(5000.0), Currency: "EUR", SystemCost: money("12500.00"),
		MaintenanceCostPerYear: money("250"), InstallationDate: new(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)),
		CreatedAt: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), UpdatedAt: time.Date(2025, 2, 2, 0, 0, 0, 0, time.UTC),
	}
}

// patched says what each field of a Patch does; a field that is not here fails
// the tests below.
func patched() map[string]struct {
	json     string
	nullable bool
	set      any // patch.Set of a value that full does not have
	wrong    any // patch.Set of a value that is not allowed, nil where there is none
} {
	type effect = struct {
		json     string
		nullable bool
		set      any
		wrong    any
	}
	return map[string]effect{
		"Name":                   {"name", false, patch.Set("new"), patch.Set("")},
		"Description":            {"description", true, patch.Set("new"), patch.Set(string(make([]byte, 501)))},
		"IconURL":                {"iconUrl", true, patch.Set("http://example.org/new.png"), patch.Set("new.png")},
		"PowerGroupID":           {"powerGroupId", true, patch.Set(uuid.UUID{9}), nil},
		"IsActive":               {"isActive", false, patch.Set(false), nil},
		"Latitude":               {"latitude", true, patch.Set(-90.0), patch.Set(90.5)},
		"Longitude":              {"longitude", true, patch.Set(0.0), patch.Set(-180.5)},
		"InstalledCapacityWatts": {"installedCapacityWatts", true, patch.Set(0.0), patch.Set(-1.0)},
		"Currency":               {"currency", false, patch.Set("CHF"), patch.Set("Fr.")},
		"SystemCost":             {"systemCost", true, patch.Set(*money("0")), patch.Set(*money("-1"))},
		"MaintenanceCostPerYear": {"maintenanceCostPerYear", true, patch.Set(*money("0.1")), patch.Set(*money("1e15"))},
		"InstallationDate":       {"installationDate", true, patch.Set(time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)), patch.Set(time.Time{})},
		"ConnectionType":         {"connectionType", false, patch.Set(sunsource.MQTT), patch.Set(sunsource.ConnectionType("Pigeon"))},
	}
}

// fieldsOfPatch names the fields of Patch and fails for one that no test covers.
func fieldsOfPatch(t *testing.T) []string {
	t.Helper()
	var names []string
	for field := range reflect.TypeFor[sunsource.Patch]().Fields() {
		if _, ok := patched()[field.Name]; !ok {
			t.Errorf("no test says what the field %s of a patch does", field.Name)
			continue
		}
		if _, ok := reflect.TypeFor[sunsource.SunSource]().FieldByName(field.Name); !ok {
			t.Errorf("a source has no field %s", field.Name)
			continue
		}
		names = append(names, field.Name)
	}
	if len(names) != len(patched()) {
		t.Errorf("tests cover fields that a patch has not: %v", names)
	}
	return names
}

// with is a patch of one field.
func with(name string, field any) sunsource.Patch {
	var p sunsource.Patch
	reflect.ValueOf(&p).Elem().FieldByName(name).Set(reflect.ValueOf(field))
	return p
}

// null is a patch of one field that is sent as null.
func null(name string) sunsource.Patch {
	var p sunsource.Patch
	reflect.ValueOf(&p).Elem().FieldByName(name).FieldByName("Sent").SetBool(true)
	return p
}

// differences names the fields in which two sources differ.
func differences(a, b sunsource.SunSource) []string {
	var names []string
	for field := range reflect.TypeFor[sunsource.SunSource]().Fields() {
		x, y := reflect.ValueOf(a).FieldByIndex(field.Index).Interface(), reflect.ValueOf(b).FieldByIndex(field.Index).Interface()
		if m, ok := x.(*decimal.Decimal); ok {
			if n, _ := y.(*decimal.Decimal); (m == nil) != (n == nil) || m != nil && !m.Equal(*n) {
				names = append(names, field.Name)
			}
		} else if !reflect.DeepEqual(x, y) {
			names = append(names, field.Name)
		}
	}
	return names
}

func TestAnAbsentFieldStays(t *testing.T) {
	t.Parallel()
	s := full()
	if err := (sunsource.Patch{}).Apply(&s); err != nil {
		t.Fatal(err)
	}
	if changed := differences(s, full()); len(changed) > 0 {
		t.Errorf("nothing was sent, and these changed: %v", changed)
	}
}

func TestAFieldThatIsSetChangesItselfOnly(t *testing.T) {
	t.Parallel()
	for _, name := range fieldsOfPatch(t) {
		s, c := full(), patched()[name]
		if err := with(name, c.set).Apply(&s); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := []string{name}
		if name == "ConnectionType" {
			want = nil // the same value again
		}
		if changed := differences(s, full()); !slices.Equal(changed, want) {
			t.Errorf("%s: changed %v", name, changed)
		}
		got := reflect.Indirect(reflect.ValueOf(s).FieldByName(name)).Interface()
		if set := reflect.ValueOf(c.set).FieldByName("Value").Elem().Interface(); !reflect.DeepEqual(got, set) {
			t.Errorf("%s: got %v, want %v", name, got, set)
		}
	}
}

func TestNullClearsWhatMayBeNull(t *testing.T) {
	t.Parallel()
	for _, name := range fieldsOfPatch(t) {
		s, c := full(), patched()[name]
		err := null(name).Apply(&s)
		if !c.nullable {
			if got := fieldsOf(err); !slices.Equal(got, []string{c.json}) {
				t.Errorf("%s: got %v, want the field %s named", name, err, c.json)
			}
			continue
		}
		if changed := differences(s, full()); err != nil || !slices.Equal(changed, []string{name}) {
			t.Errorf("%s: changed %v, %v", name, changed, err)
		}
		if !reflect.ValueOf(s).FieldByName(name).IsNil() {
			t.Errorf("%s: is still there", name)
		}
	}
}

func TestAPatchIsValidated(t *testing.T) {
	t.Parallel()
	for _, name := range fieldsOfPatch(t) {
		s, c := full(), patched()[name]
		if c.wrong == nil {
			continue
		}
		if got := fieldsOf(with(name, c.wrong).Apply(&s)); !slices.Equal(got, []string{c.json}) {
			t.Errorf("%s: got the fields %v, want %s", name, got, c.json)
		}
	}
}

func TestAPatchNamesNullsAndWrongValuesTogether(t *testing.T) {
	t.Parallel()
	s := full()
	err := sunsource.Patch{
		Name: patch.Null[string](), IsActive: patch.Null[bool](), Currency: patch.Null[string](), ConnectionType: patch.Null[sunsource.ConnectionType](),
		Latitude: patch.Set(91.0), IconURL: patch.Set("x"),
	}.Apply(&s)
	want := []string{"connectionType", "currency", "iconUrl", "isActive", "latitude", "name"}
	if got := fieldsOf(err); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTheConnectionTypeStays(t *testing.T) {
	t.Parallel()
	s := full()
	err := sunsource.Patch{ConnectionType: patch.Set(sunsource.Webhook)}.Apply(&s)
	if !fault.Is(err, fault.Conflict) || s.ConnectionType != sunsource.MQTT {
		t.Errorf("got %v and the type %s", err, s.ConnectionType)
	}
	// A rule that is broken as well comes first: all of it can be mended at once.
	err = sunsource.Patch{ConnectionType: patch.Set(sunsource.Webhook), Latitude: patch.Set(91.0)}.Apply(&s)
	if got := fieldsOf(err); !slices.Equal(got, []string{"latitude"}) {
		t.Errorf("got %v", err)
	}
}
