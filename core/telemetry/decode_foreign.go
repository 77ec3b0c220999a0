package telemetry

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"time"

	"ampra/core/fault"
	"ampra/core/payload"
)

// decide looks, at a member's name, whether the payload is in canonical names:
// when one of them stands at the top level, of any reading of a list. Names that
// vendors use too say nothing.
func (p *parser) decide(name []byte) {
	switch {
	case neutralName(name):
	case canonicalName(name), p.canonicalAhead():
		p.canonical = true
	default:
		p.foreign = true
	}
}

func neutralName(name []byte) bool {
	switch string(name) {
	case "timestamp", "time", "ts", "status", "receivedAt", "sourceId":
		return true
	}
	return false
}

func canonicalName(name []byte) bool {
	switch string(name) {
	case "strings", "phases", "extra":
		return true
	}
	_, ok := FieldNamed(string(name))
	return ok
}

// mentionsCanonical reports whether a canonical name may stand in the payload as
// a name, at whatever level: it looks at what stands in quotes, and leaves what
// has escapes to the scanner.
func mentionsCanonical(data []byte) bool {
	for {
		begin := bytes.IndexByte(data, '"')
		if begin < 0 {
			return false
		}
		data = data[begin+1:]
		end := bytes.IndexByte(data, '"')
		if end < 0 {
			return false
		}
		if name := data[:end]; canonicalName(name) || bytes.IndexByte(name, '\\') >= 0 {
			return true
		}
		data = data[end+1:]
	}
}

// canonicalAhead looks for a canonical name behind the one that was just read. A
// text that stops being JSON before is for the canonical reader to refuse.
func (p *parser) canonicalAhead() bool {
	scan := p.scan
	scan.Skip()
	if namesAhead(&scan) {
		return true
	}
	for p.list && scan.More() {
		if scan.Kind() != payload.Object {
			scan.Skip()
			continue
		}
		scan.Open()
		if namesAhead(&scan) {
			return true
		}
	}
	return scan.End() != nil
}

// namesAhead reads the rest of an object and reports a canonical name in it.
func namesAhead(scan *payload.Scanner) bool {
	for scan.More() {
		if canonicalName(scan.Name()) {
			return true
		}
		scan.Skip()
	}
	return false
}

// linesOfText reports whether the payload of a topic of its own may be in a
// format of lines, and is not the text of a field.
func linesOfText(data []byte, name string) bool {
	_, canonical := FieldNamed(name)
	return !canonical && name != "status" && bytes.IndexByte(data, '=') > 0
}

// foreignReadings reads a payload that is not in canonical names. ok is false
// when nothing in it is recognised.
func (p *parser) foreignReadings(data []byte) (ok bool, err error) {
	result, err := p.normaliser.Normalise(data, p.options())
	switch {
	case err != nil:
		return tooMany(err)
	case !result.Recognised() && !result.Clocked():
		return false, nil
	}
	return p.understood(result), nil
}

// options are what the normaliser is told of the intake.
func (p *parser) options() payload.Options {
	return payload.Options{Name: p.in.Name, Received: p.in.ReceivedAt, Zone: p.in.Zone, Meter: p.in.Meter, Profile: p.in.Profile, Overrides: p.in.Overrides}
}

// understood makes readings of what the normaliser found. It is false when what
// was recognised is not possible and no vendor's form vouches for it.
func (p *parser) understood(result payload.Result) bool {
	p.list, p.untimed = len(result.Samples) > 1, false
	p.report = Report{Format: result.Profile, DroppedExtra: result.Dropped}
	if len(result.Samples) > 0 {
		p.report.Readings = make([]Reading, 0, len(result.Samples))
		p.report.Given = make([][]payload.Given, 0, len(result.Samples))
	}
	hollow := false
	for i := range result.Samples {
		hollow = !p.sample(&result.Samples[i]) || hollow
	}
	if hollow && len(p.report.Readings) == 0 && result.Profile == "" {
		return false // its numbers are none of what their names say: extra
	}
	p.report.Harmless = len(result.Samples) == 0 && len(result.Rejected) > 0
	for _, r := range result.Rejected {
		p.reject(r.Index, r.Reason)
		p.report.Harmless = p.report.Harmless && r.Known
	}
	slices.SortStableFunc(p.report.Rejected, func(a, b Rejection) int { return cmp.Compare(a.Index, b.Index) })
	for _, w := range result.Warnings {
		if !slices.ContainsFunc(p.report.Rejected, func(r Rejection) bool { return r.Index == w.Index }) {
			p.report.Warnings = append(p.report.Warnings, Warning{Index: w.Index, Field: w.Field, Reason: w.Reason})
		}
	}
	return true
}

