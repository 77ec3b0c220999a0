// Package csvimport is the domain of tables of measurements as loggers, portals
// and spreadsheets write them: how such a table is guessed and told to be read,
// and how its rows become readings. Means and energies of intervals become what
// the rest of the house is right about: lifetime counters. It reads from an
// io.Reader and keeps nothing.
package csvimport

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Kind says what a column's number is.
type Kind string

// The kinds.
const (
	Instant    Kind = "instant"    // measured at the row's time
	Mean       Kind = "mean"       // of the interval that begins at the row's time
	Counter    Kind = "counter"    // a lifetime counter
	DayCounter Kind = "dayCounter" // counts since the day began
	Interval   Kind = "interval"   // the energy of the interval that begins at the row's time
)

// Options say how a table is to be read. What is absent is guessed, or has its
// default.
type Options struct {
	// TimeColumn is the header of the column with the time.
	TimeColumn string
	// TimeFormat is "iso", "unix", "unixMillis" or a pattern such as
	// "DD.MM.YY HH:mm:ss".
	TimeFormat string
	// TimeZone is the IANA zone of local times; the site's where it is empty.
	TimeZone string
	// Decimal is "." (the default) or ",".
	Decimal string
	// Delimiter is one character.
	Delimiter string
	// Interval is an ISO 8601 duration, for means and energies of intervals.
	Interval string
	// Columns say what columns are, by their headers; nil leaves a column out.
	Columns map[string]*Column
}

// Column says what a column is.
type Column struct {
	// Field is a name as readings have it: a canonical one, strings[0].powerWatts,
	// phases[0].powerWatts, status.code, status.text or extra.NAME.
	Field string
	// Unit is the number's; empty: the field's own.
	Unit string
	// Kind is empty for what is usual for the field.
	Kind Kind
}

// Bounds of options.
const (
	MaxColumns = 500
	maxName    = 200
	// minInterval and maxInterval bound Options.Interval.
	minInterval = time.Second
	maxInterval = 24 * time.Hour
)

// Validate names every option that is wrong whatever the file is.
func (o Options) Validate() error {
	var wrong fault.Fields
	wrong.Check(len(o.TimeColumn) <= maxName, "timeColumn", "must have at most 200 characters")
	if o.TimeFormat != "" {
		_, err := compile(o.TimeFormat)
		wrong.Check(err == nil, "timeFormat", `must be iso, unix, unixMillis or a pattern of YYYY, YY, MM, DD, HH, hh, mm, ss, SSS, A and Z such as "DD.MM.YY HH:mm:ss"`)
	}
	wrong.Check(o.Decimal == "" || o.Decimal == "." || o.Decimal == ",", "decimal", `must be "." or ","`)
	wrong.Check(o.Delimiter == "" || len(o.Delimiter) == 1 && strings.Contains(";,\t|: ", o.Delimiter), "delimiter", `must be one of ";", ",", tab, "|", ":" and a blank`)
	wrong.Check(o.Delimiter == "" || o.Delimiter != o.Decimal, "delimiter", "must not be the decimal mark")
	if o.Interval != "" {
		_, err := ParseInterval(o.Interval)
		wrong.Check(err == nil, "interval", "must be an ISO 8601 duration such as PT15M, from PT1S to P1D")
	}
	wrong.Check(len(o.Columns) <= MaxColumns, "columns", "must be at most 500")
	given := map[target]string{}
	for header, c := range o.Columns {
		if c == nil {
			continue
		}
		name := "columns." + header
		if len(header) > maxName {
			wrong.Add("columns", "must have headers of at most 200 characters")
			continue
		}
		p, problem := c.plan()
		if !wrong.Check(problem == "", name, problem) || c.Field == "" {
			continue
		}
		if p.slotted() {
			wrong.Check(o.Interval != "", "interval", "is needed for means and energies of intervals")
		}
		first, again := given[p.to]
		wrong.Check(!again, name, fmt.Sprintf("is the same field as the column %q", first))
		given[p.to] = header
	}
	return wrong.Err()
}

