package payload

import (
	"math"
	"strconv"
	"strings"

	"ampra/core/fault"
)

// ruleOverride names what an owner decided.
const ruleOverride = "override"

// FieldExtra is the Override.Field of a member that no field shall be made of:
// it stays under its own name.
const FieldExtra = "extra"

// Limits of overrides.
const (
	MaxOverrides = 32
	maxScale     = 1e9
)

// Override says where a field of a reading comes from, over all rules. A field
// that has one comes from it alone: what the rules would have made it of stays
// under its own name. Several of one power or energy are summed, and the sum is
// known only when all of them are there.
type Override struct {
	// Field is the field's name as Given.Field has it ("gridPowerWatts",
	// "strings[0].powerWatts", "status.code", "timestamp"), or FieldExtra.
	Field string
	// From is the member's flattened name: names in each other joined by dots, list
	// elements by their number from 0. As it stands in extra will do.
	From string
	// Unit is the member's, over one that stands beside the value; "" for that or,
	// without any, the field's own.
	Unit string
	// Scale is how many of its unit one of the member's numbers is; 0 is 1.
	Scale float64
	// Invert turns the sign.
	Invert bool
}

// parseField finds where a field's name leads, and the string or phase.
func parseField(name string) (to Target, line int, ok bool) {
	for f := range Field(NumFields) {
		if f.String() == name {
			return Target(f), 0, true
		}
	}
	switch name {
	case "status.code":
		return ToStatusCode, 0, true
	case "status.text":
		return ToStatusText, 0, true
	case "timestamp":
		return ToTime, 0, true
	case FieldExtra:
		return toNothing, 0, true
	}
	for group, first := range map[string]Target{"strings[": ToString, "phases[": ToPhase} {
		rest, found := strings.CutPrefix(name, group)
		if !found {
			continue
		}
		digits, part, _ := strings.Cut(rest, "].")
		line, err := strconv.Atoi(digits)
		if err != nil || line < 0 || line >= maxLines || strconv.Itoa(line) != digits {
			return 0, 0, false
		}
		for i, one := range lineParts() {
			if one == part {
				return first + Target(i), line, true
			}
		}
	}
	return 0, 0, false
}

func lineParts() [parts]string { return [...]string{"voltageVolts", "currentAmperes", "powerWatts"} }

// Units are the units of an override of the field, none where it has no unit.
func Units(field string) []string {
	to, _, ok := parseField(field)
	if !ok {
		return nil
	}
	return unitsOf(dimensionOf(to))
}

func unitsOf(d dimension) []string {
	switch d {
	case power:
		return []string{"W", "kW", "MW", "mW"}
	case energy:
		return []string{"kWh", "Wh", "MWh", "Wmin", "J"}
	case voltage:
		return []string{"V", "mV"}
	case current:
		return []string{"A", "mA"}
	case frequency:
		return []string{"Hz"}
	case temperature:
		return []string{"C"}
	case percent:
		return []string{"%", "/"}
	default:
		return nil
	}
}

// check names what is wrong with an override, under its name in the list.
func (o Override) check(name string, f *fault.Fields) (to Target) {
	to, _, ok := parseField(o.Field)
	f.Check(ok, name+".field", `must be a field of a reading, such as "gridPowerWatts", "strings[0].powerWatts" or "timestamp", or "extra"`)
	f.Check(len(o.From) > 0 && len(o.From) <= maxPath, name+".from", "must be the name of a member, of 1 to 256 bytes")
	if !ok {
		return to
	}
	units := unitsOf(dimensionOf(to))
	known := o.Unit == ""
	for _, unit := range units {
		known = known || unit == o.Unit
	}
	switch {
	case known:
	case len(units) == 0:
		f.Add(name+".unit", "must be null: the field has no unit")
	default:
		f.Add(name+".unit", "must be one of "+strings.Join(units, ", "))
	}
	size := math.Abs(o.Scale)
	switch {
	case o.Scale == 0:
	case len(units) == 0:
		f.Add(name+".scale", "must be null: the field is not a quantity")
	default:
		f.Check(o.Scale > 0 && size >= 1/maxScale && size <= maxScale, name+".scale", "must be above 0, from 0.000000001 to 1000000000; invertSign turns the sign")
	}
	f.Check(!o.Invert || len(units) > 0, name+".invertSign", "must be false: the field is not a quantity")
	return to
}