// tooMany refuses a list that is too long. What is malformed is for the reader of
// canonical names to refuse.
func tooMany(err error) (ok bool, refusal error) {
	if many, ok := errors.AsType[*payload.TooManyError](err); ok {
		return true, fault.New(fault.TooLarge, "A list holds at most %d readings.", many.Max)
	}
	return false, nil
}

// sample makes a reading, or refuses it with the reason. It is false when nothing
// in the sample is possible.
func (p *parser) sample(s *payload.Sample) bool {
	p.begin(s.Index)
	r := &p.report.Readings[len(p.report.Readings)-1]
	warned := len(p.report.Warnings)
	for f := range Field(NumFields) {
		number, ok := s.Get(payload.Field(f))
		switch {
		case !ok:
		case f.Possible(number):
			r.Values.Set(f, number)
		default:
			p.warn(f.String(), impossible(f))
		}
	}
	r.Strings, r.Phases = p.sampleLines("strings", s.Strings), p.sampleLines("phases", s.Phases)
	r.Status = p.sampleStatus(s.Status)
	p.sampleExtra(r, s.Extra)
	at := moment{milli: s.Milli, known: s.Timed}
	if s.Timed && (s.Milli < earliestMilli || s.Milli > p.latest) {
		at.problem = p.outOfRange(cmp.Or(s.TimeFrom, "its time"), s.Milli)
	}
	hollow := r.IsEmpty()
	before := len(p.report.Readings)
	if p.finish(r, at, warned); len(p.report.Readings) == before {
		p.report.Given = append(p.report.Given, s.Given)
	}
	return !hollow
}

func (p *parser) sampleLines(field string, from []payload.Line) []Line {
	numbers := 0
	for i := range from {
		draft := &p.lines[i]
		*draft = lineDraft{}
		for part, info := range lineParts {
			if !from[i].Known[part] {
				continue
			}
			number := from[i].Number[part]
			if draft.known[part] = -info.max <= number && number <= info.max; !draft.known[part] {
				p.warn(field+"."+info.name, between(-info.max, info.max, info.unit))
				continue
			}
			draft.number[part] = number
			numbers++
		}
	}
	if numbers == 0 {
		return nil
	}
	return p.drafted(len(from), numbers)
}

func (p *parser) sampleStatus(from payload.Status) *Status {
	var s Status
	if from.HasCode {
		code := from.Code
		s.Code = &code
	}
	if from.HasText {
		if problem := statusProblem([]byte(from.Text)); problem != "" {
			p.warn("status", problem)
		} else {
			text := from.Text
			s.Text = &text
		}
	}
	if s.Code == nil && s.Text == nil {
		return nil
	}
	return &s
}

func (p *parser) sampleExtra(r *Reading, from []payload.Extra) {
	if len(from) == 0 {
		return
	}
	extra := make(map[string]float64, len(from))
	for _, e := range from {
		if !extraName([]byte(e.Name)) {
			p.report.DroppedExtra++
			continue
		}
		extra[e.Name] = e.Number
	}
	if len(extra) > 0 {
		r.Extra = extra
	}
}

// outOfRange notes a time that is not allowed and says which are.
func (p *parser) outOfRange(name string, milli int64) string {
	p.report.ClockOff = time.UnixMilli(milli).Sub(p.in.ReceivedAt)
	return outOfRange(name, p.latest)
}

// outOfRange says which times are allowed.
func outOfRange(name string, latest int64) string {
	return name + " is out of the allowed range, " + Earliest().Format(time.RFC3339) + " until " +
		time.UnixMilli(latest).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
