// Package emqx is the way to an outside EMQX: EMQX asks its routes who may
// connect and what to, by its HTTP authenticator and authoriser, and Cutter cuts
// off by EMQX's REST API who was let in and may no longer stay. Readings come from
// EMQX by package mqtt, as from any broker.
package emqx

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/modules/credentials"
)

// Gate lets devices in. credentials.Gate is one.
type Gate interface {
	// SignInMQTT checks a CONNECT: Unauthenticated is a refusal, anything else says
	// that it can't be told now.
	SignInMQTT(ctx context.Context, clientID, username string, password credential.Secret) (credentials.Session, error)
}

// Sources tells who may do what.
type Sources interface {
	// Access returns what opens a source, or a fault NotFound.
	Access(ctx context.Context, source uuid.UUID) (credential.Access, error)
	// AccessByClient returns what opens the source of a client id, or NotFound.
	AccessByClient(ctx context.Context, clientID string) (credential.Access, error)
}

// Reader is the account with which readings are read from the broker. Without a
// User there is none.
type Reader struct {
	User string
	Key  credential.Secret
	// ClientIDs is what its client ids begin with, Filter what it subscribes to.
	ClientIDs, Filter string
}

// Config holds the settings.
type Config struct {
	// Secret is what EMQX shows as its bearer token. Without one nobody is let in.
	Secret credential.Secret
	Reader Reader
	// Time bounds the work on a request, 3 s by default: EMQX waits for 5.
	Time time.Duration
}

// Deps are the use cases that the routes stand on.
type Deps struct {
	Gate    Gate
	Sources Sources
	Clock   clock.Clock
	Log     *slog.Logger
}

// Handler has the routes that EMQX asks. They always answer 200: whatever else
// EMQX takes for no opinion, and asks the next one.
type Handler struct {
	cfg Config
	d   Deps

	strangers atomic.Int64 // when the last stranger was logged, in Unix seconds
}

// New returns the routes.
func New(cfg Config, d Deps) *Handler {
	if cfg.Time <= 0 {
		cfg.Time = 3 * time.Second
	}
	return &Handler{cfg: cfg, d: d}
}

// Mount adds the routes.
func (h *Handler) Mount(to fiber.Router) {
	to.Post("/internal/mqtt/auth", h.guarded(h.authenticate))
	to.Post("/internal/mqtt/acl", h.guarded(h.authorise))
}

// verdict is the answer to either question. What is after Result is for the
// authenticator, and known to EMQX from 5.7 (attributes) and 5.8 (the rest).
type verdict struct {
	Result     string            `json:"result"`
	Superuser  bool              `json:"is_superuser"`
	Attributes map[string]string `json:"client_attrs,omitempty"`
	// ExpireAt is when EMQX ends the session, in Unix seconds.
	ExpireAt int64  `json:"expire_at,omitzero"`
	ACL      []rule `json:"acl,omitempty"`
}

// rule is what a session may do, so that EMQX need not ask for each publish.
type rule struct {
	Permission string `json:"permission"`
	Action     string `json:"action"`
	Topic      string `json:"topic"`
}

var (
	allowed = verdict{Result: "allow"} //nolint:gochecknoglobals // a constant of a type that Go has no constants for
	denied  = verdict{Result: "deny"}  //nolint:gochecknoglobals // likewise
)

// guarded lets nobody but EMQX ask, and gives every question an answer.
func (h *Handler) guarded(ask func(ctx context.Context, body []byte) (verdict, error)) fiber.Handler {
	return func(f *fiber.Ctx) error {
		answer := denied
		if h.knows(f.Get(fiber.HeaderAuthorization)) {
			ctx, cancel := context.WithTimeout(f.UserContext(), h.cfg.Time)
			defer cancel()
			var err error
			// What outlives the request must not be the request's own bytes.
			if answer, err = ask(ctx, bytes.Clone(f.Body())); err != nil {
				h.d.Log.WarnContext(ctx, "EMQX can't be told whether a device may, so it may not", "error", err)
				answer = denied
			}
		} else {
			h.stranger(f)
		}
		body, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		f.Set(fiber.HeaderCacheControl, "no-store")
		f.Context().SetContentType("application/json")
		return f.Send(body)
	}
}

// knows compares the bearer token in constant time.
func (h *Handler) knows(header string) bool {
	scheme, token, _ := strings.Cut(header, " ")
	shown := credential.NewSecret(strings.Clone(token))
	return shown.Equal(h.cfg.Secret) && !h.cfg.Secret.IsZero() && strings.EqualFold(scheme, "Bearer")
}

