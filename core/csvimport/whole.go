package csvimport

import (
	"strings"
	"time"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// jsonCell is a cell of a raw export that has a part of a reading as JSON.
type jsonCell struct {
	header, name string
	cell         []byte
}

// whole reads strings, phases and extra as answers of the API have them, by the
// same rules.
func (t *Table) whole(r *telemetry.Reading, parts []jsonCell) (header, problem string) {
	for _, p := range parts {
		document := `{"timestamp":"` + r.Timestamp.Format(time.RFC3339Nano) + `","` + p.name + `":` + toText(p.cell) + `}`
		report, err := telemetry.Decode([]byte(document), telemetry.Intake{SourceID: r.SourceID, ReceivedAt: t.e.Now})
		switch {
		case err != nil:
			if fault.Is(err, fault.Invalid) {
				return p.header, "is not valid JSON"
			}
			return p.header, err.Error()
		case len(report.Warnings) > 0:
			return p.header, report.Warnings[0].Field + " " + report.Warnings[0].Reason
		case report.DroppedExtra > 0:
			return p.header, "has more than 64 names, or one that can't be kept"
		case len(report.Readings) != 1:
			if empty := strings.Trim(toText(p.cell), " "); empty == "[]" || empty == "{}" {
				continue
			}
			return p.header, "is not as the API writes it"
		}
		found := report.Readings[0]
		r.Strings = append(r.Strings, found.Strings...)
		r.Phases = append(r.Phases, found.Phases...)
		for name, number := range found.Extra {
			if problem := set(r, target{kind: toExtra, name: name}, number); problem != "" {
				return p.header, problem
			}
		}
	}
	return "", ""
}

// A spreadsheet takes a cell that begins with one of these for a formula.
const formulaMarks = "=+-@\t\r"

// Guard makes a text harmless for spreadsheets: one that they might take for a
// formula gets a ' before it. Unguard takes it away again.
func Guard(text string) string {
	if text != "" && (strings.IndexByte(formulaMarks, text[0]) >= 0 || text[0] == '\'') {
		return "'" + text
	}
	return text
}

// Unguard undoes Guard.
func Unguard(text string) string {
	if len(text) > 1 && text[0] == '\'' && (strings.IndexByte(formulaMarks, text[1]) >= 0 || text[1] == '\'') {
		return text[1:]
	}
	return text
}
