package telemetry

import (
	"bytes"
	"strings"

	"ampra/core/fault"
	"ampra/core/payload"
)

const jsonSpace = " \t\r\n"

// holdsReadings reports whether the payload of a topic of its own is an object or
// a list after all.
func holdsReadings(data []byte) bool {
	data = bytes.TrimLeft(data, jsonSpace)
	return len(data) > 0 && (data[0] == '{' || data[0] == '[')
}

// scalar takes the payload as the value of the field that the last level of in.Name names: a number, also as
// text or in quotes. For the status a text is a value too. A payload that begins
// like a JSON string and is none is malformed.
func (p *parser) scalar(data []byte) error {
	text := bytes.Trim(data, jsonSpace)
	if len(text) > 0 && text[0] == '"' {
		unquoted, _ := p.scan.Text()
		if err := p.scan.End(); err != nil {
			return fault.New(fault.Invalid, "%s", err.Error())
		}
		text = bytes.Trim(unquoted, jsonSpace)
	}
	if p.in.Overrides != nil && p.overriddenScalar(text) {
		return nil
	}
	p.begin(0)
	r := &p.report.Readings[0]
	if reason := p.scalarValue(r, text); reason != "" {
		p.report.Readings = nil
		p.reject(0, reason)
		return nil
	}
	r.Timestamp = Truncate(p.in.Default)
	return nil
}

// scalarValue sets the field that the topic names, or says why not.
func (p *parser) scalarValue(r *Reading, text []byte) (reason string) {
	if len(text) == 0 || string(text) == "null" {
		return "there is no value"
	}
	name := lastLevel(p.in.Name)
	f, canonical := FieldNamed(name)
	switch name {
	case "timestamp", "time", "ts", "receivedAt", "sourceId":
		return "a time or a name alone is no reading"
	case "strings", "phases", "extra":
		return "must be an object or a list"
	case "status":
		return scalarStatus(r, text)
	}
	if !numeric(text) {
		return notANumber
	}
	number, ok := payload.Float(text)
	switch {
	case canonical && ok && f.Possible(number):
		r.Values.Set(f, number)
	case canonical:
		return impossible(f)
	case !ok:
		return "is too large a number"
	case !extraName([]byte(p.in.Name)):
		p.report.DroppedExtra++
		return "the topic is too long for a field's name"
	default:
		r.Extra = map[string]float64{strings.Clone(p.in.Name): number}
	}
	return ""
}

// lastLevel is the last level of a topic.
func lastLevel(topic string) string { return topic[strings.LastIndexByte(topic, '/')+1:] }

// scalarStatus takes a whole number as the code, anything else as the text.
func scalarStatus(r *Reading, text []byte) (reason string) {
	if numeric(text) {
		if code, ok := payload.Int(text); ok {
			r.Status = &Status{Code: &code}
			return ""
		}
	}
	if problem := statusProblem(text); problem != "" {
		return problem
	}
	kept := string(text)
	r.Status = &Status{Text: &kept}
	return ""
}

// numeric reports whether a text is a decimal number, as devices print it: also
// with a plus, with leading zeros, with nothing before or behind the point.
func numeric(text []byte) bool {
	digits, point, mantissa := 0, false, true
	for i, c := range text {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case c == '+' || c == '-':
			if i > 0 && text[i-1]|0x20 != 'e' {
				return false
			}
		case c == '.' && mantissa && !point:
			point = true
		case c|0x20 == 'e' && mantissa && digits > 0:
			mantissa, digits = false, 0
		default:
			return false
		}
	}
	return digits > 0
}
