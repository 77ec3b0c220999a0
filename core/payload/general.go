package payload

import (
	"math/bits"
	"strings"
)

// The general rules, for names that no profile knows. Each is named in what it
// gives.
const (
	ruleCanonical = "canonical name"
	ruleUnit      = "words and unit"
	ruleWords     = "words, usual unit"
	ruleMeter     = "words, usual sign"
	ruleBare      = "bare power of a source"
	ruleTime      = "name of a time"
	ruleStatus    = "name of a state"
)

// guess is what the general rules make of a name.
type guess struct {
	rule rule
	line int
	id   string
	ok   bool
}

// general reads a document by the general rules.
func (w *drafter) general() (reason string) {
	w.p = &profile{both: []Target{gridW, batteryW}}
	w.override()
	var bare *leaf
	common, under := w.commonUnit()
	for i := range w.doc.leaves {
		l := &w.doc.leaves[i]
		name := w.doc.name(l)
		switch {
		case l.gone:
		case isTimeName(name):
			w.generalTime(l, name)
		case name == "status" || name == "state":
			w.generalStatus(l, name)
		default:
			value, unit, ok := parseNumber(l.text)
			if l.kind == Bool || !ok {
				if l.kind == Number {
					w.keep(l, name)
				}
				continue
			}
			switch {
			case l.unit != nil:
				unit = l.unit
			case len(unit) == 0 && isOf(name, under, common, l.list):
				unit = common
			}
			if name == "power" || name == "power_w" || name == "watts" {
				bare = l
				continue
			}
			if g := guessed(name, string(unit), l.list); !g.ok || !w.generalValue(g, name, value, string(unit)) {
				w.keep(l, name)
			}
		}
	}
	w.complete(w.p.both)
	w.bare(bare)
	return w.bad
}

// commonUnit is the unit that a member of its own tells of all that stands beside
// it and below, and the name that they begin with.
func (w *drafter) commonUnit() (unit []byte, under string) {
	for i := range w.doc.leaves {
		l := &w.doc.leaves[i]
		if l.gone || l.kind != String {
			continue
		}
		name := w.doc.name(l)
		before, ok := strings.CutSuffix(name, "unit")
		if d, _ := unitOf(string(l.text)); ok && (before == "" || strings.HasSuffix(before, ".")) && d != unknownDimension && d != otherDimension {
			return l.text, before
		}
	}
	return nil, ""
}

// isOf reports whether a common unit is that of a name: of what is measured in
// another one it says nothing.
func isOf(name, under string, unit []byte, list bool) bool {
	if len(unit) == 0 || !strings.HasPrefix(name, under) {
		return false
	}
	if m := understand(name, list); m.unit != "" {
		return false
	}
	dimension, _ := unitOf(string(unit))
	g := guessed(name, "", list)
	return g.ok && g.id != ruleCanonical && dimensionOf(g.rule.to) == dimension
}

func (w *drafter) generalValue(g guess, name string, value float64, unit string) bool {
	var ok bool
	if unit == "" {
		value, ok = times(value, g.rule.scale), true
	} else {
		value, ok = convert(value, unit, g.rule)
	}
	if !ok {
		return false
	}
	inLine := w.inLine(g.rule, g.line, value, g.id, name)
	if !w.put(g.rule.to, g.line, value, g.rule.how) {
		return inLine
	}
	if g.rule.scale < 0 {
		w.minus |= bit(g.rule.to)
	} else {
		w.plus |= bit(g.rule.to)
	}
	if g.rule.how&sum == 0 { // told by one member, of either sign
		w.minus |= bit(g.rule.to)
		w.plus |= bit(g.rule.to)
	}
	w.given(g.rule.to, max(0, g.line), g.id, name, g.rule.how&assumed != 0)
	return true
}

// bare takes the only power there is, of which nothing is said, for what the
// source gives.
func (w *drafter) bare(l *leaf) {
	if l == nil {
		return
	}
	const powers = 1<<solarW | 1<<acW | 1<<gridW | 1<<loadW | 1<<batteryW
	value, unit, _ := parseNumber(l.text)
	if l.unit != nil {
		unit = l.unit
	}
	name := w.doc.name(l)
	value, ok := convert(value, string(unit), rule{to: acW})
	if !ok || w.s.known&powers != 0 || len(w.s.Strings)+len(w.s.Phases) > 0 {
		w.keep(l, name)
		return
	}
	if !w.put(acW, 0, value, 0) {
		w.keep(l, name)
		return
	}
	w.given(acW, 0, ruleBare, name, true)
}

