package sunsources

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/change"
	"ampra/core/fault"
)

// Delete removes a source and everything that hangs on it. When it returns
// without error nothing of the source can be read or written any more, in any
// process: the records are gone, its devices are cut off, and its telemetry is
// erased. That it is to be erased is noted durably too: EraseForgotten does it
// when the archive is away now, and once more in any case, since a write that
// began before may still have been on its way.
func (s *Service) Delete(ctx context.Context, who actor.Actor, id uuid.UUID) error {
	var seq int64
	err := s.d.Transactions.Run(ctx, func(ctx context.Context) error {
		if err := s.d.Sources.Delete(ctx, who.UserID, id); err != nil {
			return err
		}
		entry := audit.Entry{At: s.d.Clock.Now(), ActorID: who.UserID, Act: audit.SourceDeleted, Subject: id}
		if err := s.d.Audit.Append(ctx, entry); err != nil {
			return err
		}
		var err error
		seq, err = s.d.Outbox.Append(ctx, change.Change{Kind: change.SourceDeleted, SourceID: id})
		return err
	})
	if err != nil {
		return err
	}
	if err := s.d.Feed.Settle(ctx, seq); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The sun source is deleted, but not every server has confirmed it in time.")
	}
	// Queries find the source's record gone, writers drop its readings: what is
	// left in the archive when this fails is out of reach and is erased later.
	if err := s.d.Telemetry.Erase(ctx, id); err != nil {
		s.d.Deferred(fmt.Errorf("erasing the telemetry of source %s: %w", id, err))
	}
	return nil
}

// erasureBatch is how many deleted sources are looked at in one go.
const erasureBatch = 100

// EraseForgotten erases the telemetry of deleted sources for which that has not
// been done yet, at each tick, until ctx ends. A source is struck off when it was
// erased at two ticks, which must be further apart than a write takes. What goes
// wrong is told to Deferred and tried again at the next tick.
func (s *Service) EraseForgotten(ctx context.Context, tick <-chan time.Time) error {
	erased := map[uuid.UUID]bool{} // at the tick before
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
			var err error
			if erased, err = s.erasePending(ctx, erased); err != nil && ctx.Err() == nil {
				s.d.Deferred(err)
			}
		}
	}
}

// erasePending tries each source by itself: one that can't be erased does not
// hold up those after it, an archive that is away does.
func (s *Service) erasePending(ctx context.Context, before map[uuid.UUID]bool) (erased map[uuid.UUID]bool, err error) {
	erased = map[uuid.UUID]bool{}
	pending, err := s.d.Erasures.Pending(ctx, erasureBatch)
	if err != nil {
		return erased, err
	}
	var failed []error
	for _, id := range pending {
		err := s.d.Telemetry.Erase(ctx, id)
		switch {
		case err == nil && before[id]:
			err = s.d.Erasures.Done(ctx, id)
		case err == nil:
			erased[id] = true
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("erasing the telemetry of source %s: %w", id, err))
		}
		if fault.Passing(err) || ctx.Err() != nil {
			break
		}
	}
	return erased, errors.Join(failed...)
}
