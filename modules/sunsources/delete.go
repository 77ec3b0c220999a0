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
// erased or, when the archive is away, noted durably to be erased by
// EraseForgotten.
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
	if err := s.erase(ctx, id); err != nil {
		s.d.Deferred(fmt.Errorf("erasing the telemetry of source %s: %w", id, err))
	}
	return nil
}

func (s *Service) erase(ctx context.Context, id uuid.UUID) error {
	if err := s.d.Telemetry.Erase(ctx, id); err != nil {
		return err
	}
	return s.d.Erasures.Done(ctx, id)
}

// erasureBatch is how many deleted sources are looked at in one go.
const erasureBatch = 100

// EraseForgotten erases the telemetry of deleted sources for which that has not
// been done yet, at each tick, until ctx ends. What goes wrong is told to
// Deferred and tried again at the next tick.
func (s *Service) EraseForgotten(ctx context.Context, tick <-chan time.Time) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
			if err := s.erasePending(ctx); err != nil && ctx.Err() == nil {
				s.d.Deferred(err)
			}
		}
	}
}

// erasePending tries each source by itself: one that can't be erased does not
// hold up those after it, an archive that is away does.
func (s *Service) erasePending(ctx context.Context) error {
	pending, err := s.d.Erasures.Pending(ctx, erasureBatch)
	if err != nil {
		return err
	}
	var failed []error
	for _, id := range pending {
		err := s.erase(ctx, id)
		if err != nil {
			failed = append(failed, fmt.Errorf("erasing the telemetry of source %s: %w", id, err))
		}
		if fault.Passing(err) || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}