// strangerEvery is how often somebody with a wrong secret is logged at the most.
const strangerEvery = 10

func (h *Handler) stranger(f *fiber.Ctx) {
	now, last := h.d.Clock.Now().Unix(), h.strangers.Load()
	if now-last < strangerEvery || !h.strangers.CompareAndSwap(last, now) {
		return
	}
	h.d.Log.WarnContext(f.UserContext(), "a question of EMQX's without the right secret is denied: is --emqx-secret what EMQX sends?",
		"from", f.Context().RemoteIP().String())
}

// undefined stands where EMQX has no value for a placeholder; which of them
// depends on its version.
func undefined(text string) bool {
	return text == "" || text == "undefined" || strings.HasPrefix(text, "${")
}

// attribute is the client attribute that carries which key a session signed in
// with.
const attribute = "ampra_key"

// connecting is the authenticator's question.
type connecting struct {
	ClientID string `json:"clientid"`
	Username string `json:"username"`
	Password string `json:"password"`
}

func (h *Handler) authenticate(ctx context.Context, body []byte) (verdict, error) {
	var c connecting
	if err := json.Unmarshal(body, &c); err != nil {
		return denied, nil //nolint:nilerr // a client id that is not UTF-8, or a configuration that is not ours
	}
	if undefined(c.Username) {
		c.Username = ""
	}
	password := credential.NewSecret(c.Password)
	if r := h.cfg.Reader; r.User != "" && c.Username == r.User {
		if !password.Equal(r.Key) || !strings.HasPrefix(c.ClientID, r.ClientIDs) {
			return denied, nil
		}
		answer := allowed
		answer.ACL = []rule{{"allow", "subscribe", withoutGroup(r.Filter)}, nothingElse()}
		return answer, nil
	}
	session, err := h.d.Gate.SignInMQTT(ctx, c.ClientID, c.Username, password)
	switch {
	case fault.Is(err, fault.Unauthenticated):
		return denied, nil
	case err != nil:
		return denied, err
	}
	answer := allowed
	answer.Attributes = map[string]string{attribute: session.CredentialID.String()}
	if session.ValidUntil != nil {
		answer.ExpireAt = session.ValidUntil.Unix()
	}
	own := "sunsource/" + session.SourceID.String()
	answer.ACL = []rule{{"allow", "publish", own + "/data/#"}, {"allow", "subscribe", own + "/#"}, nothingElse()}
	return answer, nil
}

func nothingElse() rule { return rule{"deny", "all", "#"} }

// withoutGroup is a filter as EMQX has it authorised: without its share group.
func withoutGroup(filter string) string {
	if rest, ok := strings.CutPrefix(filter, "$share/"); ok {
		_, filter, _ = strings.Cut(rest, "/")
	}
	return filter
}

// acting is the authoriser's question.
type acting struct {
	ClientID string `json:"clientid"`
	Username string `json:"username"`
	Topic    string `json:"topic"`
	Action   string `json:"action"`
	Key      string `json:"ampra_key"`
}

func (h *Handler) authorise(ctx context.Context, body []byte) (verdict, error) {
	var a acting
	if err := json.Unmarshal(body, &a); err != nil {
		return denied, nil //nolint:nilerr // a topic that is not UTF-8, or a configuration that is not ours
	}
	if r := h.cfg.Reader; r.User != "" && a.Username == r.User {
		if a.Action == "subscribe" && withoutGroup(a.Topic) == withoutGroup(r.Filter) {
			return allowed, nil
		}
		return denied, nil
	}
	access, err := h.d.Sources.AccessByClient(ctx, a.ClientID)
	switch {
	case fault.Is(err, fault.NotFound):
		return denied, nil
	case err != nil:
		return denied, err
	}
	own := "sunsource/" + access.SourceID.String()
	var may bool
	switch a.Action {
	case "publish":
		may = below(a.Topic, own+"/data")
	case "subscribe":
		may = below(a.Topic, own)
	}
	if key, err := uuid.Parse(a.Key); err == nil {
		may = may && access.Holds(key, h.d.Clock.Now())
	}
	if !may || !access.Active {
		return denied, nil
	}
	return allowed, nil
}

// below reports whether a topic or filter is the level or below it.
func below(topic, level string) bool {
	rest, ok := strings.CutPrefix(topic, level)
	return ok && (rest == "" || rest[0] == '/')
}
