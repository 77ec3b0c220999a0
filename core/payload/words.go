package payload

import "strings"

// word is what a word in a name can mean.
type word uint32

const (
	wSolar word = 1 << iota
	wAC
	wGrid
	wLoad
	wBattery
	wPower
	wEnergy
	wYield // production's energy: needs no subject
	wVoltage
	wCurrent
	wFrequency
	wTemperature
	wCharge // state of charge
	wImport
	wExport
	wCharging
	wDischarging
	wToday
	wTotal
	wPhase
	wInverterPart
	wNeutral
	// wOther makes a name mean something else than its other words do.
	wOther
)

const wSubject = wSolar | wAC | wGrid | wLoad | wBattery

// meaning of a word in lower case. Unknown words are 0.
func meaning(text []byte) word {
	switch string(text) {
	case "pv", "solar", "sun", "panel", "panels", "mppt", "dc", "ppv", "photovoltaic", "tracker", "trackers", "string", "strings", "mppts":
		return wSolar
	case "ac", "output", "out":
		return wAC
	case "inverter", "inv", "radiator", "heatsink":
		return wInverterPart
	case "pac":
		return wAC | wPower
	case "pdc":
		return wSolar | wPower
	case "grid", "mains", "utility", "netz":
		return wGrid
	case "load", "house", "home", "household", "consumption", "haus", "verbrauch":
		return wLoad
	case "battery", "bat", "batt", "akku", "batterie", "storage", "ess":
		return wBattery
	case "power", "p", "leistung", "watt", "watts":
		return wPower
	case "energy", "energie":
		return wEnergy
	case "yield", "generation", "production", "produced", "generated", "ertrag", "produktion":
		return wYield
	case "voltage", "volt", "volts", "spannung":
		return wVoltage
	case "ampere", "amperes", "amps", "amperage", "strom":
		return wCurrent
	case "frequency", "freq", "frequenz":
		return wFrequency
	case "temperature", "temp", "temperatur":
		return wTemperature
	case "soc":
		return wCharge
	case "import", "imported", "bought", "purchase", "purchased", "bezug":
		return wImport
	case "export", "exported", "feed", "feedin", "sold", "injected", "injection", "einspeisung":
		return wExport
	case "charge", "charging", "charged":
		return wCharging
	case "discharge", "discharging", "discharged":
		return wDischarging
	case "today", "day", "daily", "heute", "tag":
		return wToday
	case "total", "lifetime", "gesamt", "cumulative", "ever":
		return wTotal
	case "phase", "l", "ph", "phases":
		return wPhase
	case "actual", "now", "active", "value", "measured", "instant", "instantaneous", "state", "sensor", "of", "the", "s", "is":
		return wNeutral
	case "reactive", "apparent", "factor", "limit", "max", "min", "maximum", "minimum", "rated", "nominal", "peak", "average", "avg", "target", "setpoint",
		"forecast", "predicted", "month", "monthly", "year", "yearly", "week", "weekly", "hour", "hourly", "yesterday", "period", "last", "previous",
		"ratio", "capacity", "price", "cost", "generator", "heatpump", "ev", "wallbox", "charger", "car", "vehicle", "cell", "cells", "backup", "in", "from", "to":
		return wOther
	default:
		return 0
	}
}

// reading of a name: its words, the unit at its end, and the number in it.
type nameMeaning struct {
	words word
	// unknown is set when the last part of the name has a word of which nothing is
	// known.
	unknown bool
	number  int // -1 is none
	numbers int
	unit    string
	// numbered are the words before the number.
	numbered word
}

// understand splits a flattened name into words: at what is no letter or digit,
// and where small letters turn into capitals or letters into digits. The words
// before the last dot or slash are context: what is unknown there says nothing.
func understand(name string, list bool) nameMeaning {
	m := nameMeaning{number: -1}
	m.unit, name = unitInName(name)
	last := max(strings.LastIndexByte(name, '.'), strings.LastIndexByte(name, '/')) + 1
	var previous word
	var before, room [maxWord]byte
	text := before[:0]
	for i := 0; i < len(name); {
		begin := i
		switch c := name[i]; {
		case isDigit(c):
			i = m.digits(name, i, last, previous, list)
		case isLetter(c):
			i = wordEnd(name, i)
			prior := append(room[:0], text...)
			text = lower(before[:0], name[begin:i])
			if begin >= last && len(text) == 1 && 'a' <= text[0] && text[0] <= 'c' && previous&wPhase != 0 {
				m.number, m.numbered = int(text[0]-'a')+1, wPhase
				m.numbers++
				continue
			}
			previous = m.meaning(prior, text, i == len(name))
			m.words |= previous
			m.unknown = m.unknown || previous == 0 && begin >= last
		default:
			i++
			m.unknown = m.unknown || c >= 0x80 && begin >= last
		}
	}
	return m
}