// CheckOverrides names everything that is wrong with a list of overrides, under
// the name that the list has.
func CheckOverrides(name string, list []Override) (f fault.Fields) {
	f.Check(len(list) <= MaxOverrides, name, "must have at most "+strconv.Itoa(MaxOverrides)+" entries")
	type place struct{ field, from string }
	fields, places := map[string]bool{}, map[place]bool{}
	for i, o := range list[:min(len(list), MaxOverrides)] {
		at := name + "[" + strconv.Itoa(i) + "]"
		to := o.check(at, &f)
		d := dimensionOf(to)
		if sums := int(to) < NumFields && (d == power || d == energy); fields[o.Field] && to != toNothing && !sums {
			f.Add(at+".field", "stands twice, and only powers and energies are summed")
		} else if p := (place{o.Field, o.From}); places[p] {
			f.Add(at, "stands twice")
		} else {
			places[p] = true
		}
		fields[o.Field] = true
	}
	return f
}

// Overrides are overrides as a payload is read with them. Nil are none.
type Overrides struct {
	of []compiled
	// fields are the numeric fields that have one, times is set for the timestamp.
	fields uint32
	times  bool
}

type compiled struct {
	from string
	to   Target
	line int
	unit string
	// factor is the scale with the sign.
	factor float64
	// more is set when others give the same field.
	more bool
}

// NewOverrides makes a list ready, which CheckOverrides has found right. It is
// nil for an empty one.
func NewOverrides(list []Override) *Overrides {
	if len(list) == 0 {
		return nil
	}
	all := &Overrides{}
	for _, o := range list[:min(len(list), MaxOverrides)] {
		to, line, ok := parseField(o.Field)
		if !ok {
			continue
		}
		c := compiled{from: o.From, to: to, line: line, unit: o.Unit, factor: o.Scale}
		if c.factor == 0 {
			c.factor = 1
		}
		if o.Invert {
			c.factor = -c.factor
		}
		for i := range all.of {
			if other := &all.of[i]; other.to == to && other.line == line && to != toNothing {
				other.more, c.more = true, true
			}
		}
		all.of = append(all.of, c)
		all.fields |= bit(to)
		all.times = all.times || to == ToTime
	}
	return all
}

// gives reports whether a field has an override.
func (o *Overrides) gives(to Target, line int) bool {
	switch {
	case o == nil:
		return false
	case int(to) < NumFields:
		return o.fields&bit(to) != 0
	case to == ToTime, to == ToTimeDayFirst, to == ToAge:
		return o.times
	}
	for i := range o.of {
		if o.of[i].to == to && o.of[i].line == line {
			return true
		}
	}
	return false
}

// Gives reports whether a field has an override.
func (o *Overrides) Gives(field string) bool {
	to, line, ok := parseField(field)
	return ok && o.gives(to, line)
}

// held reports whether an override keeps a rule from giving the field.
func (w *drafter) held(to Target, line int) bool {
	return w.o.Overrides != nil && !w.overriding && w.o.Overrides.gives(to, line)
}

// override takes the members that overrides name, under the names that they have
// now: it is asked before and after wrappings are taken off.
func (w *drafter) override() {
	o := w.o.Overrides
	if o == nil {
		return
	}
	w.overriding = true
	for i := range w.doc.leaves {
		l := &w.doc.leaves[i]
		if l.gone {
			continue
		}
		name, short := w.doc.name(l), ""
		if w.p != nil {
			short = w.short(name)
		}
		for k := range o.of {
			if c := &o.of[k]; w.overrode&(1<<k) == 0 && (c.from == name || c.from == short) {
				w.overrode |= 1 << k
				l.gone = true
				w.overrideWith(l, name, c)
			}
		}
	}
	w.overriding = false
}

