package ingest

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Sites tells how a source's payloads are understood.
type Sites interface {
	// Understanding is what was decided about a source; an error says that it can't be
	// told now.
	Understanding(ctx context.Context, source uuid.UUID) (telemetry.Understanding, error)
}

// Notes hear by which rules payloads were understood.
type Notes interface {
	// Note hears of one of a source's deliveries. It does not keep the report.
	Note(source uuid.UUID, report *telemetry.Report)
}

// intake says how a payload came in, and how its source is understood. An error is
// passing: read without what its owner decided, a payload would be misread for
// good.
func (s *Service) intake(ctx context.Context, source uuid.UUID, name string, received, signed time.Time) (telemetry.Intake, error) {
	in := intakeOf(source, name, received, signed)
	if s.d.Sites == nil {
		return in, nil
	}
	understanding, err := s.d.Sites.Understanding(ctx, source)
	switch {
	case err == nil:
		return in.With(understanding), nil
	case fault.Passing(err) || ctx.Err() != nil:
		return in, err
	default:
		return in, fault.Wrap(fault.Unavailable, err, "It can't be told right now how this source is to be understood.")
	}
}

// note tells what readings were understood by.
func (s *Service) note(source uuid.UUID, report *telemetry.Report) {
	if s.d.Notes != nil && len(report.Readings) > 0 {
		s.d.Notes.Note(source, report)
	}
}
