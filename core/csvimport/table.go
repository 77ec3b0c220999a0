package csvimport

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Codes of warnings.
const (
	WarnAmbiguousTime   = "ambiguousTime"   // a local time that exists twice
	WarnNonexistentTime = "nonexistentTime" // a local time that the clock jumps over
	WarnRepeatedHeader  = "repeatedHeader"
	WarnNegativeEnergy  = "negativeEnergy" // taken for 0: a counter does not go back
)

// headSize is how much of a file is looked at to understand it.
const headSize = 64 << 10

// Env is what a table's readings depend on beside the options.
type Env struct {
	Source uuid.UUID
	// Zone is of the times that tell none.
	Zone *time.Location
	// Now is when they are taken in.
	Now time.Time
}

// Table is a file that is read row by row.
type Table struct {
	o       Options
	e       Env
	rows    records
	headers []string
	header  []byte // as it stands in the file
	columns []planned
	timeAt  int
	decimal byte
	format  *format
	wall    wall
	// latest is the last moment that a reading may have.
	latest   int64
	interval time.Duration
	slots    *slots
	repeated int64
	pending  *record
}

// Open reads the head of a file and understands it. The options are valid. An
// error is Invalid, with the options that would help, or the reader's.
func Open(r io.Reader, o Options, e Env) (*Table, error) {
	from := bufio.NewReaderSize(r, headSize)
	head, err := from.Peek(headSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	t := &Table{o: o, e: e, decimal: '.', latest: e.Now.Add(telemetry.MaxAhead).UnixMilli()}
	t.wall.zone = e.Zone
	if o.Decimal != "" {
		t.decimal = o.Decimal[0]
	}
	if o.Interval != "" {
		if t.interval, err = ParseInterval(o.Interval); err != nil {
			return nil, err
		}
	}
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return nil, fileFault("is in UTF-16: save it as UTF-8")
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		_, _ = from.Discard(3)
		head = head[3:]
	}
	whole := len(head) < headSize-3
	t.rows.from = from
	if isSolarLog(head) {
		t.rows.solarLog = true
	} else if err := t.findDelimiter(head, whole); err != nil {
		return nil, err
	}
	if err := t.readHeader(); err != nil {
		return nil, err
	}
	if err := t.plan(); err != nil {
		return nil, err
	}
	if err := t.findTime(t.sample(head, whole)); err != nil {
		return nil, err
	}
	t.slots = newSlots(t.columns)
	return t, nil
}

func fileFault(problem string) error {
	var wrong fault.Fields
	wrong.Add("file", problem)
	return wrong.Err()
}

func optionFault(option, problem string) error {
	var wrong fault.Fields
	wrong.Add(option, problem)
	return wrong.Err()
}

// maxPreamble is how many rows may stand before the header.
const maxPreamble = 50

// readHeader finds the header: the row with the time's column, where the options
// name it, else the first that has more than one cell.
func (t *Table) readHeader() error {
	for range maxPreamble {
		rec, err := t.rows.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if t.rows.solarLog {
			t.headers = solarLogHeader(rec.text)
			rec.text, rec.cells = bytes.Clone(rec.text), cloneCells(rec.cells)
			t.pending = &rec
			return nil
		}
		if rec.problem != "" || bytes.HasPrefix(bytes.ToLower(rec.text), []byte("sep=")) {
			continue
		}
		headers := make([]string, len(rec.cells))
		for i, cell := range rec.cells {
			headers[i] = strings.TrimSpace(toText(cell))
		}
		if t.o.TimeColumn != "" && !slices.Contains(headers, t.o.TimeColumn) || t.o.TimeColumn == "" && len(headers) < 2 {
			continue
		}
		t.headers, t.header = headers, bytes.Clone(rec.text)
		return nil
	}
	if t.o.TimeColumn != "" {
		return optionFault("timeColumn", fmt.Sprintf("is not in the file: no row among the first %d has the cell %q", maxPreamble, cut(t.o.TimeColumn)))
	}
	return fileFault("has no header with several columns: is the delimiter right?")
}

func cloneCells(cells [][]byte) [][]byte {
	cloned := make([][]byte, len(cells))
	for i, c := range cells {
		cloned[i] = bytes.Clone(c)
	}
	return cloned
}

// findDelimiter takes the one that cuts most rows of the head into as many cells
// as the others.
func (t *Table) findDelimiter(head []byte, whole bool) error {
	if t.o.Delimiter != "" {
		t.rows.delim = t.o.Delimiter[0]
		return nil
	}
	if first, _, _ := bytes.Cut(head, []byte("\n")); bytes.HasPrefix(bytes.ToLower(first), []byte("sep=")) && len(first) > 4 {
		t.rows.delim = first[4]
		return nil
	}
	best := 0
	for _, delim := range []byte{';', '\t', ',', '|'} {
		if delim == t.decimal {
			continue
		}
		counts := map[int]int{}
		forEach(head, whole, records{delim: delim}, func(rec record) { counts[len(rec.cells)]++ })
		for cells, rows := range counts {
			if cells > 1 && rows*100+cells > best {
				best, t.rows.delim = rows*100+cells, delim
			}
		}
	}
	if best == 0 {
		return optionFault("delimiter", "can't be guessed: no character cuts the rows into columns")
	}
	return nil
}

