// Package query reads telemetry back for its owners.
package query

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

// Limits of a history's page.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Deps are the ports that queries stand on.
type Deps struct {
	Sources sunsource.Repository
	Archive telemetry.Archive
	Days    Days
	Zones   Zones
	Clock   clock.Clock
	// Kept says what charts may count on.
	Kept Kept
}

// Service has the queries.
type Service struct{ d Deps }

// New returns the queries on their ports.
func New(d Deps) *Service { return &Service{d: d} }

// Latest returns the reading with the newest timestamp of one of the actor's
// sources. ok is false when there is none.
func (s *Service) Latest(ctx context.Context, who actor.Actor, source uuid.UUID) (r telemetry.Reading, ok bool, err error) {
	if _, err := s.d.Sources.Get(ctx, who.UserID, source); err != nil {
		return telemetry.Reading{}, false, err
	}
	r, err = s.d.Archive.Latest(ctx, source)
	if fault.Is(err, fault.NotFound) {
		return telemetry.Reading{}, false, nil
	}
	return r, err == nil, err
}

// Ask is a page of a history.
type Ask struct {
	// From is inclusive, To exclusive; zero is open.
	From, To time.Time
	Order    telemetry.Order
	// Limit is 1 to MaxLimit; 0 stands for DefaultLimit.
	Limit int
	// Cursor is the Next of the page before, "" for the first.
	Cursor string
	// Unreadable names parameters that could not be read as what they should be;
	// they are refused together with those that break a rule.
	Unreadable fault.Fields
}

// Page is a part of a history.
type Page struct {
	Readings []telemetry.Reading
	// Next is the cursor of the page that follows, "" at the end.
	Next string
}

// History returns a page of the readings of one of the actor's sources, each
// identity once.
func (s *Service) History(ctx context.Context, who actor.Actor, source uuid.UUID, ask Ask) (Page, error) {
	if _, err := s.d.Sources.Get(ctx, who.UserID, source); err != nil {
		return Page{}, err
	}
	span, err := ask.span(source)
	if err != nil {
		return Page{}, err
	}
	limit := span.Limit
	span.Limit++ // one more tells whether there is a next page
	readings, err := s.d.Archive.History(ctx, span)
	if err != nil {
		return Page{}, err
	}
	page := Page{Readings: readings}
	if len(readings) > limit {
		page.Readings = readings[:limit]
		page.Next = cursorAfter(page.Readings[limit-1].Timestamp)
	}
	return page, nil
}

func (a Ask) span(source uuid.UUID) (telemetry.Span, error) {
	var wrong fault.Fields
	span := telemetry.Span{SourceID: source, From: a.From, To: a.To, Order: a.Order, Limit: a.Limit}
	if span.Limit == 0 {
		span.Limit = DefaultLimit
	}
	wrong.Check(span.Limit >= 1 && span.Limit <= MaxLimit, "limit", "must be between 1 and 1000")
	if !a.From.IsZero() && !a.To.IsZero() {
		wrong.Check(!a.To.Before(a.From), "to", "must not be before from")
	}
	if a.Cursor != "" {
		at, ok := readCursor(a.Cursor)
		if wrong.Check(ok, "cursor", "must be the nextCursor of an earlier page") {
			if a.Order == telemetry.NewestFirst && (span.To.IsZero() || at.Before(span.To)) {
				span.To = at
			}
			if next := at.Add(time.Millisecond); a.Order == telemetry.OldestFirst && next.After(span.From) {
				span.From = next
			}
		}
	}
	return span, a.Unreadable.With(wrong.Err())
}

// A cursor is the timestamp of the last reading that was shown.
func cursorAfter(last time.Time) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(last.UnixMilli())))
}

func readCursor(text string) (time.Time, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 8 {
		return time.Time{}, false
	}
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(b))).UTC() //nolint:gosec // bits, not a number
	return at, at.Year() >= 1970 && at.Year() <= 9999
}