func isTimeName(name string) bool {
	if len(name) > maxWord {
		return false
	}
	var room [maxWord]byte
	switch string(lower(room[:0], name)) {
	case "time", "ts", "timestamp", "unixtime", "datetime", "date_time", "lastupdatetime", "last_update", "last_updated", "lastupdate", "measured_at",
		"readingtime", "reading_time", "unix_time", "epoch":
		return true
	}
	return false
}

func (w *drafter) generalTime(l *leaf, name string) {
	timed := w.s.Timed
	if w.time(l, name, false); w.s.Timed && !timed {
		w.given(ToTime, 0, ruleTime, name, false)
	}
}

// generalStatus takes a code or a text.
func (w *drafter) generalStatus(l *leaf, name string) {
	if l.kind == String && !w.s.Status.HasText && !w.held(ToStatusText, 0) {
		w.s.Status.Text, w.s.Status.HasText = string(l.text), true
		w.given(ToStatusText, 0, ruleStatus, name, false)
		return
	}
	if code, ok := Int(l.text); ok && l.kind == Number && !w.s.Status.HasCode && !w.held(ToStatusCode, 0) {
		w.s.Status.Code, w.s.Status.HasCode = code, true
		w.given(ToStatusCode, 0, ruleStatus, name, false)
		return
	}
	w.keep(l, name)
}

// fieldNamed is the field of exactly this name. near is set when only the
// capitals differ: a slip of a sender who means our names, which is not for the
// general rules.
func fieldNamed(name string) (f Field, exact, near bool) {
	for i := range fieldNames {
		if len(name) == len(fieldNames[i]) && strings.EqualFold(name, fieldNames[i]) {
			return Field(i), name == fieldNames[i], true
		}
	}
	return 0, false, false
}

// guessed finds what a name means by its words and its unit.
func guessed(name, unit string, list bool) guess {
	if name == "" {
		return guess{}
	}
	leafName := name[strings.LastIndexByte(name, '.')+1:]
	if leafName == "" {
		return guess{}
	}
	if f, exact, near := fieldNamed(leafName); near {
		return guess{rule: rule{to: Target(f)}, id: ruleCanonical, ok: exact}
	}
	m := understand(name, list)
	if m.unknown || m.words&wOther != 0 || m.unit == "?" || m.numbers > 1 {
		return guess{}
	}
	if unit == "" {
		unit = m.unit
	}
	if unit == "a" {
		unit = "A"
	}
	dimension, scale := unitOf(unit)
	g := guess{id: ruleUnit, rule: rule{scale: scale}}
	if dimension == unknownDimension {
		if dimension = m.dimension(); dimension == unknownDimension {
			return guess{}
		}
		g.id = ruleWords
		if dimension == power || dimension == energy {
			g.rule.how = assumed
		}
	} else if told := m.dimension(); told != unknownDimension && told != dimension && (told != power || dimension != energy) {
		return guess{} // the name says one thing, the unit another
	}
	if m.number >= 0 {
		return m.inLine(g, dimension)
	}
	switch dimension {
	case power:
		return m.power(g)
	case energy:
		return m.energy(g)
	default:
		return m.other(g, dimension)
	}
}

// dimension is what the words alone measure.
func (m *nameMeaning) dimension() dimension {
	switch {
	case m.words&wCharge != 0:
		return percent
	case m.words&wFrequency != 0:
		return frequency
	case m.words&wTemperature != 0:
		return temperature
	case m.words&wVoltage != 0:
		return voltage
	case m.words&wCurrent != 0:
		return current
	case m.words&wPower != 0:
		return power
	case m.words&wEnergy != 0, m.words&wYield != 0 && m.words&(wToday|wTotal) != 0:
		return energy
	default:
		return unknownDimension
	}
}

// inLine is a value of the string or phase of the name's number, from 1.
func (m *nameMeaning) inLine(g guess, d dimension) guess {
	if m.number < 1 || m.number > maxLines || m.words&(wEnergy|wYield|wBattery|wToday) != 0 {
		return guess{}
	}
	part := Target(volts)
	switch d {
	case voltage:
	case current:
		part = amps
	case power:
		part = watts
	default:
		return guess{}
	}
	g.line, g.ok = m.number-1, true
	switch {
	case m.numbered&wSolar != 0 && m.words&(wGrid|wLoad|wPhase) == 0:
		g.rule.to = ToString + part
		if part == watts {
			g.rule.to, g.rule.how = solarW, g.rule.how|sum|inString
		}
	case m.numbered&wPhase != 0 && m.number <= 3 && m.words&(wSolar|wLoad) == 0:
		g.rule.to = ToPhase + part
	default:
		return guess{}
	}
	return g
}