// maxSample is how many rows of the head are looked at.
const maxSample = 300

// forEach goes through the rows of the head that are whole.
func forEach(head []byte, whole bool, rows records, see func(record)) {
	if !whole {
		head = head[:bytes.LastIndexByte(head, '\n')+1]
	}
	rows.from = bufio.NewReaderSize(bytes.NewReader(head), 4096)
	for range maxSample {
		rec, err := rows.next()
		if err != nil {
			return
		}
		see(rec)
	}
}

// sample are the cells with the time in the head.
func (t *Table) sample(head []byte, whole bool) [][]byte {
	var cells [][]byte
	began := t.rows.solarLog
	forEach(head, whole, records{delim: t.rows.delim, solarLog: t.rows.solarLog}, func(rec record) {
		switch {
		case !began:
			began = bytes.Equal(rec.text, t.header)
		case rec.problem == "" && t.timeAt < len(rec.cells) && !isEmpty(rec.cells[t.timeAt]) && !bytes.Equal(rec.text, t.header):
			cells = append(cells, bytes.Clone(rec.cells[t.timeAt]))
		}
	})
	return cells
}

// plan understands the columns.
func (t *Table) plan() error {
	t.timeAt = -1
	var wrong fault.Fields
	for header := range t.o.Columns {
		wrong.Check(slices.Contains(t.headers, header), "columns."+header, "is no header of the file, which has "+cut(strings.Join(t.headers, ", ")))
	}
	if err := wrong.Err(); err != nil {
		return err
	}
	for i, header := range t.headers {
		if t.timeAt < 0 && (header == t.o.TimeColumn || t.o.TimeColumn == "" && isTimeHeader(header)) {
			t.timeAt = i
		}
	}
	if t.timeAt < 0 {
		return optionFault("timeColumn", "is needed: no header is known as that of a time; there are "+cut(strings.Join(t.headers, ", ")))
	}
	t.columns = make([]planned, len(t.headers))
	for _, told := range []bool{true, false} { // what the options say goes first
		for i, header := range t.headers {
			c, listed := t.o.Columns[header]
			if i == t.timeAt || (c != nil && c.Field != "") != told {
				continue
			}
			if listed && c == nil {
				t.columns[i] = planned{header: header, rule: ruleOptions, note: "is left out"}
				continue
			}
			p := planColumn(header, c)
			if p.to.String() != "" && t.taken(p.to) {
				p = planned{header: header, note: "is left out: another column is the same field"}
			}
			if p.slotted() && t.interval == 0 {
				return optionFault("interval", "is needed for means and energies of intervals")
			}
			t.columns[i] = p
		}
	}
	return nil
}

func (t *Table) taken(to target) bool {
	return slices.ContainsFunc(t.columns, func(p planned) bool { return p.to == to })
}

// findTime settles how times are written, and the order of the rows.
func (t *Table) findTime(cells [][]byte) error {
	if t.o.TimeFormat != "" {
		f, err := compile(t.o.TimeFormat)
		if err != nil {
			return optionFault("timeFormat", "can't be read")
		}
		t.format = f
	} else if len(cells) > 0 {
		f, or := mostly(cells, guessFormat)
		switch {
		case f == nil:
			return optionFault("timeFormat", fmt.Sprintf("can't be guessed from %q: say how the time is written", cut(toText(cells[0]))))
		case or != nil:
			return optionFault("timeFormat", fmt.Sprintf("can't be told: %q may be %s or %s", cut(toText(cells[0])), f.name, or.name))
		}
		t.format = f
	} else {
		t.format = &format{name: "unix", unix: 1000} // no row has a time
	}
	rising, falling := 0, 0
	var last int64
	for i, cell := range cells {
		c, ok := t.format.parse(cell)
		if !ok {
			continue
		}
		at := c.seconds()
		if i > 0 && at > last {
			rising++
		} else if i > 0 && at < last {
			falling++
		}
		last = at
	}
	t.wall.falling = falling > rising
	return nil
}

// Plan is how the file is understood.
func (t *Table) Plan() Plan {
	p := Plan{
		TimeColumn: t.headers[t.timeAt], TimeFormat: t.format.name, TimeZone: t.e.Zone.String(), Decimal: string(t.decimal),
		Delimiter: string(t.rows.delim), Interval: t.o.Interval,
	}
	if t.rows.solarLog {
		p.Delimiter = ";"
	}
	for i := range t.columns {
		if i != t.timeAt && t.columns[i].to.kind != toKnown {
			p.Columns = append(p.Columns, t.columns[i].describe())
		}
	}
	return p
}

// Warnings are the counts of what was done otherwise than one may expect.
func (t *Table) Warnings() map[string]int64 {
	return map[string]int64{
		WarnAmbiguousTime: t.wall.ambiguous, WarnNonexistentTime: t.wall.nonexistent, WarnRepeatedHeader: t.repeated,
		WarnNegativeEnergy: t.slots.negative,
	}
}
