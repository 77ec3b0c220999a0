package csvimport

import (
	"math"
	"strconv"
	"strings"

	"ampra/core/payload"
	"ampra/core/telemetry"
)

// planned is how a column's cells are read.
type planned struct {
	header string
	to     target
	kind   Kind
	// The number times mul, divided by div, is in the field's unit.
	mul, div float64
	// rule says who decided: "options", "name", or the normaliser's rule.
	rule string
	note string
}

func (p *planned) slotted() bool { return p.kind == Mean || p.kind == Interval }

// PlannedColumn is a column as it is understood.
type PlannedColumn struct {
	Header string
	// Field is "" for a column that is left out; Note says why.
	Field string
	// Factor turns a number into the field's unit.
	Unit   string
	Factor float64
	Kind   Kind
	Rule   string
	Note   string
}

// Plan is how a table is understood.
type Plan struct {
	TimeColumn, TimeFormat, TimeZone string
	Decimal, Delimiter, Interval     string
	Columns                          []PlannedColumn
}

// Usable reports whether any column becomes a part of a reading.
func (p Plan) Usable() bool {
	for _, c := range p.Columns {
		if c.Field != "" {
			return true
		}
	}
	return false
}

// Rules by which a column is understood, beside the normaliser's.
const (
	ruleOptions = "options"
	ruleName    = "name of a field"
)

// planColumn understands one column; c is what the options say of it, nil for
// nothing.
func planColumn(header string, c *Column) planned {
	p := planned{header: header, mul: 1, div: 1}
	if c != nil && c.Field != "" {
		p, _ = c.plan() // Validate was here before
		p.header, p.rule = header, ruleOptions
		return p
	}
	guess(&p, c != nil)
	if c == nil || p.to.kind == toNothing {
		return p
	}
	p.rule = ruleOptions + ", " + p.rule
	if c.Kind != "" {
		p.kind = c.Kind
	}
	if note := p.settle(); note != "" {
		return planned{header: header, note: note}
	}
	if c.Unit != "" {
		p.mul, p.div = math.Copysign(1, p.mul), 1
		sign := p.mul
		if note := p.unit(c.Unit); note != "" {
			return planned{header: header, note: note}
		}
		p.mul *= sign
	}
	return p
}

// guess understands a column by its name.
func guess(p *planned, asked bool) {
	if to, ok := parseTarget(p.header); ok {
		p.to, p.rule = to, ruleName
		_ = p.settle()
		return
	}
	switch p.header {
	case TimestampColumn, "receivedAt", "sourceId":
		p.to = target{kind: toKnown}
		return
	}
	if p.header == "" || len(p.header) > maxName {
		p.note = "has no name that can be understood"
		return
	}
	document := `{` + strconv.Quote(p.header) + `:1}`
	result, err := payload.Normalise([]byte(document), payload.Options{})
	if err != nil || len(result.Samples) != 1 {
		p.note = "is not understood"
		return
	}
	p.take(&result.Samples[0])
	if p.to.kind == toNothing {
		p.note = "is not understood"
		if !asked {
			p.note += `: name its field under "columns" to take it in`
		}
	}
}

// take finds what the normaliser made of the column.
func (p *planned) take(s *payload.Sample) {
	found := 0
	for f := range payload.Field(payload.NumFields) {
		value, ok := s.Get(f)
		if !ok {
			continue
		}
		own, named := telemetry.FieldNamed(f.String())
		if found++; !named || value == 0 {
			return
		}
		p.to, p.mul = target{kind: toField, field: own}, value
	}
	lines := func(list []payload.Line, phase bool) {
		for i, l := range list {
			for part, known := range l.Known {
				if known && found == 0 && l.Number[part] != 0 {
					p.to, p.mul = target{kind: toLine, phase: phase, index: i, part: part}, l.Number[part]
				}
			}
		}
	}
	lines(s.Strings, false)
	lines(s.Phases, true)
	if found > 1 {
		p.to = target{}
	}
	if p.to.kind == toNothing {
		return
	}
	// 0.001 is no binary number: dividing by 1000 is exact where there is an answer.
	if inverse := 1 / p.mul; math.Abs(p.mul) < 1 && math.Abs(inverse-math.Round(inverse)) < 1e-6 {
		p.div = math.Abs(math.Round(inverse))
		p.mul = math.Copysign(1, p.mul)
	}
	for _, g := range s.Given {
		p.rule = g.Rule
		if g.Assumed {
			p.note = "the unit, the sign or the place of the meter is assumed"
		}
	}
	_ = p.settle()
}

// describe is the plan of a column as it is shown.
func (p *planned) describe() PlannedColumn {
	d := PlannedColumn{Header: p.header, Field: p.to.String(), Rule: p.rule, Note: p.note}
	if d.Field != "" {
		d.Unit, d.Factor, d.Kind = p.to.unit(), p.mul/p.div, p.kind
	}
	return d
}

// isTimeHeader reports whether a header names the row's time.
func isTimeHeader(header string) bool {
	switch strings.ToLower(strings.NewReplacer("_", "", " ", "", "-", "", "/", "", ".", "").Replace(header)) {
	case "timestamp", "time", "datetime", "date", "localtime", "ts", "unixtime", "epoch", "utc", "utctime", "timeutc", "timestamputc", "zeit", "datum",
		"zeitstempel", "datumzeit", "datumuhrzeit", "datetimeutc", "starttime", "start", "from", "measuredat", "recordedat", "readat", "lastupdated", "time0",
		"dateandtime", "datetimelocal", "fecha", "hora", "fechahora", "horodatage", "heure", "data", "dataora", "tijd", "datumtijd":
		return true
	}
	return false
}