// subject is the one thing that the name is about.
func (m *nameMeaning) subject() word {
	subject := m.words & wSubject
	if subject&wAC != 0 && subject != wAC {
		subject &^= wAC // AC beside another says where it is measured
	}
	if subject == wBattery|wSolar {
		return 0
	}
	if bits.OnesCount32(uint32(subject)) > 1 {
		return 0
	}
	return subject
}

func (m *nameMeaning) power(g guess) guess {
	if m.words&(wToday|wEnergy) != 0 || m.words&(wAC|wInverterPart) != 0 && m.words&(wSolar|wBattery) != 0 {
		return guess{}
	}
	g.ok = true
	negative := false
	subject := m.subject()
	if subject == 0 && m.words&wYield != 0 && m.words&wSubject == 0 {
		subject = wSolar
	}
	switch {
	case m.words&(wCharging|wDischarging) != 0:
		if subject != wBattery && m.words&wSubject != 0 {
			return guess{}
		}
		g.rule.to, negative, g.rule.how = batteryW, m.words&wCharging != 0, g.rule.how|sum
	case m.words&(wImport|wExport) != 0:
		if subject != wGrid && m.words&wSubject != 0 || m.words&wImport != 0 && m.words&wExport != 0 {
			return guess{}
		}
		g.rule.to, negative, g.rule.how = gridW, m.words&wExport != 0, g.rule.how|sum
	case subject == wSolar:
		g.rule.to = solarW
	case subject == wAC, subject == 0 && m.words&wInverterPart != 0 && m.words&wSubject == 0:
		g.rule.to = acW
	case subject == wGrid:
		g.rule.to, g.id, g.rule.how = gridW, ruleMeter, g.rule.how|assumed
	case subject == wLoad:
		g.rule.to = loadW
	default: // a battery's sign is told in both ways
		return guess{}
	}
	if negative {
		g.rule.scale = -g.rule.scale
	}
	return g
}

func (m *nameMeaning) energy(g guess) guess {
	g.ok = true
	subject := m.subject()
	if subject == 0 && m.words&wSubject != 0 {
		return guess{}
	}
	if m.words&wPower != 0 && g.id != ruleUnit {
		return guess{}
	}
	production := subject == wSolar || subject == wAC || subject == 0
	plain := m.words&(wImport|wExport|wCharging|wDischarging) == 0
	switch {
	case m.words&wToday != 0 && m.words&wTotal == 0:
		g.rule.to, g.ok = today, production && plain
	case m.words&wTotal == 0 || m.words&wToday != 0:
		return guess{}
	case m.words&wImport != 0:
		g.rule.to, g.ok = imported, subject == wGrid || subject == 0
	case m.words&wExport != 0:
		g.rule.to, g.ok = exported, subject == wGrid || subject == 0
	case m.words&wDischarging != 0:
		g.rule.to, g.ok = discharged, subject == wBattery || subject == 0
	case m.words&wCharging != 0:
		g.rule.to, g.ok = charged, subject == wBattery || subject == 0
	case subject == wLoad:
		g.rule.to = loadTotal
	default:
		g.rule.to, g.ok = total, production
	}
	return g
}

func (m *nameMeaning) other(g guess, d dimension) guess {
	subject := m.subject()
	g.ok = true
	switch {
	case d == percent && (m.words&wCharge != 0 && m.words&(wSubject&^wBattery) == 0 || m.words&^wNeutral == wBattery):
		g.rule.to = charge
	case d == voltage && subject == wBattery:
		g.rule.to = batteryV
	case d == voltage && m.words&wTotal == 0 && (subject == wGrid || subject == wAC):
		g.rule.to = gridV
	case d == frequency && (subject == wGrid || subject == wAC || subject == 0 && m.words&wSubject == 0):
		g.rule.to = gridHz
	case d == temperature && m.words&wInverterPart != 0 && m.words&(wBattery|wSolar) == 0:
		g.rule.to = celsius
	default:
		return guess{}
	}
	return g
}
