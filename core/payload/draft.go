package payload

import (
	"slices"
	"time"
)

// drafter makes a sample of a document.
type drafter struct {
	doc *doc
	o   *Options
	s   *Sample
	res *Result
	p   *profile
	// plus and minus are the fields of which members of either sign came.
	plus, minus uint32
	// several devices are in the payload.
	several bool
	// local is set once a time without a zone is warned of.
	local bool
	bad   string
	// overrode are the overrides that have taken their member, overriding is set
	// while they do.
	overrode   uint32
	overriding bool
}

func bit(to Target) uint32 {
	if int(to) < NumFields {
		return 1 << to
	}
	return 0
}

// warn names a member that was left out.
func (w *drafter) warn(name, reason string) {
	w.res.Warnings = append(w.res.Warnings, Problem{Index: w.s.Index, Field: name, Reason: reason})
}

// put brings a value where it belongs, in our unit and sign.
func (w *drafter) put(to Target, line int, value float64, how how) bool {
	if w.held(to, line) {
		return false
	}
	switch {
	case int(to) < NumFields:
		if how&hundredth != 0 && value > 100 {
			value /= 100
		}
		known := w.s.known&(1<<to) != 0
		switch {
		case known && how&sum != 0:
			w.s.number[to] += value
		case known:
			return false
		default:
			w.s.known |= 1 << to
			w.s.number[to] = value
		}
	case to < ToPhase:
		return putLine(&w.s.Strings, line, int(to-ToString), value)
	case to < ToStatusCode:
		return putLine(&w.s.Phases, line, int(to-ToPhase), value)
	case to == ToStatusCode:
		if w.s.Status.HasCode || value != float64(int64(value)) {
			return false
		}
		w.s.Status.Code, w.s.Status.HasCode = int64(value), true
	case to == ToAge:
		if w.s.Timed || w.o.Received.IsZero() || value < 0 || value > 1e9 {
			return false
		}
		w.s.Milli, w.s.Timed = w.o.Received.Add(-time.Duration(value*float64(time.Second))).UnixMilli(), true
	}
	return true
}

func putLine(lines *[]Line, line, part int, value float64) bool {
	if line < 0 || line >= maxLines {
		return false
	}
	if *lines == nil {
		*lines = make([]Line, 0, 4)
	}
	for len(*lines) <= line {
		*lines = append(*lines, Line{})
	}
	l := &(*lines)[line]
	if l.Known[part] {
		return false
	}
	l.Known[part], l.Number[part] = true, value
	return true
}

// given notes which rule gave what.
func (w *drafter) given(to Target, line int, rule, from string, isAssumed bool) {
	if w.held(to, line) {
		return
	}
	if w.s.Given == nil {
		w.s.Given = make([]Given, 0, min(len(w.doc.leaves)+1, 48))
	}
	w.s.Given = append(w.s.Given, Given{To: to, Line: line, Rule: rule, From: from, Assumed: isAssumed})
}

// extra keeps a number under its own name.
func (w *drafter) extra(name string, value float64) {
	if len(w.s.Extra) == maxExtra || name == "" {
		w.res.Dropped++
		return
	}
	if w.s.Extra == nil {
		w.s.Extra = make([]Extra, 0, min(len(w.doc.leaves)+1, maxExtra))
	}
	w.s.Extra = append(w.s.Extra, Extra{Name: name, Number: value})
}

// keep puts a leaf that no rule took into extra, if it is a number.
func (w *drafter) keep(l *leaf, name string) {
	if l.kind != Number {
		return
	}
	if value, ok := Float(l.text); ok {
		w.extra(name, value)
		return
	}
	w.warn(name, "is too large a number")
}

// time takes a member that tells the sample's time. The first that does stands.
func (w *drafter) time(l *leaf, name string, dayFirst bool) {
	if w.s.Timed || w.held(ToTime, 0) {
		return
	}
	w.s.Clocked = true
	at, ok := w.o.moment(l.text, dayFirst)
	switch {
	case !ok:
		w.warn(name, "is no time that is known")
	case at.local && w.local:
	case at.local:
		w.local = true
		w.warn(name, "is a local time without a zone, and the site's zone is not known")
		if w.s.Replayed {
			w.bad = "it was stored by the device, and its local time has no zone"
		}
	default:
		w.s.Milli, w.s.Timed, w.s.TimeFrom = at.at.UnixMilli(), true, name
	}
}

// apply reads the document by the profile's rules.
func (w *drafter) apply(p *profile) (reason string) {
	w.p = p
	w.several = w.several || p.several != "" && w.doc.has(p.several)
	if p.read != nil {
		if reason = p.read(w); reason != "" {
			return reason
		}
	}
	w.override()
	late := false
	for i := range w.doc.leaves {
		l := &w.doc.leaves[i]
		if l.gone {
			continue
		}
		name := w.doc.name(l)
		r, number, ok := p.find(name)
		if ok && r.how&backup != 0 {
			late = true
			continue
		}
		if !ok || !w.use(l, name, r, number) {
			w.keep(l, w.short(name))
		}
	}
	for i := range w.doc.leaves {
		l := &w.doc.leaves[i]
		if !late || l.gone {
			continue
		}
		name := w.doc.name(l)
		if r, number, ok := p.find(name); ok && r.how&backup != 0 && !w.use(l, name, r, number) {
			w.keep(l, w.short(name))
		}
	}
	w.complete(p.both)
	return w.bad
}

