// Package deadletters shows owners what of their sources could not be read, and
// takes it once more when it can be. How letters come to be is ingest's and the
// writer's.
package deadletters

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

// Limits of a page. A letter may take 64 KiB.
const (
	DefaultLimit = 20
	MaxLimit     = 100
)

// Ingest takes letters once more.
type Ingest interface {
	// Replay says for each letter what became of it.
	Replay(ctx context.Context, letters []telemetry.DeadLetter) []telemetry.Replayed
}

// Deps are the ports that the use cases stand on.
type Deps struct {
	Sources sunsource.Repository
	Letters telemetry.LetterStore
	Ingest  Ingest
}

// Service has the use cases.
type Service struct{ d Deps }

// New returns the use cases on their ports.
func New(d Deps) *Service { return &Service{d: d} }

// Ask is a page of a source's letters, the newest first.
type Ask struct {
	// Limit is 1 to MaxLimit; 0 stands for DefaultLimit.
	Limit int
	// Cursor is the Next of the page before, "" for the first.
	Cursor string
	// Unreadable names parameters that could not be read as what they should be;
	// they are refused together with those that break a rule.
	Unreadable fault.Fields
}

// Page is a part of a source's letters.
type Page struct {
	Letters []telemetry.DeadLetter
	// Next is the cursor of the page that follows, "" at the end.
	Next string
}

// List returns a page of the letters of one of the actor's sources.
func (s *Service) List(ctx context.Context, who actor.Actor, source uuid.UUID, ask Ask) (Page, error) {
	if err := s.own(ctx, who, source); err != nil {
		return Page{}, err
	}
	span, err := ask.span(source)
	if err != nil {
		return Page{}, err
	}
	limit := span.Limit
	span.Limit++ // one more tells whether there is a next page
	letters, err := s.d.Letters.List(ctx, span)
	if err != nil {
		return Page{}, err
	}
	page := Page{Letters: letters}
	if len(letters) > limit {
		page.Letters = letters[:limit]
		page.Next = cursorAfter(letters[limit-1].Place())
	}
	return page, nil
}

// own is NotFound unless the source is one of the actor's.
func (s *Service) own(ctx context.Context, who actor.Actor, source uuid.UUID) error {
	_, err := s.d.Sources.Get(ctx, who.UserID, source)
	return err
}

func (a Ask) span(source uuid.UUID) (telemetry.LetterSpan, error) {
	var wrong fault.Fields
	span := telemetry.LetterSpan{SourceID: source, Limit: a.Limit}
	if span.Limit == 0 {
		span.Limit = DefaultLimit
	}
	wrong.Check(span.Limit >= 1 && span.Limit <= MaxLimit, "limit", "must be between 1 and 100")
	if a.Cursor != "" {
		after, ok := readCursor(a.Cursor)
		if wrong.Check(ok, "cursor", "must be the nextCursor of an earlier page") {
			span.After = &after
		}
	}
	return span, a.Unreadable.With(wrong.Err())
}

// A cursor is the place of the last letter that was shown.
func cursorAfter(last telemetry.LetterPlace) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(last.At.UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(append(b, last.ID[:]...))
}

func readCursor(text string) (telemetry.LetterPlace, bool) {
	var place telemetry.LetterPlace
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 8+len(place.ID) {
		return place, false
	}
	place.At = time.UnixMilli(int64(binary.BigEndian.Uint64(b))).UTC() //nolint:gosec // bits, not a number
	copy(place.ID[:], b[8:])
	return place, place.At.Year() >= 1970 && place.At.Year() <= 9999
}

// Get returns a letter of one of the actor's sources.
func (s *Service) Get(ctx context.Context, who actor.Actor, source, id uuid.UUID) (telemetry.DeadLetter, error) {
	if err := s.own(ctx, who, source); err != nil {
		return telemetry.DeadLetter{}, err
	}
	return s.d.Letters.Get(ctx, source, id)
}

// Delete removes a letter of one of the actor's sources.
func (s *Service) Delete(ctx context.Context, who actor.Actor, source, id uuid.UUID) error {
	if err := s.own(ctx, who, source); err != nil {
		return err
	}
	removed, err := s.d.Letters.Remove(ctx, source, id)
	if err == nil && removed == 0 {
		return fault.New(fault.NotFound, "There is no such dead letter.")
	}
	return err
}

// DeleteAll removes all letters of one of the actor's sources.
func (s *Service) DeleteAll(ctx context.Context, who actor.Actor, source uuid.UUID) error {
	if err := s.own(ctx, who, source); err != nil {
		return err
	}
	return s.d.Letters.Erase(ctx, source)
}
