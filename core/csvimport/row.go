package csvimport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Row is what became of one row.
type Row struct {
	// Line is where it begins in the file, from 1; Text is the row, valid until the
	// next one is read.
	Line int64
	Text []byte
	// Column and Problem say why it was refused; Problem is "" for one that was not.
	Column, Problem string
	// Empty is set for a row without a value.
	Empty bool
	// Reading is what stands at the row's time; it may be empty where all of the row
	// is of its interval.
	Reading telemetry.Reading
	// Interval is set for a row with a mean or an energy of its interval, which
	// Table.Intervals has at the end.
	Interval bool
}

// Next reads the next row. The error is io.EOF at the end, the reader's, or
// TooLarge for more intervals than fit in memory.
func (t *Table) Next() (Row, error) {
	for {
		rec, err := t.record()
		if err != nil {
			return Row{}, err
		}
		if t.header != nil && bytes.Equal(rec.text, t.header) {
			t.repeated++
			continue
		}
		row := Row{Line: rec.line, Text: rec.text}
		if rec.problem != "" {
			row.Problem = rec.problem
			return row, nil
		}
		err = t.read(&row, rec.cells)
		if _, full := errors.AsType[*fullError](err); full {
			return row, fault.New(fault.TooLarge, "The file has more than %d intervals. Import it in parts, the oldest first.", maxSlots)
		}
		return row, nil
	}
}

func (t *Table) record() (record, error) {
	if t.pending != nil {
		rec := *t.pending
		t.pending = nil
		return rec, nil
	}
	rec, err := t.rows.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return rec, fmt.Errorf("reading the file: %w", err)
	}
	return rec, err
}

// refuse notes why a row is refused.
func (r *Row) refuse(column, format string, args ...any) error {
	r.Column, r.Problem = column, fmt.Sprintf(format, args...)
	return nil
}

// read makes a reading of the cells.
func (t *Table) read(row *Row, cells [][]byte) error {
	for i := len(t.headers); i < len(cells); i++ {
		if len(cells[i]) > 0 {
			return row.refuse("", "has %d cells, the header %d", len(cells), len(t.headers))
		}
	}
	if !t.hasValue(cells) {
		row.Empty = true
		return nil
	}
	at, problem := t.moment(cells)
	if problem != "" {
		return row.refuse(t.headers[t.timeAt], "%s", problem)
	}
	r := &row.Reading
	r.SourceID, r.Timestamp, r.ReceivedAt = t.e.Source, time.UnixMilli(at).UTC(), t.e.Now
	slot := t.slots.begin(at, at+t.interval.Milliseconds())
	var parts []jsonCell
	for i := range t.columns {
		p := &t.columns[i]
		if p.to.kind == toNothing || p.to.kind == toKnown || i >= len(cells) || isEmpty(cells[i]) {
			continue
		}
		cell := cells[i]
		switch p.to.kind {
		case toStatusText:
			if problem := setText(r, cell); problem != "" {
				return row.refuse(p.header, "%s", problem)
			}
			continue
		case toJSON:
			parts = append(parts, jsonCell{p.header, p.to.name, cell})
			continue
		case toStatusCode:
			if code, err := strconv.ParseInt(string(cell), 10, 64); err == nil {
				status(r).Code = &code
				continue
			}
		case toNothing, toKnown, toField, toLine, toExtra:
		}
		number, ok := parseNumber(cell, t.decimal)
		if !ok {
			return row.refuse(p.header, "%q is no number%s", cut(toText(cell)), t.hint(cell))
		}
		number = number * p.mul / p.div
		if problem := p.check(number); problem != "" {
			return row.refuse(p.header, "%s", problem)
		}
		if p.slotted() {
			if at+t.interval.Milliseconds() > t.latest {
				return row.refuse(t.headers[t.timeAt], "the interval ends in the future")
			}
			slot.set(i, p, number, t.interval)
			continue
		}
		if problem := set(r, p.to, number); problem != "" {
			return row.refuse(p.header, "%s", problem)
		}
	}
	if len(parts) > 0 {
		if header, problem := t.whole(r, parts); problem != "" {
			return row.refuse(header, "%s", problem)
		}
	}
	row.Interval = slot.filled
	return slot.keep()
}

