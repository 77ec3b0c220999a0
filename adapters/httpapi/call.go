package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/fault"
	users "ampra/modules/identity"
)

// call is one request of a route of ours: who asks, what for, and what is wrong
// with it so far. Texts that it returns are copies: Fiber uses its own again
// after the handler returned.
type call struct {
	s     *Server
	f     *fiber.Ctx
	ctx   context.Context //nolint:containedctx // lives as long as the request
	route *Route

	visitor    users.Visitor
	byAPIToken bool
	// session is the text of the session that asks, "" for an API token.
	session string
	// wrong names the fields and parameters that could not be read.
	wrong fault.Fields
}

// who is the actor behind the request; nobody on routes for anybody.
func (c *call) who() actor.Actor { return c.visitor.Actor }

func (c *call) header(name string) string { return strings.Clone(c.f.Get(name)) }

// id is the id in the path. What is no id is as unknown as an id that nobody has.
func (c *call) id() (uuid.UUID, error) { return c.pathID("id") }

// pathID is id for an id that has another name in the path.
func (c *call) pathID(name string) (uuid.UUID, error) {
	id, ok := parseID(c.f.Params(name))
	if !ok {
		return uuid.Nil, fault.New(fault.NotFound, "There is nothing with this id.")
	}
	return id, nil
}

// param returns a query parameter, and whether it was sent. Twice is noted as
// wrong.
func (c *call) param(name string) (text string, sent bool) {
	values := c.f.Context().QueryArgs().PeekMulti(name)
	if len(values) == 0 {
		return "", false
	}
	if !c.wrong.Check(len(values) == 1, name, "must be sent once") {
		return "", false
	}
	return string(values[0]), true
}

// flag reads a parameter that is true or false.
func (c *call) flag(name string) bool {
	text, sent := c.param(name)
	c.wrong.Check(!sent || text == "true" || text == "false", name, "must be true or false")
	return text == "true"
}

// number reads a parameter that is a whole number within bounds; absent is the
// default.
func (c *call) number(name string, otherwise, low, high int, rule string) int {
	text, sent := c.param(name)
	if !sent {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if !c.wrong.Check(err == nil && n >= low && n <= high, name, rule) {
		return otherwise
	}
	return n
}

// idParam reads a parameter that is an id, or nil.
func (c *call) idParam(name string) *uuid.UUID {
	text, sent := c.param(name)
	if !sent {
		return nil
	}
	id, ok := parseID(text)
	c.wrong.Check(ok, name, mustBeID)
	return &id
}

// timeParam reads a parameter that is a time, or the zero time.
func (c *call) timeParam(name string) time.Time {
	text, sent := c.param(name)
	if !sent {
		return time.Time{}
	}
	t, ok := parseTime(text)
	c.wrong.Check(ok, name, mustBeTime)
	return t
}

// choice reads a parameter that is one of a few words; absent is the first.
func (c *call) choice(name string, words ...string) string {
	text, sent := c.param(name)
	if !sent {
		return words[0]
	}
	c.wrong.Check(slices.Contains(words, text), name, "must be "+strings.Join(words, " or "))
	return text
}

// answer sends a value as JSON.
func (c *call) answer(status int, value any) error {
	body, err := json.Marshal(value, json.Deterministic(true))
	if err != nil {
		return err
	}
	c.f.Status(status).Context().SetContentType("application/json")
	if c.route.Role != "" && len(c.f.Response().Header.Peek("Cache-Control")) == 0 {
		c.f.Set("Cache-Control", "private, no-cache")
	}
	return c.f.Send(body)
}

// nothing answers 204.
func (c *call) nothing() error {
	c.f.Status(http.StatusNoContent)
	return nil
}

// created says where the new thing is.
func (c *call) created(path string) { c.f.Set("Location", path) }

// secret keeps an answer out of every cache.
func (c *call) secret() { c.f.Set("Cache-Control", "no-store") }

// nextPage names the next page of a list that is a bare array.
func (c *call) nextPage(cursor string) {
	query := url.Values{"cursor": {cursor}}
	c.f.Context().QueryArgs().VisitAll(func(key, value []byte) {
		if name := string(key); name != "cursor" {
			query.Add(name, string(value))
		}
	})
	c.f.Set("Link", "<"+c.f.Path()+"?"+query.Encode()+`>; rel="next"`)
}