// plan is what the options alone say of a column.
func (c *Column) plan() (planned, string) {
	p := planned{mul: 1, div: 1, kind: c.Kind}
	switch c.Kind {
	case "", Instant, Mean, Counter, DayCounter, Interval:
	default:
		return p, "has no such kind: instant, mean, counter, dayCounter or interval"
	}
	if c.Field == "" {
		return p, ""
	}
	var ok bool
	if p.to, ok = parseTarget(c.Field); !ok {
		return p, "has no such field: " + strconv.Quote(cut(c.Field))
	}
	if problem := p.settle(); problem != "" {
		return p, problem
	}
	return p, p.unit(c.Unit)
}

// settle fills in the usual kind and says what does not go together.
func (p *planned) settle() string {
	counter := p.to.kind == toField && isCounter(p.to.field)
	day := p.to.kind == toField && p.to.field == telemetry.EnergyTodayKwh
	switch {
	case p.kind == "" && counter:
		p.kind = Counter
	case p.kind == "" && day:
		p.kind = DayCounter
	case p.kind == "":
		p.kind = Instant
	}
	number := p.to.kind == toField || p.to.kind == toLine || p.to.kind == toExtra
	switch {
	case (p.kind == Counter || p.kind == Interval) && !counter:
		return "can't be a " + string(p.kind) + ": only a field such as energyTotalKwh can"
	case p.kind == DayCounter && !day:
		return "can't be a dayCounter: only energyTodayKwh can"
	case p.kind == Mean && (counter || day || !number):
		return "can't be a mean"
	case p.kind == Instant && (counter || day):
		return "can't be instant: it is an energy, so a counter, a dayCounter or an interval"
	}
	return ""
}

func isCounter(f telemetry.Field) bool {
	return f >= telemetry.EnergyTotalKwh && f <= telemetry.BatteryDischargeTotalKwh
}

// unit brings a unit to a factor.
func (p *planned) unit(text string) string {
	if text == "" {
		return ""
	}
	own := p.to.unit()
	scales := map[string]map[string][2]float64{
		"W":   {"W": {1, 1}, "kW": {1000, 1}, "MW": {1e6, 1}, "mW": {1, 1000}},
		"kWh": {"kWh": {1, 1}, "Wh": {1, 1000}, "MWh": {1000, 1}, "GWh": {1e6, 1}, "MJ": {1, 3.6}, "kJ": {1, 3600}, "J": {1, 3.6e6}},
		"V":   {"V": {1, 1}, "kV": {1000, 1}, "mV": {1, 1000}},
		"A":   {"A": {1, 1}, "mA": {1, 1000}},
		"Hz":  {"Hz": {1, 1}, "mHz": {1, 1000}},
		"°C":  {"°C": {1, 1}, "C": {1, 1}},
		"%":   {"%": {1, 1}, "1": {100, 1}},
	}[own]
	if own == "" { // extra keeps its numbers as they are
		return ""
	}
	scale, ok := scales[text]
	if !ok {
		return "can't have the unit " + strconv.Quote(cut(text)) + ": the field is in " + own
	}
	p.mul, p.div = scale[0], scale[1]
	return ""
}

// ParseInterval reads an ISO 8601 duration of at most a day, in days, hours,
// minutes and whole seconds.
func ParseInterval(text string) (time.Duration, error) {
	wrong := fault.New(fault.Invalid, "It is no ISO 8601 duration such as PT15M, from PT1S to P1D.")
	rest, ok := strings.CutPrefix(text, "P")
	if !ok {
		return 0, wrong
	}
	var total time.Duration
	units, timed := "DTHMS", false
	for rest != "" {
		if rest[0] == 'T' && !timed && len(rest) > 1 {
			units, timed, rest = "HMS", true, rest[1:]
			continue
		}
		digits := 0
		for digits < len(rest) && isDigit(rest[digits]) {
			digits++
		}
		if digits == 0 || digits > 6 || digits == len(rest) {
			return 0, wrong
		}
		n, _ := strconv.Atoi(rest[:digits])
		at := strings.IndexByte(units, rest[digits])
		if at < 0 || (rest[digits] == 'D') == timed {
			return 0, wrong
		}
		unit := map[byte]time.Duration{'D': 24 * time.Hour, 'H': time.Hour, 'M': time.Minute, 'S': time.Second}[rest[digits]]
		total += time.Duration(n) * unit
		units, rest = units[at+1:], rest[digits+1:]
	}
	if total < minInterval || total > maxInterval {
		return 0, wrong
	}
	return total, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// cut bounds a text of the sender's that goes back to it.
func cut(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