func (w *drafter) overrideWith(l *leaf, name string, c *compiled) {
	switch c.to { //nolint:exhaustive // all others are figures
	case toNothing:
		w.keep(l, name)
		return
	case ToTime:
		if w.time(l, name, true); w.s.Timed {
			w.given(ToTime, 0, ruleOverride, name, false)
		}
		return
	case ToStatusText:
		if len(l.text) > 0 && l.kind != Bool {
			w.s.Status.Text, w.s.Status.HasText = string(l.text), true
			w.given(c.to, 0, ruleOverride, name, false)
		}
		return
	}
	value, ok := c.value(l)
	if !ok {
		w.warn(name, "is no number in a unit of "+Given{To: c.to, Line: c.line}.Field()+", which its override wants")
		return
	}
	how := sum
	if !w.put(c.to, c.line, value, how) {
		w.warn(name, "does not fit into "+Given{To: c.to, Line: c.line}.Field())
		return
	}
	w.plus |= bit(c.to)
	w.minus |= bit(c.to)
	w.given(c.to, c.line, ruleOverride, name, false)
}

// value is the member's number in the field's unit.
func (c *compiled) value(l *leaf) (float64, bool) {
	value, unit, ok := parseNumber(l.text)
	if !ok || l.kind == Bool {
		return 0, false
	}
	if l.unit != nil {
		unit = l.unit
	}
	if c.unit != "" {
		unit = []byte(c.unit)
	}
	dimension, scale := unitOf(string(unit))
	if dimension != unknownDimension && dimension != dimensionOf(c.to) {
		return 0, false
	}
	value = exactly(exactly(value, scale), c.factor)
	return value, !math.IsInf(value, 0)
}

// exactly multiplies, as times does where the scale is one over a whole number.
func exactly(value, scale float64) float64 {
	if part := 1 / math.Abs(scale); part > 1 && math.Abs(part-math.Round(part)) < 1e-6 {
		return times(value, scale)
	}
	return value*scale + 0
}

// settleOverrides takes back the sums of which a part is missing.
func (w *drafter) settleOverrides() {
	o := w.o.Overrides
	if o == nil {
		return
	}
	for k := range o.of {
		c := &o.of[k]
		if !c.more || w.overrode&(1<<k) != 0 {
			continue
		}
		for _, g := range w.s.Given {
			if g.To == c.to && g.Line == c.line && g.Rule == ruleOverride {
				w.warn(c.from, "is not there, and "+g.Field()+" is the sum of it and others")
				break
			}
		}
		w.forget(c.to, c.line)
	}
}

// forget takes back what an override gave.
func (w *drafter) forget(to Target, line int) {
	switch {
	case int(to) < NumFields:
		w.s.known &^= bit(to)
	case to < ToPhase && line < len(w.s.Strings):
		w.s.Strings[line].Known[to-ToString] = false
	case to >= ToPhase && to < ToStatusCode && line < len(w.s.Phases):
		w.s.Phases[line].Known[to-ToPhase] = false
	}
	kept := w.s.Given[:0]
	for _, g := range w.s.Given {
		if g.To != to || g.Line != line {
			kept = append(kept, g)
		}
	}
	w.s.Given = kept
}

// Overridden reads nothing but what overrides name, of an object or of each
// element of a list: for payloads that are otherwise read elsewhere. It is nil
// for what is no JSON.
func Overridden(data []byte, o Options) []Sample {
	if o.Overrides == nil {
		return nil
	}
	n := normaliser{o: o, size: len(data), scan: NewScanner(data)}
	read := func(index int) {
		n.load(&n.scan)
		if n.scan.err == nil {
			n.draft(index).settleOverrides()
		}
	}
	switch n.scan.Kind() {
	case Object:
		read(0)
	case Array:
		n.scan.Open()
		for i := 0; i < MaxSamples && n.scan.More(); i++ {
			read(i)
		}
	default:
		return nil
	}
	return n.res.Samples
}

// OverriddenValue reads the value of a topic of its own by the overrides of its
// name. ok is false when there are none.
func OverriddenValue(name string, data []byte, o Options) (s Sample, ok bool) {
	if o.Overrides == nil {
		return Sample{}, false
	}
	n := normaliser{o: o, size: len(data)}
	n.doc.reset(len(data))
	n.doc.add(name, String, data, nil)
	n.doc.done()
	w := n.draft(0)
	return *w.s, w.overrode != 0
}
