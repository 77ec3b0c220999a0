// Package xlsx writes workbooks for spreadsheet programs row by row, straight to
// where they go: memory does not grow with the rows. It writes values and nothing
// else: no formulas, no styles.
package xlsx

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of the format.
const (
	MaxRows = 1_048_576
	MaxText = 32_767 // characters of a cell; longer ones are cut
	maxName = 31     // characters of a sheet's name
)

// Writer writes one table. What goes beyond the rows of a sheet goes on in
// another, under the same header.
type Writer struct {
	archive *zip.Writer
	name    string
	sheet   *bufio.Writer
	// most is MaxRows, less in tests.
	most   int
	sheets int
	rows   int
	header []any
	err    error
}

// New returns a writer of a workbook whose sheets have the name. The first row is
// the header.
func New(to io.Writer, name string) *Writer {
	return &Writer{archive: zip.NewWriter(to), name: sheetName(name), most: MaxRows}
}

// sheetName leaves out what no sheet may be called.
func sheetName(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`[]:*?/\'`, r) || r < ' ' {
			return '-'
		}
		return r
	}, name)
	if r := []rune(name); len(r) > maxName-4 { // room for a number
		name = string(r[:maxName-4])
	}
	if name == "" {
		return "data"
	}
	return name
}

// Row writes a row of nil, string, bool, int, int64 and float64 cells. Numbers that are none
// are left empty.
func (w *Writer) Row(cells ...any) error {
	if w.header == nil {
		w.header = append([]any{}, cells...)
	}
	if w.err == nil && (w.sheet == nil || w.rows == w.most) {
		again := w.sheet != nil
		w.next()
		if again {
			w.row(w.header)
		}
	}
	w.row(cells)
	return w.err
}

// next begins a sheet.
func (w *Writer) next() {
	w.endSheet()
	w.sheets++
	w.rows = 0
	to := w.part("xl/worksheets/sheet" + strconv.Itoa(w.sheets) + ".xml")
	if w.err != nil {
		return
	}
	w.sheet = bufio.NewWriterSize(to, 64<<10)
	w.text(w.sheet, head+`<worksheet xmlns="`+mainSpace+`"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>`)
}

func (w *Writer) endSheet() {
	if w.sheet == nil || w.err != nil {
		return
	}
	w.text(w.sheet, `</sheetData></worksheet>`)
	w.keep(w.sheet.Flush())
}

func (w *Writer) row(cells []any) {
	if w.err != nil {
		return
	}
	w.rows++
	s := w.sheet
	w.text(s, `<row r="`+strconv.Itoa(w.rows)+`">`)
	for i, cell := range cells {
		at := ` r="` + column(i) + strconv.Itoa(w.rows) + `"`
		switch v := cell.(type) {
		case nil:
		case string:
			w.text(s, `<c`+at+` t="inlineStr"><is><t xml:space="preserve">`+escaped(v)+`</t></is></c>`)
		case bool:
			w.text(s, `<c`+at+` t="b"><v>`+map[bool]string{true: "1", false: "0"}[v]+`</v></c>`)
		case int:
			w.text(s, `<c`+at+`><v>`+strconv.Itoa(v)+`</v></c>`)
		case int64:
			w.text(s, `<c`+at+`><v>`+strconv.FormatInt(v, 10)+`</v></c>`)
		case float64:
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				w.text(s, `<c`+at+`><v>`+strconv.FormatFloat(v, 'g', -1, 64)+`</v></c>`)
			}
		default:
			w.keep(fmt.Errorf("a cell can't be a %T", cell))
		}
	}
	w.text(s, `</row>`)
}

// column is the letters of a column, counted from 0.
func column(i int) string {
	var letters []byte
	for i++; i > 0; i = (i - 1) / 26 {
		letters = append([]byte{byte('A' + (i-1)%26)}, letters...)
	}
	return string(letters)
}

// escaped is a text as XML takes it: characters that it can't have are left out.
func escaped(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n == MaxText {
			break
		}
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '\r':
			b.WriteString("&#13;")
		case r == '\t' || r == '\n' || r >= ' ' && r != utf8.RuneError && r != 0xFFFE && r != 0xFFFF:
			b.WriteRune(r)
		default:
			continue
		}
		n++
	}
	return b.String()
}

const (
	head      = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	mainSpace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	relSpace  = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	packSpace = "http://schemas.openxmlformats.org/package/2006/relationships"
	typeSpace = "http://schemas.openxmlformats.org/package/2006/content-types"
	mediaBase = "application/vnd.openxmlformats-officedocument.spreadsheetml."
)

// Close writes what ends a workbook. Without it, the file is no workbook.
func (w *Writer) Close() error {
	if w.sheet == nil && w.err == nil {
		w.next()
	}
	w.endSheet()
	var types, sheets, relations strings.Builder
	for n := 1; n <= w.sheets; n++ {
		number, name := strconv.Itoa(n), w.name
		if n > 1 {
			name += " " + number
		}
		types.WriteString(`<Override PartName="/xl/worksheets/sheet` + number + `.xml" ContentType="` + mediaBase + `worksheet+xml"/>`)
		sheets.WriteString(`<sheet name="` + escapedAttribute(name) + `" sheetId="` + number + `" r:id="rId` + number + `"/>`)
		relations.WriteString(`<Relationship Id="rId` + number + `" Type="` + relSpace + `/worksheet" Target="worksheets/sheet` + number + `.xml"/>`)
	}
	for _, part := range []struct{ path, text string }{
		{"xl/workbook.xml", `<workbook xmlns="` + mainSpace + `" xmlns:r="` + relSpace + `"><sheets>` + sheets.String() + `</sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="` + packSpace + `">` + relations.String() + `</Relationships>`},
		{"_rels/.rels", `<Relationships xmlns="` + packSpace + `"><Relationship Id="rId1" Type="` + relSpace + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"[Content_Types].xml", `<Types xmlns="` + typeSpace + `"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="` + mediaBase + `sheet.main+xml"/>` + types.String() + `</Types>`},
	} {
		if to := w.part(part.path); w.err == nil {
			_, err := io.WriteString(to, head+part.text)
			w.keep(err)
		}
	}
	if w.err != nil {
		return w.err
	}
	if err := w.archive.Close(); err != nil {
		return fmt.Errorf("writing a workbook: %w", err)
	}
	w.keep(errClosed)
	return nil
}

var errClosed = errors.New("the workbook is closed")

func escapedAttribute(text string) string { return strings.ReplaceAll(escaped(text), `"`, "&quot;") }

func (w *Writer) part(path string) io.Writer {
	if w.err != nil {
		return nil
	}
	to, err := w.archive.Create(path)
	w.keep(err)
	return to
}

func (w *Writer) text(to *bufio.Writer, text string) {
	if w.err == nil {
		_, err := to.WriteString(text)
		w.keep(err)
	}
}

func (w *Writer) keep(err error) {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("writing a workbook: %w", err)
	}
}
