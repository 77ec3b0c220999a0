package telemetry

import (
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"ampra/core/payload"
)

// parser reads one payload into a report.
type parser struct {
	scan   payload.Scanner
	in     Intake
	report Report

	received time.Time
	// latest is the last millisecond that a timestamp may have.
	latest int64
	// canonical is set once a canonical name was seen, foreign when there is none.
	canonical, foreign bool
	// list is set inside a list, untimed once a reading there got the default time.
	list, untimed bool
	// index is the reading's that is being read, overflown how many of its numbers
	// for extra were too large.
	index, overflown int

	lines [MaxLines]lineDraft

	// normaliser reads what is not in canonical names.
	normaliser payload.Normaliser

	// overridden are the elements as the source's overrides alone read them.
	overridden []payload.Sample
}

// reset begins with another payload.
func (p *parser) reset(data []byte, in Intake) {
	if in.Default.IsZero() {
		in.Default = in.ReceivedAt
	}
	p.scan.Reset(data)
	p.in, p.report = in, Report{}
	p.received, p.latest = Truncate(in.ReceivedAt), in.ReceivedAt.Add(MaxAhead).UnixMilli()
	p.canonical, p.foreign, p.list, p.untimed = false, false, false, false
	p.index, p.overflown = 0, 0
	p.overridden = nil
}

// element reads one element of the list.
func (p *parser) element(index int) {
	if kind := p.scan.Kind(); kind != payload.Object {
		p.scan.Skip()
		p.reject(index, "must be an object, not "+kind.String())
		return
	}
	p.reading(index)
}

// reading reads an object and takes it or refuses it.
func (p *parser) reading(index int) {
	p.begin(index)
	r := &p.report.Readings[len(p.report.Readings)-1]
	warned := len(p.report.Warnings)
	var at moment
	p.scan.Open()
	for p.scan.More() {
		name := p.scan.Name()
		if !p.canonical {
			if p.decide(name); p.foreign {
				return
			}
		}
		p.member(r, &at, name)
	}
	if p.overridden == nil {
		p.finish(r, at, warned)
		return
	}
	p.override(r, &at, warned)
	before := len(p.report.Readings)
	if p.finish(r, at, warned); len(p.report.Readings) == before {
		p.report.Given = append(p.report.Given, p.givenByOverrides())
	}
}

func (p *parser) begin(index int) {
	p.index, p.overflown = index, 0
	p.report.Readings = append(p.report.Readings, Reading{SourceID: p.in.SourceID, ReceivedAt: p.received})
}

// finish gives the reading its time, or takes it back with the reason.
func (p *parser) finish(r *Reading, at moment, warned int) {
	reason := at.problem
	switch {
	case reason != "":
	case r.IsEmpty():
		reason = "there is nothing in it that can be taken"
		if warnings := p.report.Warnings[warned:]; len(warnings) > 0 {
			reason += ": " + warnings[0].Field + " " + warnings[0].Reason
		}
	case at.known:
		r.Timestamp = time.UnixMilli(at.milli).UTC()
	case p.untimed:
		reason = "it has no timestamp; in a list only one reading may lack it"
	default:
		r.Timestamp = Truncate(p.in.Default)
		p.untimed = p.list
	}
	if reason != "" {
		p.report.Readings = p.report.Readings[:len(p.report.Readings)-1]
		p.report.Warnings = p.report.Warnings[:warned]
		p.reject(p.index, reason)
	}
}

func (p *parser) reject(index int, reason string) {
	p.report.Rejected = append(p.report.Rejected, Rejection{Index: index, Reason: reason})
}

func (p *parser) warn(field, reason string) {
	p.report.Warnings = append(p.report.Warnings, Warning{Index: p.index, Field: field, Reason: reason})
}

const notANumber = "must be a number"

// member reads one member of a reading.
func (p *parser) member(r *Reading, at *moment, name []byte) {
	if p.scan.Kind() == payload.Null {
		p.scan.Skip() // null is absent
		return
	}
	switch string(name) {
	case "timestamp", "time", "ts":
		p.moment(at, string(name))
	case "strings":
		if lines, ok := p.readLines("strings"); ok {
			r.Strings = lines
		}
	case "phases":
		if lines, ok := p.readLines("phases"); ok {
			r.Phases = lines
		}
	case "status":
		r.Status = p.status()
	case "extra":
		p.extraObject(r)
	case "receivedAt", "sourceId": // ours to say
		p.scan.Skip()
	default:
		if f, ok := FieldNamed(string(name)); ok {
			p.field(r, f)
		} else if raw, ok := p.scan.Number(); ok {
			p.extra(r, name, raw)
		}
	}
}

// field reads a canonical field.
func (p *parser) field(r *Reading, f Field) {
	raw, ok := p.scan.Number()
	if !ok {
		p.warn(f.String(), notANumber)
		return
	}
	if number, ok := payload.Float(raw); ok && f.Possible(number) {
		r.Values.Set(f, number)
	} else {
		p.warn(f.String(), impossible(f))
	}
}

// impossible says within what a field must be.
func impossible(f Field) string {
	info := f.Info()
	return between(info.Min, info.Max, info.Unit)
}

func between(low, high float64, unit string) string {
	return "must be between " + strconv.FormatFloat(low, 'f', -1, 64) +
		" and " + strconv.FormatFloat(high, 'f', -1, 64) + " " + unit
}

// extraObject reads the numbers of the member "extra", as our own answers have
// it.
func (p *parser) extraObject(r *Reading) {
	if p.scan.Kind() != payload.Object {
		p.scan.Skip()
		p.warn("extra", "must be an object of numbers")
		return
	}
	p.scan.Open()
	for p.scan.More() {
		name := p.scan.Name()
		if raw, ok := p.scan.Number(); ok {
			p.extra(r, name, raw)
		}
	}
}

// extra keeps a number that no rule knows.
func (p *parser) extra(r *Reading, name, raw []byte) {
	if _, ok := r.Extra[string(name)]; !ok && (len(r.Extra)+p.overflown >= MaxExtra || !extraName(name)) {
		p.report.DroppedExtra++
		return
	}
	number, ok := payload.Float(raw)
	if !ok {
		p.overflown++
		p.warn(string(name), "is too large a number")
		return
	}
	if r.Extra == nil {
		r.Extra = make(map[string]float64)
	}
	r.Extra[string(name)] = number
}

// extraName reports whether extra may have the name: 1 to MaxExtraName
// characters, none of them a control character, which stores don't take.
func extraName(name []byte) bool {
	if len(name) == 0 || utf8.RuneCount(name) > MaxExtraName {
		return false
	}
	for _, r := range string(name) {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}
