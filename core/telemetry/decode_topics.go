package telemetry

import "ampra/core/payload"

// DecodeTopics reads the values that one device published on topics of their own
// and that belong together, as payload.NormaliseTopics does: into one reading, or
// none when they tell nothing. What can't be taken of it is named in the report;
// one value that is impossible refuses no other, and a time that is out of range
// is left out.
func (d *Decoder) DecodeTopics(values []payload.Value, in Intake) Report {
	p := &d.parser
	p.reset(nil, in)
	result := p.normaliser.Topics(values, p.options())
	for i := range result.Samples {
		if s := &result.Samples[i]; s.Timed && (s.Milli < earliestMilli || s.Milli > p.latest) {
			s.Timed = false
			result.Warnings = append(result.Warnings, payload.Problem{Field: s.TimeFrom, Reason: outOfRange("its time", p.latest)})
		}
	}
	p.understood(result)
	report := p.report
	p.reset(nil, Intake{})
	return report
}