// short is a name without what all of the vendor's have.
func (w *drafter) short(name string) string {
	if root := w.p.root; len(name) > len(root) && name[:len(root)] == root {
		return name[len(root):]
	}
	return name
}

// use gives a leaf to its rule. It is false when the value fits nowhere.
func (w *drafter) use(l *leaf, name string, r rule, number int) bool {
	switch r.to { //nolint:exhaustive // all others are figures
	case toNothing:
		return true
	case ToTime, ToTimeDayFirst:
		timed := w.s.Timed
		if w.time(l, name, r.to == ToTimeDayFirst); w.s.Timed && !timed {
			w.given(ToTime, 0, w.p.name, name, false)
		}
		return true
	case ToStatusText:
		if l.kind == String && len(l.text) > 0 && !w.s.Status.HasText && !w.held(ToStatusText, 0) {
			w.s.Status.Text, w.s.Status.HasText = string(l.text), true
			w.given(r.to, 0, w.p.name, name, false)
		}
		return true
	}
	if r.how&alone != 0 && w.several {
		return false
	}
	if r.how&meter != 0 {
		if r.to = w.o.Meter.place(r.to); r.to == toNothing {
			return false
		}
	}
	value, unit, ok := parseNumber(l.text)
	if l.kind == Bool || !ok {
		return l.kind != Number // a text that is no number is no value
	}
	if l.unit != nil {
		unit = l.unit
	}
	value, ok = convert(value-r.zero, string(unit), r)
	if !ok {
		return false
	}
	line := number - r.first
	inLine := w.inLine(r, line, value, w.p.name, name)
	if !w.put(r.to, line, value, r.how) {
		return inLine
	}
	if b := bit(r.to); r.scale < 0 {
		w.minus |= b
	} else {
		w.plus |= b
	}
	w.given(r.to, max(0, line), w.p.name, name, r.how&assumed != 0 && w.o.Meter == MeterUnknown)
	return true
}

// inLine also puts a value into its string or phase.
func (w *drafter) inLine(r rule, line int, value float64, id, name string) bool {
	if r.how&(inString|inPhase) == 0 {
		return false
	}
	to := ToString
	if r.how&inPhase != 0 {
		to = ToPhase
	}
	switch dimensionOf(r.to) {
	case power:
		to += watts
	case current:
		to += amps
	default:
		to += volts
	}
	if !w.put(to, line, value, 0) {
		return false
	}
	w.given(to, line, id, name, false)
	return true
}

// convert brings a value into our unit: by the unit beside it, if that is one
// which the target is measured in, else by the rule's scale.
func convert(value float64, unit string, r rule) (float64, bool) {
	dimension, scale := unitOf(unit)
	switch dimension {
	case unknownDimension:
		return times(value, r.scale), true
	case dimensionOf(r.to):
		if r.scale < 0 {
			scale = -scale
		}
		return times(value, scale), true
	default:
		return 0, false
	}
}

// complete takes back the fields of which only one of two members came, and
// keeps that under its own name.
func (w *drafter) complete(both []Target) {
	for _, to := range both {
		b := bit(to)
		if w.s.known&b == 0 || w.plus&b != 0 && w.minus&b != 0 {
			continue
		}
		w.s.known &^= b
		w.s.Given = slices.DeleteFunc(w.s.Given, func(g Given) bool {
			if g.To != to {
				return false
			}
			if l := w.doc.find(g.From); l != nil && l.kind == Number {
				w.keep(l, w.short(g.From))
			}
			return true
		})
	}
}

// place is where a bare meter's figure goes. The rules are written for the usual
// place: the grid's for what counts both ways, the source's output for the rest.
func (m Meter) place(to Target) Target {
	if m == MeterUnknown {
		return to
	}
	var kind int
	groups := [...][3]Target{
		{Target(GridPowerWatts), Target(ACPowerWatts), Target(LoadPowerWatts)},
		{Target(GridImportTotalKwh), toNothing, Target(LoadTotalKwh)},
		{Target(GridExportTotalKwh), Target(EnergyTotalKwh), toNothing},
		{Target(GridImportTotalKwh), Target(EnergyTotalKwh), Target(LoadTotalKwh)},
		{toNothing, Target(EnergyTodayKwh), toNothing},
	}
	switch to {
	case Target(GridPowerWatts), Target(ACPowerWatts):
		kind = 0
	case Target(GridImportTotalKwh):
		kind = 1
	case Target(GridExportTotalKwh):
		kind = 2
	case Target(EnergyTotalKwh):
		kind = 3
	case Target(EnergyTodayKwh):
		kind = 4
	default:
		return to
	}
	return groups[kind][m-MeterGrid]
}
