// Package jobs shows their owners how far work is that outlives its request.
// Whoever does the work writes it down itself.
package jobs

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/job"
)

// Limits of a page of jobs.
const (
	DefaultLimit = 20
	MaxLimit     = 100
)

// Deps are the ports that the use cases stand on.
type Deps struct {
	Jobs  job.Repository
	Clock clock.Clock
}

// Service has the use cases.
type Service struct{ d Deps }

// New returns the use cases on their ports.
func New(d Deps) *Service { return &Service{d: d} }

// Ask is a page of jobs.
type Ask struct {
	// Limit is 1 to MaxLimit.
	Limit int
	// Cursor is the Next of the page before, "" for the first.
	Cursor string
	// Unreadable names parameters that could not be read.
	Unreadable fault.Fields
}

// Page is a part of the list, the newest first.
type Page struct {
	Jobs []job.Job
	// Next is the cursor of the page that follows, "" at the end.
	Next string
}

// List returns jobs of the actor's.
func (s *Service) List(ctx context.Context, who actor.Actor, ask Ask) (Page, error) {
	var wrong fault.Fields
	wrong.Check(ask.Limit >= 1 && ask.Limit <= MaxLimit, "limit", "must be between 1 and 100")
	var after *job.Place
	if ask.Cursor != "" {
		place, ok := readCursor(ask.Cursor)
		wrong.Check(ok, "cursor", "must be the nextCursor of an earlier page")
		after = &place
	}
	if err := ask.Unreadable.With(wrong.Err()); err != nil {
		return Page{}, err
	}
	found, err := s.d.Jobs.List(ctx, who.UserID, ask.Limit+1, after)
	if err != nil {
		return Page{}, err
	}
	page := Page{Jobs: found}
	if len(found) > ask.Limit {
		page.Jobs = found[:ask.Limit]
		last := page.Jobs[ask.Limit-1]
		page.Next = cursorOf(job.Place{CreatedAt: last.CreatedAt, ID: last.ID})
	}
	now := s.d.Clock.Now()
	for i := range page.Jobs {
		page.Jobs[i] = page.Jobs[i].Seen(now)
	}
	return page, nil
}

// Get returns a job of the actor's.
func (s *Service) Get(ctx context.Context, who actor.Actor, id uuid.UUID) (job.Job, error) {
	j, err := s.d.Jobs.Get(ctx, who.UserID, id)
	if err != nil {
		return job.Job{}, err
	}
	return j.Seen(s.d.Clock.Now()), nil
}

// Refused returns the rows that a job of the actor's refused, as far as they are
// kept.
func (s *Service) Refused(ctx context.Context, who actor.Actor, id uuid.UUID) ([]job.Refused, error) {
	return s.d.Jobs.Refused(ctx, who.UserID, id)
}

// A cursor is the place of the last job that was shown.
func cursorOf(p job.Place) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.CreatedAt.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(b, p.ID[:]...))
}

func readCursor(text string) (job.Place, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 8+len(uuid.UUID{}) {
		return job.Place{}, false
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC() //nolint:gosec // bits, not a number
	return job.Place{CreatedAt: at, ID: uuid.UUID(b[8:])}, at.Year() >= 1970 && at.Year() <= 9999
}
