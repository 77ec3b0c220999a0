package httpapi

import (
	"encoding/base64"
	"net/http"
	"unicode/utf8"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/deadletters"
)

// Encodings of a dead letter's payload in answers.
const (
	asText   = "utf-8"
	asBase64 = "base64"
)

// DeadLetterDto is something that a source sent and that could not be read, or
// not wholly.
type DeadLetterDto struct {
	ID            uuid.UUID `json:"id" format:"uuid"`
	ReceivedAt    instant   `json:"receivedAt"`
	Origin        string    `json:"origin" enum:"mqtt,webhook,journal"`
	Topic         string    `json:"topic" description:"the MQTT topic, the webhook's path or the place in the journal"`
	Kind          string    `json:"kind" enum:"malformed,refused,too_large,undecodable,unstorable,other" description:"the kind of the reason"`
	Reason        string    `json:"reason"`
	Size          int       `json:"size" minimum:"0" description:"bytes that came"`
	Truncated     bool      `json:"truncated" description:"only the first 65,536 bytes are kept"`
	NotReplayable *string   `json:"notReplayable" description:"why it can't be replayed; null when it can"`
	Encoding      string    `json:"encoding" enum:"utf-8,base64" description:"how payload is written"`
	Payload       string    `json:"payload"`
}

func deadLetterDto(l telemetry.DeadLetter) DeadLetterDto {
	dto := DeadLetterDto{
		ID: l.ID, ReceivedAt: instant(l.At), Origin: l.Origin, Topic: l.Topic, Kind: string(l.Kind), Reason: l.Reason,
		Size: l.Size, Truncated: l.Truncated,
	}
	if obstacle := l.Obstacle(); obstacle != "" {
		dto.NotReplayable = &obstacle
	}
	dto.Encoding, dto.Payload = asBase64, base64.StdEncoding.EncodeToString(l.Raw)
	if text := wholeRunes(l.Raw, l.Truncated); utf8.Valid(text) {
		dto.Encoding, dto.Payload = asText, string(text)
	}
	return dto
}

// wholeRunes leaves out a character of which the cut took a part.
func wholeRunes(raw []byte, truncated bool) []byte {
	for n := 1; truncated && n < utf8.UTFMax && n <= len(raw); n++ {
		tail := raw[len(raw)-n:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return raw[:len(raw)-n]
			}
			break
		}
	}
	return raw
}

// DeadLetterPageDto is a part of a source's dead letters.
type DeadLetterPageDto struct {
	DeadLetters []DeadLetterDto `json:"deadLetters"`
	NextCursor  *string         `json:"nextCursor" description:"for the parameter cursor; null at the end"`
}

// ReplayDto is what became of a replay.
type ReplayDto struct {
	Replayed  int `json:"replayed" minimum:"0" description:"dead letters that were tried"`
	Accepted  int `json:"accepted" minimum:"0" description:"readings of them that are stored"`
	Rejected  int `json:"rejected" minimum:"0" description:"readings that were refused still; a payload that can't be read counts as one"`
	Remaining int `json:"remaining" minimum:"0" description:"dead letters that the source has after it"`
}

// letterID is the second id in the path, with the first.
func (c *call) letterID() (source, letter uuid.UUID, err error) {
	if source, err = c.id(); err != nil {
		return uuid.Nil, uuid.Nil, err
	}
	letter, ok := parseID(c.f.Params("letterId"))
	if !ok {
		return uuid.Nil, uuid.Nil, fault.New(fault.NotFound, "There is no such dead letter.")
	}
	return source, letter, nil
}

func (c *call) listDeadLetters() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	ask := deadletters.Ask{Limit: c.number("limit", deadletters.DefaultLimit, 1, deadletters.MaxLimit, "must be between 1 and 100")}
	ask.Cursor, _ = c.param("cursor")
	ask.Unreadable = c.wrong
	page, err := c.s.d.DeadLetters.List(c.ctx, c.who(), id, ask)
	if err != nil {
		return err
	}
	dto := DeadLetterPageDto{DeadLetters: make([]DeadLetterDto, len(page.Letters))}
	for i, l := range page.Letters {
		dto.DeadLetters[i] = deadLetterDto(l)
	}
	if page.Next != "" {
		dto.NextCursor = &page.Next
	}
	return c.answer(http.StatusOK, dto)
}

func (c *call) getDeadLetter() error {
	source, letter, err := c.letterID()
	if err != nil {
		return err
	}
	found, err := c.s.d.DeadLetters.Get(c.ctx, c.who(), source, letter)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, deadLetterDto(found))
}

func (c *call) deleteDeadLetter() error {
	source, letter, err := c.letterID()
	if err != nil {
		return err
	}
	if err := c.s.d.DeadLetters.Delete(c.ctx, c.who(), source, letter); err != nil {
		return err
	}
	return c.nothing()
}

func (c *call) deleteDeadLetters() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	if err := c.s.d.DeadLetters.DeleteAll(c.ctx, c.who(), id); err != nil {
		return err
	}
	return c.nothing()
}

func (c *call) replayDeadLetter() error {
	source, letter, err := c.letterID()
	if err != nil {
		return err
	}
	outcome, err := c.s.d.DeadLetters.Replay(c.ctx, c.who(), source, letter)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, ReplayDto(outcome))
}

func (c *call) replayDeadLetters() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	outcome, err := c.s.d.DeadLetters.ReplayAll(c.ctx, c.who(), id)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, ReplayDto(outcome))
}

func docListDeadLetters() operation {
	return operation{
		id: "listDeadLetters", summary: "List dead letters",
		about: "What the source sent and could not be read, or not wholly, the newest first. Kept for a while: the newest 1,000 of a source and 16 MiB of them.",
		params: []param{
			inQuery("limit", schema{"type": "integer", "minimum": 1, "maximum": deadletters.MaxLimit, "default": deadletters.DefaultLimit}, "How many at the most."),
			inQuery("cursor", schema{"type": "string"}, "The nextCursor of the page before."),
		},
		answers: ok(DeadLetterPageDto{}),
	}
}

func docGetDeadLetter() operation {
	return operation{id: "getDeadLetter", summary: "Get a dead letter", answers: ok(DeadLetterDto{})}
}

func docDeleteDeadLetter() operation {
	return operation{id: "deleteDeadLetter", summary: "Delete a dead letter", answers: []answer{{status: http.StatusNoContent}}}
}

func docDeleteDeadLetters() operation {
	return operation{id: "deleteDeadLetters", summary: "Delete all dead letters of a source", answers: []answer{{status: http.StatusNoContent}}}
}

const replayAbout = "A letter is read once more as it came in, with its time of receipt and its topic. What can be read now is stored, once however often it is replayed, and the " +
	"letter is gone when nothing of it is left; else it stays, with its new reason."

func docReplayDeadLetter() operation {
	return operation{
		id: "replayDeadLetter", summary: "Replay a dead letter", about: replayAbout, answers: ok(ReplayDto{}),
		refusals: map[int]string{409: "Only a part of the letter is kept, or the first request with the Idempotency-Key is still under way."},
	}
}

func docReplayDeadLetters() operation {
	return operation{
		id: "replayDeadLetters", summary: "Replay all dead letters of a source",
		about: replayAbout + " The oldest go first; those of which only a part is kept are left as they are.", answers: ok(ReplayDto{}),
	}
}
