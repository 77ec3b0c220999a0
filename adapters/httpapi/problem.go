package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"ampra/core/fault"
)

// problem is the body of every error: RFC 9457, with the id of the request and
// the detail once more under a name that clients of other APIs look for.
type problem struct {
	Type      string              `json:"type"`
	Title     string              `json:"title"`
	Status    int                 `json:"status"`
	Detail    string              `json:"detail"`
	Instance  string              `json:"instance"`
	RequestID string              `json:"requestId"`
	Message   string              `json:"message"`
	Errors    map[string][]string `json:"errors,omitzero"`
	// Members are what an error adds of its own.
	Members map[string]any `json:",embed"`
}

const problemType = "application/problem+json"

// membered is an error that brings members of its own for the problem.
type membered interface {
	error
	Members() map[string]any
}

// statusOf says which status each code of the domain becomes.
func statusOf(code fault.Code) int {
	switch code {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Unsupported:
		return http.StatusUnsupportedMediaType
	case fault.Mismatch:
		return http.StatusUnprocessableEntity
	case fault.TooMany:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// retryDefault is what a client is told to wait where nobody knows better.
const retryDefault = 5 * time.Second

// fail writes the problem that an error becomes. What the answer hides is
// logged here, and nowhere else.
func (s *Server) fail(rc *fasthttp.RequestCtx, err error) {
	p, retry := describe(err)
	p.Instance = string(rc.URI().PathOriginal())
	p.RequestID = s.requestID(rc)
	p.Type = "urn:ampra:problem:" + strings.ReplaceAll(strings.ToLower(p.Title), " ", "-")
	p.Message = p.Detail
	if extra, ok := errors.AsType[membered](err); ok {
		p.Members = extra.Members()
	}
	body, encodeErr := json.Marshal(p, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if encodeErr != nil {
		err = errors.Join(err, encodeErr)
		body = fmt.Appendf(nil, `{"status":%d}`, p.Status)
	}
	rc.Response.ResetBody()
	rc.SetStatusCode(p.Status)
	rc.SetContentType(problemType)
	rc.Response.Header.Set("Cache-Control", "no-store")
	if p.Status == http.StatusUnauthorized {
		rc.Response.Header.Set("WWW-Authenticate", `Bearer realm="ampra"`)
	}
	if retry > 0 {
		rc.Response.Header.Set("Retry-After", strconv.Itoa(int(math.Ceil(retry.Seconds()))))
	}
	rc.SetBody(body)
	s.logFailure(rc, p, err)
}

func (s *Server) logFailure(rc *fasthttp.RequestCtx, p problem, err error) {
	level := slog.LevelDebug
	switch {
	case p.Status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	case p.Status == http.StatusNotImplemented: // the client's fault, whatever its number
	case p.Status >= http.StatusInternalServerError:
		level = slog.LevelError
	}
	if s.d.Log.Enabled(s.base, level) {
		s.d.Log.LogAttrs(s.base, level, "request failed", slog.Int("status", p.Status), slog.String("method", methodOf(rc)),
			slog.String("path", shortPath(rc)), slog.String("requestId", p.RequestID), slog.Any("error", err))
	}
}

// describe finds what may be shown of an error. retry is when to come again, or
// 0.
func describe(err error) (p problem, retry time.Duration) {
	if e, ok := errors.AsType[*fault.Error](err); ok && statusOf(e.Code) != http.StatusInternalServerError {
		p = titled(statusOf(e.Code), e.Message)
		p.Errors = e.Fields
		retry = e.RetryAfter
		if retry <= 0 && (e.Code == fault.TooMany || e.Code == fault.Unavailable) {
			retry = retryDefault
		}
		return p, retry
	}
	if e, ok := errors.AsType[*fiber.Error](err); ok {
		return titled(e.Code, transportDetail(e.Code)), 0
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return titled(http.StatusServiceUnavailable, "The request took too long. Try again."), retryDefault
	}
	return titled(http.StatusInternalServerError, "Something went wrong on the server. The requestId finds it in the server's log."), 0
}

func titled(status int, detail string) problem {
	return problem{Status: status, Title: http.StatusText(status), Detail: detail}
}

// transportDetail says in our words what the server below us refused: its own
// may repeat what was sent.
func transportDetail(status int) string {
	switch status {
	case http.StatusNotFound:
		return "There is nothing at this path."
	case http.StatusMethodNotAllowed:
		return "This path does not take this method; the header Allow names those that it takes."
	case http.StatusRequestEntityTooLarge:
		return fmt.Sprintf("The body is larger than %d bytes.", MaxBody)
	case http.StatusRequestHeaderFieldsTooLarge:
		return "The headers are too large."
	case http.StatusRequestTimeout:
		return "The request did not arrive in time."
	case http.StatusNotImplemented:
		return "The server does not know this method."
	default:
		return "The request is not valid HTTP."
	}
}
