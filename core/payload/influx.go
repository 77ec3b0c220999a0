package payload

import (
	"bytes"
	"unicode/utf8"
)

// influx reads the Influx line protocol, a sample a line. It is false, and
// nothing is read, when any line is none.
func (n *normaliser) influx(text []byte) bool {
	if bytes.IndexByte(text, '=') < 0 || bytes.IndexByte(text, ' ') < 0 || !utf8.Valid(text) {
		return false
	}
	index := 0
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if index == MaxSamples || !n.influxLine(index, line) {
			n.res = Result{}
			return false
		}
		index++
	}
	n.res.Profile = "influx line"
	return index > 0
}

// influxLine reads measurement,tag=x field=1,field=2i time. The time is in
// nanoseconds, coarser ones are told by their magnitude.
func (n *normaliser) influxLine(index int, line []byte) bool {
	head, rest := cutInflux(line, ' ')
	fields, at := cutInflux(bytes.TrimLeft(rest, " "), ' ')
	if len(head) == 0 || len(fields) == 0 || bytes.IndexByte(head, '"') >= 0 {
		return false
	}
	n.doc.reset(n.size)
	for len(fields) > 0 {
		var field []byte
		field, fields = cutInflux(fields, ',')
		name, value, ok := bytes.Cut(field, []byte{'='})
		if !ok || len(name) == 0 || !n.influxField(name, value) {
			return false
		}
	}
	n.doc.done()
	w := n.draft(index)
	if at = bytes.TrimSpace(at); len(at) > 0 {
		t, ok := unixTime(at)
		if !ok {
			return false
		}
		if !w.held(ToTime, 0) {
			w.s.Milli, w.s.Timed, w.s.TimeFrom = t.UnixMilli(), true, "timestamp"
		}
	}
	n.finish(w, w.read(false))
	return true
}

func (n *normaliser) influxField(name, value []byte) bool {
	name = bytes.ReplaceAll(name, []byte{'\\'}, nil)
	switch {
	case len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"':
		n.doc.add(string(name), String, bytes.ReplaceAll(value[1:len(value)-1], []byte(`\"`), []byte(`"`)), nil)
		return true
	case len(value) == 0:
		return false
	}
	switch string(value) {
	case "t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE":
		n.doc.add(string(name), Bool, nil, nil)
		return true
	}
	if last := value[len(value)-1]; last == 'i' || last == 'u' {
		value = value[:len(value)-1]
	}
	if _, unit, ok := parseNumber(value); !ok || len(unit) > 0 || bytes.IndexByte(value, ',') >= 0 {
		return false
	}
	n.doc.add(string(name), Number, value, nil)
	return true
}

// cutInflux cuts at the first separator that is neither escaped nor quoted.
func cutInflux(text []byte, separator byte) (before, after []byte) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			return text[:i], text[i+1:]
		}
	}
	return text, nil
}