// maxWord is the longest word that can mean anything.
const maxWord = 24

// digits notes a number, if it counts strings or phases or stands in the last
// part of the name. A list's elements are counted from 0.
func (m *nameMeaning) digits(name string, i, last int, previous word, list bool) int {
	begin, n := i, 0
	for ; i < len(name) && isDigit(name[i]); i++ {
		n = min(n*10+int(name[i]-'0'), 1e6)
	}
	whole := (begin == 0 || name[begin-1] == '.') && (i == len(name) || name[i] == '.')
	context := previous&(wSolar|wPhase) != 0 || whole && m.words&(wSolar|wPhase) != 0
	if begin < last && !context {
		return i
	}
	if whole && list {
		n++
	}
	m.number, m.numbered = n, m.words
	m.numbers++
	return i
}

// meaning is that of a word behind another.
func (m *nameMeaning) meaning(prior, text []byte, end bool) word {
	switch string(text) {
	case "current": // a word of time beside another quantity, else amperes
		if m.words&(wPower|wEnergy|wYield|wVoltage) == 0 && m.unit == "" && end || m.unit == "a" {
			return wCurrent
		}
		return wNeutral
	case "charge":
		if string(prior) == "of" {
			return wCharge
		}
	case "in":
		if string(prior) == "feed" {
			return wNeutral
		}
	case "kwh", "wh", "kw": // a unit in the middle of a name
		if m.unit == "" {
			m.unit = unitWord(string(text))
			return wNeutral
		}
	}
	return meaning(text)
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isUpper(c byte) bool  { return 'A' <= c && c <= 'Z' }

// wordEnd is where the word that begins at i ends.
func wordEnd(name string, i int) int {
	begin := i
	for i++; i < len(name) && isLetter(name[i]); i++ {
		if isUpper(name[i]) && !isUpper(name[i-1]) {
			break
		}
		// the last capital of several begins the next word: ACPower
		if isUpper(name[i]) && i+1 < len(name) && isLetter(name[i+1]) && !isUpper(name[i+1]) && i > begin {
			break
		}
	}
	return i
}

// lower appends a word in small letters. One that is too long means nothing.
func lower(dst []byte, text string) []byte {
	if len(text) > maxWord {
		return dst
	}
	for i := range len(text) {
		c := text[i]
		if isUpper(c) {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// unitInName takes a unit off the end of a name. It must stand apart: behind a
// sign, or with a capital behind a small letter.
func unitInName(name string) (unit, rest string) {
	end := len(name)
	for end > 0 && !isLetter(name[end-1]) && !isDigit(name[end-1]) && name[end-1] != '%' {
		end-- // a closing bracket
	}
	begin := end
	for begin > 0 && isLetter(name[begin-1]) {
		begin--
	}
	tail := name[begin:end]
	if begin > 0 && len(tail) <= 7 {
		if unit = unitWord(tail); unit != "" && !isDigit(name[begin-1]) {
			return unit, name[:begin]
		}
	}
	for _, size := range [...]int{7, 6, 5, 4, 3, 2, 1} { // "PowerWatts", "totalKWh", "powerkW"
		if at := len(tail) - size; at > 0 && !isUpper(tail[at-1]) && (isUpper(tail[at]) || tail[at] == 'k' && isUpper(tail[at+min(1, size-1)])) {
			if unit = unitWord(tail[at:]); unit != "" {
				return unit, name[:begin+at]
			}
		}
	}
	return "", name
}

// unitWord is the unit that a word at the end of a name is. "mw" is milliwatts to
// some and megawatts to others: it is neither.
func unitWord(text string) string {
	switch text {
	case "W", "w", "watt", "watts", "Watt", "Watts":
		return "W"
	case "kW", "KW", "kw", "Kw":
		return "kW"
	case "mW":
		return "mW"
	case "mw", "MW", "Mw":
		return "?"
	case "Wh", "wh", "WH":
		return "Wh"
	case "kWh", "KWh", "kwh", "KWH", "Kwh":
		return "kWh"
	case "MWh", "mwh", "mWh":
		return "?"
	case "V", "v", "volt", "volts", "Volts":
		return "V"
	case "A", "a", "amps", "amperes", "Amperes":
		return "a"
	case "Hz", "hz", "hertz", "Hertz":
		return "Hz"
	case "C", "c", "celsius", "Celsius":
		return "C"
	case "percent", "Percent", "pct":
		return "%"
	default:
		return ""
	}
}
