package csvimport

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"ampra/core/telemetry"
)

// target is where a column's cells go in a reading.
type target struct {
	kind  targetKind
	field telemetry.Field
	// phase, index and part name a string or phase and its volts, amperes or watts.
	phase bool
	index int
	part  int
	// name is the name in extra, or of the whole that is written as JSON.
	name string
}

type targetKind uint8

const (
	toNothing targetKind = iota
	toField
	toLine
	toStatusCode
	toStatusText
	toExtra
	// toJSON is what the raw export writes into one cell: strings, phases, extra.
	toJSON
	// toKnown is what a raw export may have and an import has no use for.
	toKnown
)

//nolint:gochecknoglobals // a table that nobody writes to
var partNames = [...]string{"voltageVolts", "currentAmperes", "powerWatts"}

// Names of columns of the raw export that are no fields.
const (
	TimestampColumn  = "timestamp"
	StringsColumn    = "strings"
	PhasesColumn     = "phases"
	StatusCodeColumn = "status.code"
	StatusTextColumn = "status.text"
	ExtraColumn      = "extra"
)

// parseTarget reads a field's name as the options have it.
func parseTarget(name string) (target, bool) {
	if f, ok := telemetry.FieldNamed(name); ok {
		return target{kind: toField, field: f}, true
	}
	switch name {
	case StatusCodeColumn:
		return target{kind: toStatusCode}, true
	case StatusTextColumn:
		return target{kind: toStatusText}, true
	case StringsColumn, PhasesColumn, ExtraColumn:
		return target{kind: toJSON, name: name}, true
	}
	if rest, ok := strings.CutPrefix(name, "extra."); ok {
		return target{kind: toExtra, name: rest}, validExtra(rest)
	}
	rest, phase := strings.CutPrefix(name, "phases[")
	if !phase {
		var ok bool
		if rest, ok = strings.CutPrefix(name, "strings["); !ok {
			return target{}, false
		}
	}
	number, part, ok := strings.Cut(rest, "].")
	index, err := strconv.Atoi(number)
	if !ok || err != nil || index < 0 || index >= telemetry.MaxLines || number != strconv.Itoa(index) {
		return target{}, false
	}
	for i, known := range partNames {
		if part == known {
			return target{kind: toLine, phase: phase, index: index, part: i}, true
		}
	}
	return target{}, false
}

func validExtra(name string) bool {
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > telemetry.MaxExtraName {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 })
}

// String is the field's name as the options have it, "" for none.
func (t target) String() string {
	switch t.kind {
	case toField:
		return t.field.String()
	case toLine:
		list := "strings["
		if t.phase {
			list = "phases["
		}
		return list + strconv.Itoa(t.index) + "]." + partNames[t.part]
	case toStatusCode:
		return StatusCodeColumn
	case toStatusText:
		return StatusTextColumn
	case toExtra:
		return "extra." + t.name
	case toJSON:
		return t.name
	case toNothing, toKnown:
	}
	return ""
}

// unit is the unit that the reading has there, "" for none.
func (t target) unit() string {
	switch t.kind {
	case toField:
		return t.field.Info().Unit
	case toLine:
		return [...]string{"V", "A", "W"}[t.part]
	case toNothing, toStatusCode, toStatusText, toExtra, toJSON, toKnown:
	}
	return ""
}
