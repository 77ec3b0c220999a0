package csvimport

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// Bounds of a record.
const (
	maxRecord      = 64 << 10
	maxRecordLines = 100
)

// record is one row as it stands in the file.
type record struct {
	// line is its first line, counted from 1.
	line  int64
	text  []byte
	cells [][]byte
	// problem is why there are no cells, "" if nothing is wrong.
	problem string
}

// records cuts a file into rows. What a row's slices show is overwritten by the
// next.
type records struct {
	from  *bufio.Reader
	delim byte
	// solarLog is set where each row is a line of a Solar-Log's file of minutes.
	solarLog bool

	line int64
	// pushed are lines that were looked at in vain and come again.
	pushed [][]byte
	text   []byte
	cells  [][]byte
	quoted []byte
}

// next returns the next row that is neither empty nor a comment, or io.EOF.
func (r *records) next() (record, error) {
	for {
		line, tooLong, err := r.readLine()
		if err != nil {
			return record{}, err
		}
		begin := r.line
		if tooLong {
			return record{line: begin, text: line[:min(len(line), maxName)], problem: "the line is longer than 64 KiB"}, nil
		}
		if trimmed := bytes.TrimSpace(line); len(trimmed) == 0 || trimmed[0] == '#' {
			continue
		}
		if r.solarLog {
			return r.solarLogRow(begin, line), nil
		}
		return r.row(begin, line)
	}
}

// readLine reads a line without its end. It is the caller's until the next call.
func (r *records) readLine() (line []byte, tooLong bool, err error) {
	r.line++
	if len(r.pushed) > 0 {
		line, r.pushed = r.pushed[0], r.pushed[1:]
		return line, false, nil
	}
	r.text = r.text[:0]
	for {
		part, err := r.from.ReadSlice('\n')
		if len(r.text) <= maxRecord {
			r.text = append(r.text, part...)
		}
		switch {
		case err == nil, errors.Is(err, io.EOF) && len(r.text) > 0:
			return bytes.TrimRight(r.text, "\r\n"), len(r.text) > maxRecord, nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		default:
			return nil, false, err
		}
	}
}

// row reads a row that begins with the line; a quoted cell may go on in others.
func (r *records) row(begin int64, line []byte) (record, error) {
	problem, open := r.split(line)
	if !open {
		return record{begin, line, r.cells, problem}, nil
	}
	whole := bytes.Clone(line)
	first := len(whole)
	more := [][]byte{}
	for len(more) < maxRecordLines && len(whole) < maxRecord {
		next, tooLong, err := r.readLine()
		if errors.Is(err, io.EOF) {
			r.line--
			break
		}
		if err != nil {
			return record{}, err
		}
		more = append(more, bytes.Clone(next))
		if tooLong {
			break
		}
		whole = append(append(whole, '\n'), next...)
		// Quotes within a quoted cell are pairs: an even number of them closes nothing.
		if bytes.Count(next, []byte{'"'})%2 == 0 {
			continue
		}
		if problem, open = r.split(whole); !open {
			return record{begin, whole, r.cells, problem}, nil
		}
	}
	// The quote is not meant as one: what follows is read again.
	r.line -= int64(len(more))
	r.pushed = append(more, r.pushed...)
	return record{line: begin, text: whole[:first], problem: "a quote is opened and not closed"}, nil
}

// split cuts a row into its cells. open says that a quote is not closed.
func (r *records) split(text []byte) (problem string, open bool) {
	r.cells, r.quoted = r.cells[:0], r.quoted[:0]
	if cap(r.quoted) < len(text) {
		r.quoted = make([]byte, 0, 2*len(text)) // cells show it: it must not move
	}
	for {
		for len(text) > 0 && text[0] == ' ' && r.delim != ' ' {
			text = text[1:]
		}
		var cell []byte
		if len(text) > 0 && text[0] == '"' {
			begin, closed := len(r.quoted), false
			i := 1
			for ; i < len(text) && !closed; i++ {
				switch {
				case text[i] != '"':
					r.quoted = append(r.quoted, text[i])
				case i+1 < len(text) && text[i+1] == '"':
					r.quoted = append(r.quoted, '"')
					i++
				default:
					closed = true
				}
			}
			if !closed {
				return "", true
			}
			cell, text = r.quoted[begin:len(r.quoted):len(r.quoted)], bytes.TrimLeft(text[i:], " ")
			if len(text) > 0 && text[0] != r.delim {
				return "text follows a closing quote", false
			}
		} else {
			end := bytes.IndexByte(text, r.delim)
			if end < 0 {
				end = len(text)
			}
			cell, text = bytes.TrimSpace(text[:end]), text[end:]
		}
		r.cells = append(r.cells, cell)
		if len(r.cells) > MaxColumns {
			return "there are more than 500 cells", false
		}
		if len(text) == 0 {
			return "", false
		}
		text = text[1:]
	}
}

// toText is a cell's text: what is no UTF-8 is taken for Latin-1, as old loggers
// write it.
func toText(cell []byte) string {
	if utf8.Valid(cell) {
		return string(cell)
	}
	runes := make([]rune, len(cell))
	for i, c := range cell {
		runes[i] = rune(c)
	}
	return string(runes)
}
