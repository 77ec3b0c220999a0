package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/valyala/fasthttp/fasthttpadaptor"

	"ampra/core/fault"
)

// HealthDto says that the process runs.
type HealthDto struct {
	Status string `json:"status" enum:"ok"`
}

// ReadyDto says which parts are there.
type ReadyDto struct {
	Status string `json:"status" enum:"ready,degraded" description:"degraded: a part is away that this process's requests can do without."`
	// Checks has "ok", or "away: " and a reason, for each part.
	Checks map[string]string `json:"checks" description:"For each part: ok, or away and the reason in a few words."`
}

// Spared marks the error of a part that the process's requests can do without.
type Spared struct{ Cause error }

// Error gives the cause.
func (e Spared) Error() string { return "not needed here: " + e.Cause.Error() }

// Unwrap gives the cause.
func (e Spared) Unwrap() error { return e.Cause }

func (c *call) healthz() error { return c.answer(http.StatusOK, HealthDto{Status: "ok"}) }

// notReady is a problem that names the parts that are away. The whole of why they
// are is for the log: it may name addresses and users.
type notReady struct {
	error
	checks map[string]string
}

// Unwrap gives the fault.
func (e notReady) Unwrap() error { return e.error }

// Members adds the checks to the problem.
func (e notReady) Members() map[string]any { return map[string]any{"checks": e.checks} }

// readyTime bounds the look at all parts: less than who asks usually waits.
const readyTime = 4 * time.Second

func (c *call) readyz() error {
	ctx, cancel := context.WithTimeout(c.ctx, readyTime)
	defer cancel()
	results := c.s.d.Ready(ctx)
	answer := ReadyDto{Status: "ready", Checks: make(map[string]string, len(results))}
	var cause error
	for _, name := range slices.Sorted(maps.Keys(results)) {
		err := results[name]
		if err == nil {
			answer.Checks[name] = "ok"
			continue
		}
		answer.Checks[name] = "away: " + reasonOf(err)
		if _, spared := errors.AsType[Spared](err); spared {
			answer.Status = "degraded"
		} else {
			cause = fmt.Errorf("%s: %w", name, err)
		}
	}
	if cause != nil {
		return notReady{fault.Wrap(fault.Unavailable, cause, "A part that requests need is away."), answer.Checks}
	}
	return c.answer(http.StatusOK, answer)
}

// reasonOf says in a few words of our own why a part is away. An error's own text
// may name addresses, users and passwords; it goes to the log.
func reasonOf(err error) string {
	var name *net.DNSError
	var network net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection is refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection broke"
	case errors.As(err, &name):
		return "its name is not known"
	case errors.As(err, &network) && network.Timeout():
		return "no answer in time"
	case errors.As(err, &network):
		return "it can't be reached"
	default:
		return "it does not work"
	}
}

func (c *call) metrics() error {
	fasthttpadaptor.NewFastHTTPHandler(c.s.d.Metrics)(c.f.Context())
	return nil
}

// HomeDto points to what there is.
type HomeDto struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Docs    string `json:"docs"`
	OpenAPI string `json:"openapi"`
	Health  string `json:"health"`
	Ready   string `json:"ready"`
}

// home answers whoever opens the server's address.
func (c *call) home() error {
	return c.answer(http.StatusOK, HomeDto{
		Name: "Ampra", Version: c.s.cfg.Version, Docs: "/api/docs", OpenAPI: "/api/openapi.json", Health: "/healthz", Ready: "/readyz",
	})
}

func docHome() operation {
	return operation{id: "getHome", summary: "Where to go from here", answers: ok(HomeDto{})}
}
