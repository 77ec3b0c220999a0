package telemetry

import (
	"slices"
	"strconv"
	"time"

	"ampra/core/payload"
)

// Explain says of each field of a reading by which rule it came, in the order of
// the canonical form. given is the reading's own of a Report. Rule is "" where no
// rule was needed: the field came under its canonical name. What is in extra came
// under its own name and is not listed.
func Explain(r *Reading, given []payload.Given, at time.Time) []Explained {
	var list []Explained
	add := func(field string) {
		one := Explained{Field: field, At: at}
		for _, g := range given {
			if g.Field() != field {
				continue
			}
			one.Rule, one.Assumed = g.Rule, one.Assumed || g.Assumed
			if !slices.Contains(one.From, g.From) {
				one.From = append(one.From, g.From)
			}
		}
		if field == "timestamp" && one.Rule == "" {
			return // it may be the time of receipt
		}
		list = append(list, one)
	}
	for _, field := range r.Fields() {
		add(field)
	}
	return list
}

// Fields are the names of all that is known in a reading but extra, in the order
// of the canonical form, the parts of strings and phases apart.
func (r *Reading) Fields() []string {
	names := []string{"timestamp"}
	for f := range Field(NumFields) {
		if _, ok := r.Values.Get(f); ok {
			names = append(names, f.String())
		}
	}
	for _, group := range [...]struct {
		name  string
		lines []Line
	}{{"strings", r.Strings}, {"phases", r.Phases}} {
		for i, l := range group.lines {
			for part, number := range [...]*float64{l.VoltageVolts, l.CurrentAmperes, l.PowerWatts} {
				if number != nil {
					names = append(names, group.name+"["+strconv.Itoa(i)+"]."+lineParts[part].name)
				}
			}
		}
	}
	if r.Status != nil && r.Status.Code != nil {
		names = append(names, "status.code")
	}
	if r.Status != nil && r.Status.Text != nil {
		names = append(names, "status.text")
	}
	return names
}
