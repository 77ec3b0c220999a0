package httpapi

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"ampra/core/fault"
	"ampra/core/patch"
)

// form is a body of every kind of field.
type form struct {
	name     string
	note     *string
	watts    *float64
	cost     *decimal.Decimal
	since    *time.Time
	again    bool
	active   patch.Field[bool]
	latitude patch.Field[float64]
}

func (f *form) fields() []field {
	return []field{
		need("name", &f.name, text(), ""), opt("note", &f.note, text(), ""), opt("watts", &f.watts, number(), ""),
		opt("cost", &f.cost, amount(), ""), opt("since", &f.since, moment(), ""), may("again", &f.again, boolean(), ""),
		change("active", &f.active, boolean(), false, ""), change("latitude", &f.latitude, number(), true, ""),
	}
}

func read(body string) (form, map[string][]string, error) {
	var f form
	var wrong fault.Fields
	err := readObject([]byte(body), f.fields(), &wrong)
	fields := map[string][]string{}
	if e, ok := errors.AsType[*fault.Error](wrong.Err()); ok {
		fields = e.Fields
	}
	return f, fields, err
}

func TestAFieldIsAbsentNullOrSet(t *testing.T) {
	t.Parallel()
	absent, wrong, err := read(`{"name":"x"}`)
	if err != nil || len(wrong) > 0 || absent.active.Sent || absent.latitude.Sent || absent.note != nil {
		t.Errorf("absent: %+v %v %v", absent, wrong, err)
	}
	null, wrong, err := read(`{"name":"x","active":null,"latitude":null,"note":null,"watts":null}`)
	if err != nil || len(wrong) > 0 || !null.active.Sent || null.active.Value != nil || !null.latitude.Sent || null.note != nil || null.watts != nil {
		t.Errorf("null: %+v %v %v", null, wrong, err)
	}
	set, wrong, err := read(` { "name" : "x" , "active":true,"latitude":-0.0,"note":"","again":true,"watts":1e-400,"cost":0e99,"since":"2024-06-01T02:00:00+02:00"} `)
	if err != nil || len(wrong) > 0 || !*set.active.Value || *set.note != "" || !set.again {
		t.Errorf("set: %+v %v %v", set, wrong, err)
	}
	if math.Signbit(*set.latitude.Value) || *set.watts != 0 || set.cost.Exponent() != 0 || set.since.Format(time.RFC3339) != "2024-06-01T00:00:00Z" {
		t.Errorf("values: %v %v %v %v", *set.latitude.Value, *set.watts, set.cost, set.since)
	}
}

func TestEveryWrongFieldIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{}`:                         "name",
		`{"name":null,"again":null}`: "again name",
		`{"name":5,"note":5,"watts":"5","cost":"5","since":5,"again":"true","active":0,"latitude":"x"}`: "active again cost latitude name note since watts",
		`{"name":"x","name":"x"}`:                             "name",
		`{"name":"x","n\u0061me":"y"}`:                        "name",
		`{"Name":"x"}`:                                        "Name name",
		`{"name":"x","other":{"deep":[1,{"a":1,"a":2}]}}`:     "other",
		`{"name":"x","id":1,"mqttApiKey":"x"}`:                "id mqttApiKey",
		`{"name":"\u0000"}`:                                   "name",
		`{"name":"x","watts":1e400,"cost":5e9999999}`:         "cost watts",
		`{"name":"x","cost":` + strings.Repeat("1", 65) + `}`: "cost",
		`{"name":"x","cost":1e99999999999}`:                   "cost",
		`{"name":"x","since":"2024-06-01"}`:                   "since",
		`{"name":["x"],"since":{}}`:                           "name since",
	} {
		_, wrong, err := read(body)
		if got := strings.Join(slices.Sorted(maps.Keys(wrong)), " "); got != want || err != nil {
			t.Errorf("%s names %q (%v), want %q", body, got, err, want)
		}
	}
}

func TestAnUnknownNameIsToldWhatItMayMean(t *testing.T) {
	t.Parallel()
	_, wrong, _ := read(`{"NAME":"x","createdAt":1,"colour":1,"` + strings.Repeat("ü", 5000) + `":1}`)
	if !strings.Contains(wrong["NAME"][0], "did you mean name?") || !strings.Contains(wrong["createdAt"][0], "server") ||
		wrong["colour"][0] != "is not a field of this request" {
		t.Errorf("the messages are %v", wrong)
	}
	for name := range wrong {
		if len(name) > 3*maxNotedName {
			t.Errorf("a name of %d bytes comes back", len(name))
		}
	}
}

func TestWhatIsSaidOfABodyIsBoundedHoweverOftenItIsWrong(t *testing.T) {
	t.Parallel()
	for what, body := range map[string]string{
		"one name again and again": `{"name":"x"` + strings.Repeat(`,"name":"x"`, 10_000) + `}`,
		"one unknown name":         `{"name":"x"` + strings.Repeat(`,"colour":1`, 10_000) + `}`,
	} {
		_, wrong, err := read(body)
		said := 0
		for _, messages := range wrong {
			said += len(messages)
		}
		if err != nil || said == 0 || said > maxNoted {
			t.Errorf("%s: %d messages (%v), want 1 to %d", what, said, err, maxNoted)
		}
	}
}

// FuzzReadObject looks for a body that is taken though it is not strict JSON, or
// for one that is neither taken nor refused.
func FuzzReadObject(f *testing.F) {
	for _, seed := range []string{
		`{"name":"x"}`, `{"name":"x","cost":12500.00,"watts":1e3,"since":"2024-06-01T00:00:00Z","active":null}`, `{"name":"x","name":"y"}`, `{`, ``,
		`[{"name":"x"}]`, `{"name":"\ud83c\udf1e"}`, `{"name":"x"}{"name":"y"}`, "{\"name\":\"\xff\"}", `{"cost":1e999999999}`, `{"cost":-0.000e-5}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, wrong, err := read(body)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%q is refused as %v", body, err)
			}
			return
		}
		for name, messages := range wrong {
			if len(messages) == 0 || len(name) > 4*maxNotedName+8 {
				t.Errorf("%q: %q has the messages %v", body, name, messages)
			}
		}
		if len(wrong) > maxNoted+8 {
			t.Errorf("%d fields are named", len(wrong))
		}
		if len(wrong) > 0 {
			return
		}
		if strings.ContainsRune(got.name, 0) || (got.watts != nil && (math.IsInf(*got.watts, 0) || math.IsNaN(*got.watts))) {
			t.Errorf("%q is taken as %+v", body, got)
		}
		if got.cost != nil && len(got.cost.Abs().BigInt().Bytes()) > 1<<16 {
			t.Errorf("%q makes a cost of %d bytes", body, len(got.cost.BigInt().Bytes()))
		}
	})
}
