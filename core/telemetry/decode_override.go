package telemetry

import (
	"maps"
	"slices"

	"ampra/core/payload"
)

// pinned decides by the profile that an owner chose whether a payload is read as
// canonical names. known is false when none was chosen.
func (p *parser) pinned(data []byte) (foreign, known bool) {
	switch p.in.Profile {
	case "":
		return false, false
	case payload.Canonical:
		p.canonical = !payload.SaysItself(data)
		return !p.canonical, true
	default:
		return true, true
	}
}

// overriddenAt is the element at hand as overrides alone read it, nil where the
// payload stopped being JSON before.
func (p *parser) overriddenAt() *payload.Sample {
	for i := range p.overridden {
		if p.overridden[i].Index == p.index {
			return &p.overridden[i]
		}
	}
	return nil
}

// givenByOverrides says which fields of the reading at hand overrides gave.
func (p *parser) givenByOverrides() []payload.Given {
	if s := p.overriddenAt(); s != nil {
		return s.Given
	}
	return nil
}

// override lays over a reading in canonical names what the source's overrides make
// of the same element, before it is judged: so they also mend what would be refused.
func (p *parser) override(r *Reading, at *moment, warned int) {
	s := p.overriddenAt()
	if s == nil {
		return
	}
	for f := range Field(NumFields) {
		if !p.in.Overrides.Gives(f.String()) {
			continue
		}
		r.Values.Clear(f)
		p.unwarn(f.String(), warned)
		switch number, ok := s.Get(payload.Field(f)); {
		case !ok:
		case f.Possible(number):
			r.Values.Set(f, number)
		default:
			p.warn(f.String(), impossible(f))
		}
	}
	r.Strings, r.Phases = p.overrideLines("strings", r.Strings, s.Strings), p.overrideLines("phases", r.Phases, s.Phases)
	if status := p.sampleStatus(s.Status); status != nil {
		r.Status = status
	}
	for _, g := range s.Given {
		delete(r.Extra, g.From)
		p.unwarn(g.From, warned)
	}
	p.overrideExtra(r, s.Extra)
	if p.in.Overrides.Gives("timestamp") {
		*at = moment{milli: s.Milli, known: s.Timed}
		if s.Timed && (s.Milli < earliestMilli || s.Milli > p.latest) {
			at.problem = p.outOfRange(s.TimeFrom, s.Milli)
		}
	}
}

// unwarn takes back what was said of a member that an override reads.
func (p *parser) unwarn(field string, warned int) {
	kept := slices.DeleteFunc(p.report.Warnings[warned:], func(w Warning) bool { return w.Field == field })
	p.report.Warnings = p.report.Warnings[:warned+len(kept)]
}

// overrideExtra keeps numbers under their own names which no field shall be made
// of.
func (p *parser) overrideExtra(r *Reading, extra []payload.Extra) {
	for _, e := range extra {
		if f, ok := FieldNamed(e.Name); ok {
			r.Values.Clear(f)
		}
		if _, known := r.Extra[e.Name]; !known && (len(r.Extra) >= MaxExtra || !extraName([]byte(e.Name))) {
			p.report.DroppedExtra++
			continue
		}
		if r.Extra = maps.Clone(r.Extra); r.Extra == nil {
			r.Extra = map[string]float64{}
		}
		r.Extra[e.Name] = e.Number
	}
}

// overrideLines lays parts of strings or phases over those that were read.
func (p *parser) overrideLines(field string, read []Line, over []payload.Line) []Line {
	made := p.sampleLines(field, over)
	if made == nil {
		return read
	}
	lines := slices.Clone(read)
	for len(lines) < len(made) {
		lines = append(lines, Line{})
	}
	for i, m := range made {
		for _, part := range [...]struct{ from, to **float64 }{
			{&m.VoltageVolts, &lines[i].VoltageVolts}, {&m.CurrentAmperes, &lines[i].CurrentAmperes}, {&m.PowerWatts, &lines[i].PowerWatts},
		} {
			if *part.from != nil {
				*part.to = *part.from
			}
		}
	}
	return lines
}

// overriddenScalar reads the value of a topic of its own by the overrides of its
// name. ok is false when it has none.
func (p *parser) overriddenScalar(text []byte) (ok bool) {
	s, ok := payload.OverriddenValue(p.in.Name, text, p.options())
	if !ok {
		return false
	}
	p.report.Readings = nil
	p.sample(&s)
	return true
}
