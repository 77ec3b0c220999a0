package httpapi

import (
	"maps"
	"net/http"
	"slices"

	"github.com/valyala/fasthttp/fasthttpadaptor"

	"ampra/core/fault"
)

// HealthDto says that the process runs.
type HealthDto struct {
	Status string `json:"status" enum:"ok"`
}

// ReadyDto says which parts are there.
type ReadyDto struct {
	Status string            `json:"status" enum:"ready"`
	Checks map[string]string `json:"checks"`
}

func (c *call) healthz() error { return c.answer(http.StatusOK, HealthDto{Status: "ok"}) }

// notReady is a problem that names the parts that are away. Why they are is for
// the log: it may name addresses and users.
type notReady struct {
	error
	checks map[string]string
}

// Unwrap gives the fault.
func (e notReady) Unwrap() error { return e.error }

// Members adds the checks to the problem.
func (e notReady) Members() map[string]any { return map[string]any{"checks": e.checks} }

func (c *call) readyz() error {
	results := c.s.d.Ready(c.ctx)
	checks := make(map[string]string, len(results))
	var cause error
	for _, name := range slices.Sorted(maps.Keys(results)) {
		checks[name] = "ok"
		if err := results[name]; err != nil {
			checks[name] = "away"
			cause = err
		}
	}
	if cause != nil {
		return notReady{fault.Wrap(fault.Unavailable, cause, "A part that requests need is away."), checks}
	}
	return c.answer(http.StatusOK, ReadyDto{Status: "ready", Checks: checks})
}

func (c *call) metrics() error {
	fasthttpadaptor.NewFastHTTPHandler(c.s.d.Metrics)(c.f.Context())
	return nil
}