// hint says what may be meant.
func (t *Table) hint(cell []byte) string {
	if t.decimal == '.' && bytes.IndexByte(cell, ',') >= 0 {
		return `: where the decimal mark is a comma, set "decimal" to ","`
	}
	return ""
}

func (t *Table) hasValue(cells [][]byte) bool {
	for i, cell := range cells {
		if i < len(t.columns) && i != t.timeAt && t.columns[i].to.String() != "" && !isEmpty(cell) {
			return true
		}
	}
	return false
}

// moment is the row's time.
func (t *Table) moment(cells [][]byte) (milli int64, problem string) {
	if t.timeAt >= len(cells) || isEmpty(cells[t.timeAt]) {
		return 0, "there is no time"
	}
	cell := cells[t.timeAt]
	if t.format.unix > 0 {
		var ok bool
		if milli, ok = t.format.parseUnix(cell); !ok {
			return 0, fmt.Sprintf("%q is no unix time", cut(toText(cell)))
		}
	} else {
		c, ok := t.format.parse(cell)
		if !ok {
			return 0, fmt.Sprintf("%q is no time written as %s", cut(toText(cell)), t.format.name)
		}
		if c.year < 1999 || c.year > 9999 {
			return 0, "the time is before 2000-01-01"
		}
		milli = t.wall.moment(&c)
	}
	switch {
	case milli < telemetry.Earliest().UnixMilli():
		return 0, "the time is before 2000-01-01"
	case milli > t.latest:
		return 0, "the time is in the future"
	}
	return milli, ""
}

// check says what is wrong with a number for a column.
func (p *planned) check(number float64) string {
	switch {
	case p.kind == Interval:
		if number > maxIntervalKwh || number < -maxIntervalKwh {
			return "is more energy than an interval can have"
		}
	case p.to.kind == toField && !p.to.field.Possible(number):
		info := p.to.field.Info()
		if p.kind == Mean && number < 0 && -number <= info.Max {
			return ""
		}
		return "must be between " + strconv.FormatFloat(info.Min, 'f', -1, 64) + " and " + strconv.FormatFloat(info.Max, 'f', -1, 64) + " " + info.Unit
	}
	return ""
}

// set puts a number where it belongs.
func set(r *telemetry.Reading, to target, number float64) string {
	switch to.kind {
	case toField:
		if !to.field.Possible(number) { // a mean that is below 0
			return ""
		}
		r.Values.Set(to.field, number)
	case toLine:
		list := &r.Strings
		if to.phase {
			list = &r.Phases
		}
		for len(*list) <= to.index {
			*list = append(*list, telemetry.Line{})
		}
		line := &(*list)[to.index]
		*[]**float64{&line.VoltageVolts, &line.CurrentAmperes, &line.PowerWatts}[to.part] = &number
	case toStatusCode:
		code := int64(number)
		if float64(code) != number {
			return "must be a whole number"
		}
		status(r).Code = &code
	case toExtra:
		if r.Extra == nil {
			r.Extra = map[string]float64{}
		}
		if len(r.Extra) == telemetry.MaxExtra {
			return "is beyond the 64 names that extra may have"
		}
		r.Extra[to.name] = number
	case toNothing, toStatusText, toJSON, toKnown:
	}
	return ""
}

func status(r *telemetry.Reading) *telemetry.Status {
	if r.Status == nil {
		r.Status = &telemetry.Status{}
	}
	return r.Status
}

func setText(r *telemetry.Reading, cell []byte) string {
	text := Unguard(toText(cell))
	if utf8.RuneCountInString(text) > telemetry.MaxStatus {
		return "is longer than 200 characters"
	}
	status(r).Text = &text
	return ""
}
