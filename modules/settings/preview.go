package settings

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/payload"
	"ampra/core/telemetry"
)

// Sample is a payload to try.
type Sample struct {
	Payload []byte
	// Topic is the rest of the topic on which it would come, "" for the source's own.
	Topic string
	// Settings are tried in place of the source's own where they are sent.
	Settings Update
}

// Understood is what a payload would come to.
type Understood struct {
	// Report has readings, refusals and warnings.
	telemetry.Report
	// Fields says of each reading's fields by which rule they came.
	Fields [][]telemetry.Explained
	// Problem is why the payload is refused as a whole, "" if it is not.
	Problem string
	// Used are the settings by which it was read.
	Used View
}

// Preview reads a sample as it would be read from one of the actor's sources, and
// stores nothing.
func (s *Service) Preview(ctx context.Context, who actor.Actor, id uuid.UUID, sample Sample) (Understood, error) {
	source, err := s.d.Sources.Get(ctx, who.UserID, id)
	if err != nil {
		return Understood{}, err
	}
	settings, err := s.d.Settings.Settings(ctx, id)
	if err != nil {
		return Understood{}, err
	}
	if err := sample.Settings.Unreadable.With(sample.Settings.Apply(&settings, s.d.Zones)); err != nil {
		return Understood{}, err
	}
	understanding := understandingOf(s.d.Zones, siteOf(settings, source))
	understood := Understand(sample.Payload, telemetry.Intake{
		SourceID: id, ReceivedAt: telemetry.Truncate(s.d.Clock.Now()), Name: sample.Topic,
	}.With(understanding))
	understood.Used = s.view(settings, source)
	return understood, nil
}

// Understand reads a payload and says by which rules.
func Understand(data []byte, in telemetry.Intake) (u Understood) {
	if in.Default.IsZero() {
		in.Default = in.ReceivedAt
	}
	var decoder telemetry.Decoder
	if in.Name != "" && payload.IsValue(data) {
		values := []payload.Value{{Topic: in.Name, Payload: data}}
		in.Name = ""
		u.Report = decoder.DecodeTopics(values, in)
	} else {
		var err error
		if u.Report, err = decoder.Decode(data, in); err != nil {
			u.Report = telemetry.Report{}
			u.Problem = err.Error()
		}
	}
	for i := range u.Readings {
		u.Fields = append(u.Fields, telemetry.Explain(&u.Readings[i], givenOf(u.Report, i), time.Time{}))
	}
	return u
}

// givenOf is what a report says of one reading, nil for canonical names.
func givenOf(report telemetry.Report, reading int) []payload.Given {
	if reading < len(report.Given) {
		return report.Given[reading]
	}
	return nil
}
