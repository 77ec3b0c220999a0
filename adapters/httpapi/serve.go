package httpapi

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"ampra/core/fault"
)

// Keys under which a request keeps what its log line needs.
const (
	keyRoute     = "ampra.route"
	keyUser      = "ampra.user"
	keyRequestID = "ampra.requestId"
)

// handle is where every request that is valid HTTP comes in and leaves.
func (s *Server) handle(rc *fasthttp.RequestCtx) {
	began := time.Now()
	s.protect(rc)
	defer s.finish(rc, began)
	if methodOf(rc) == "" {
		s.fail(rc, fiber.NewError(http.StatusNotImplemented))
		abandon(rc)
		return
	}
	if err := takeBody(rc); err != nil {
		s.fail(rc, err)
		abandon(rc)
		return
	}
	s.inner(rc)
	if isLarge(rc) && rc.RequestBodyStream() != nil && rc.UserValue(keyRead) == nil {
		abandon(rc)
	}
}

// methodOf is the request's method, "" for one that the server does not know:
// what a client makes up must not go into labels of metrics, nor into the log.
func methodOf(rc *fasthttp.RequestCtx) string {
	if method := string(rc.Method()); slices.Contains(fiber.DefaultMethods, method) {
		return method
	}
	return ""
}

// protect sets the headers that all answers have.
func (s *Server) protect(rc *fasthttp.RequestCtx) {
	h := &rc.Response.Header
	h.Set("X-Request-Id", s.requestID(rc))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// finish answers for a handler that panicked, logs, and tells the observer.
func (s *Server) finish(rc *fasthttp.RequestCtx, began time.Time) {
	if p := recover(); p != nil {
		rc.Response.Reset()
		s.protect(rc)
		s.fail(rc, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	}
	took := time.Since(began)
	route, _ := rc.UserValue(keyRoute).(*Route)
	seen := Observation{Method: methodOf(rc), Status: rc.Response.StatusCode(), Took: took}
	if route != nil {
		seen.Route = route.Path
	}
	s.d.Observe(seen)
	level := slog.LevelDebug
	if route != nil && route.Scope == Write && route.handle != nil {
		level = slog.LevelInfo
	}
	if !s.d.Log.Enabled(s.base, level) {
		return
	}
	// The path without its query, which may hold what a log must not.
	attrs := []slog.Attr{
		slog.String("method", seen.Method), slog.String("path", shortPath(rc)), slog.Int("status", seen.Status),
		slog.Duration("took", took), slog.String("requestId", s.requestID(rc)), slog.String("from", rc.RemoteIP().String()),
	}
	if user, ok := rc.UserValue(keyUser).(string); ok {
		attrs = append(attrs, slog.String("user", user))
	}
	s.d.Log.LogAttrs(s.base, level, "request", attrs...)
}

// maxLoggedPath bounds what a client can make the log grow by.
const maxLoggedPath = 200

func shortPath(rc *fasthttp.RequestCtx) string {
	path := rc.URI().PathOriginal()
	return string(path[:min(len(path), maxLoggedPath)])
}

// newPrefix draws what the ids of this process's requests begin with.
func newPrefix(random io.Reader) (string, error) {
	var b [6]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("drawing the prefix of request ids: %w", err)
	}
	return hex.EncodeToString(b[:]) + "-", nil
}

// requestID names the request, in its answer and in the log.
func (s *Server) requestID(rc *fasthttp.RequestCtx) string {
	if id, ok := rc.UserValue(keyRequestID).(string); ok {
		return id
	}
	id := s.requestPrefix + strconv.FormatUint(s.requests.Add(1), 36)
	rc.SetUserValue(keyRequestID, id)
	return id
}

// register adds all routes to the app.
func (s *Server) register() error {
	for i := range s.routes {
		r := &s.routes[i]
		if s.cfg.HealthOnly && r.tag != tagHealth {
			continue
		}
		if r.handle == nil {
			s.app.Add(r.Method, r.pattern(), s.note(r))
			continue
		}
		if r.Method == http.MethodGet {
			s.app.Head(r.pattern(), s.serve(r))
		}
		s.app.Add(r.Method, r.pattern(), s.serve(r))
	}
	if s.cfg.HealthOnly {
		return nil
	}
	s.d.Webhook.Mount(s.app)
	if s.d.Internal != nil {
		s.d.Internal.Mount(s.app)
	}
	return s.checkMounted()
}

// checkMounted compares the routes of the app with the table.
func (s *Server) checkMounted() error {
	added := map[string]int{}
	for _, r := range s.app.GetRoutes(true) {
		added[r.Method+" "+r.Path] += len(r.Handlers) // Fiber joins neighbours of one path
	}
	for _, r := range s.routes {
		want := 1
		if r.handle == nil {
			want = 2 // the note and what is mounted
		}
		if got := added[r.Method+" "+r.pattern()]; got != want {
			return fmt.Errorf("the route %s %s is added %d times", r.Method, r.Path, got)
		}
	}
	return nil
}

// note lets a mounted route pass under the name of its row, with a context that
// ends when the server gives up what is under way.
func (s *Server) note(r *Route) fiber.Handler {
	return func(f *fiber.Ctx) error {
		f.Context().SetUserValue(keyRoute, r)
		f.SetUserContext(s.base)
		return f.Next()
	}
}

// serve makes a route's handler of its row.
func (s *Server) serve(r *Route) fiber.Handler {
	return func(f *fiber.Ctx) error {
		rc := f.Context()
		rc.SetUserValue(keyRoute, r)
		ctx, cancel := context.WithTimeout(s.base, s.cfg.RequestTime)
		defer cancel()
		c := &call{s: s, f: f, ctx: ctx, route: r}
		if err := c.admit(); err != nil {
			return err
		}
		if c.who().Known() {
			rc.SetUserValue(keyUser, c.who().UserID.String())
		}
		if err := c.once(r.handle); err != nil {
			return err
		}
		c.refreshLive()
		return nil
	}
}

// admit lets a request in, or says why not.
func (c *call) admit() error {
	r := c.route
	if _, token := bearer(c.header("Authorization")); r.Scope == Write && (!token || r.Role == "") {
		if err := c.checkOrigin(); err != nil {
			return err
		}
	}
	if r.Role == "" {
		return nil
	}
	if err := c.signIn(); err != nil {
		return err
	}
	switch {
	case r.Session && c.byAPIToken:
		return fault.New(fault.Forbidden, "This needs a session: an API token can't do it.")
	case r.Scope == Write && c.who().ReadOnly:
		return fault.New(fault.Forbidden, `This API token has the scope "read" only.`)
	}
	return c.who().Need(r.Role)
}
