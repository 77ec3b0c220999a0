package httpapi

import (
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"ampra/core/identity"
	"ampra/core/live"
	use "ampra/modules/live"
)

// lastEventID is the parameter that stands for the header where a client can't
// set that.
const lastEventID = "lastEventId"

func (c *call) live() error {
	ask := use.Ask{Sources: c.idList("sources"), PowerGroupID: c.idParam("powerGroupId")}
	return c.listen(ask)
}

func (c *call) liveSource() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	return c.listen(use.Ask{Sources: []uuid.UUID{id}})
}

// idList reads a parameter that is a list of ids, separated by commas, or nil.
func (c *call) idList(name string) []uuid.UUID {
	text, sent := c.param(name)
	if !sent {
		return nil
	}
	ids := []uuid.UUID{}
	for part := range strings.SplitSeq(text, ",") {
		id, ok := parseID(strings.TrimSpace(part))
		if !c.wrong.Check(ok, name, "must be ids, separated by commas") {
			return ids
		}
		ids = append(ids, id)
	}
	return ids
}

// listen opens a stream and hands the connection over to it.
func (c *call) listen(ask use.Ask) error {
	if ask.LastEventID = c.header("Last-Event-ID"); ask.LastEventID == "" {
		ask.LastEventID, _ = c.param(lastEventID)
	}
	ask.Unreadable = c.wrong
	c.f.Set("Cache-Control", "no-store")
	if c.f.Method() == http.MethodHead {
		c.f.Context().SetContentType(eventStream)
		return nil
	}
	stream, err := c.s.d.Live.Open(c.ctx, c.who(), c.key(), ask)
	if err != nil {
		return err
	}
	c.s.stream(c.f.Context(), stream)
	return nil
}

// key is what the request signed in by.
func (c *call) key() use.Key {
	if text, ok := bearer(c.header("Authorization")); ok {
		return use.Key{Digest: identity.DigestOf(text), Token: true}
	}
	return sessionKey(c.session)
}

func sessionKey(session string) use.Key { return use.Key{Digest: identity.DigestOf(session)} }

// refreshLive tells those who listen that what they may hear may be another after
// this request.
func (c *call) refreshLive() {
	r := c.route
	if r.Scope != Write || c.s.d.LiveRefresh == nil {
		return
	}
	switch r.tag {
	case tagAccounts:
		if session := c.cookie(); session != "" { // it may just have ended
			c.s.d.LiveRefresh(c.ctx, sessionKey(session).Subject())
		}
	case tagSources, tagGroups:
	default:
		return
	}
	if c.who().Known() {
		c.s.d.LiveRefresh(c.ctx, c.who().UserID)
	}
}

// LiveReadingDto is what the event "reading" says.
type LiveReadingDto struct {
	SourceID uuid.UUID  `json:"sourceId" format:"uuid"`
	Reading  ReadingDto `json:"reading"`
}

// LiveStateDto is what the event "state" says.
type LiveStateDto struct {
	SourceID uuid.UUID `json:"sourceId" format:"uuid"`
	State    string    `json:"state"`
	Since    instant   `json:"since"`
}

// LiveAttemptDto is what the event "attempt" says.
type LiveAttemptDto struct {
	SourceID  uuid.UUID `json:"sourceId" format:"uuid"`
	At        instant   `json:"at"`
	Transport string    `json:"transport"`
	Remote    string    `json:"remote"`
	Reason    string    `json:"reason"`
	Detail    string    `json:"detail"`
}

// LiveJobDto is what the event "job" says.
type LiveJobDto struct {
	SourceID uuid.UUID `json:"sourceId" format:"uuid"`
	JobID    uuid.UUID `json:"jobId" format:"uuid"`
	State    string    `json:"state"`
	Progress float64   `json:"progress"`
}

// EncodeLive makes the data of a live event.
func EncodeLive(e live.Event) ([]byte, error) {
	var dto any
	switch {
	case e.Kind == live.ReadingTaken && e.Reading != nil:
		dto = LiveReadingDto{e.SourceID, ReadingDto(*e.Reading)}
	case e.Kind == live.StateChanged && e.State != nil:
		dto = LiveStateDto{e.SourceID, string(e.State.State), instant(e.State.Since)}
	case e.Kind == live.Attempted && e.Attempt != nil:
		a := e.Attempt
		dto = LiveAttemptDto{e.SourceID, instant(a.At), a.Transport, a.Remote, a.Reason, a.Detail}
	case e.Kind == live.JobMoved && e.Job != nil:
		dto = LiveJobDto{e.SourceID, e.Job.JobID, e.Job.State, e.Job.Progress}
	default:
		dto = struct{}{}
	}
	return json.Marshal(dto, json.Deterministic(true))
}
