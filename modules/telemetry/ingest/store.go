package ingest

import (
	"context"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Store makes readings durable that no device brought: those of a file. It waits
// for its turn as deliveries do, but counts against no limits of devices. It
// returns when the fate of each is known: errs is nil when all are durable, else
// it has an error or nil for each. err is passing, or ctx's, when nothing is known
// of any: storing them again is safe.
func (s *Service) Store(ctx context.Context, owner, source uuid.UUID, readings []telemetry.Reading) (errs []error, err error) {
	type outcome struct {
		err  error
		errs []error
	}
	settled := make(chan outcome, 1)
	entry := telemetry.Entry{SourceID: source, Readings: readings}
	if err := s.hand(ctx, owner, entry, 0, func(err error, errs []error) { settled <- outcome{err, errs} }); err != nil {
		return nil, err
	}
	select {
	case o := <-settled:
		if o.err == nil || o.errs != nil && !fault.Passing(o.err) {
			return o.errs, nil
		}
		return nil, asUnavailable(o.err)
	case <-ctx.Done():
		return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "The readings could not be stored in time.")
	}
}
