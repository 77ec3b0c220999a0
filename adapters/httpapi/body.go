package httpapi

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// importPath is the one route whose body is not read before its handler: files
// are too large for memory.
const importPath = "/api/sunsources/{id}/imports"

// large reports whether the route takes its body as it arrives.
func (r *Route) large() bool { return r.Path == importPath }

// isLarge reports whether a request is one for such a route, or looks like it.
func isLarge(rc *fasthttp.RequestCtx) bool {
	path := string(rc.Path())
	return rc.IsPost() && strings.HasPrefix(path, "/api/sunsources/") && strings.HasSuffix(path, "/imports")
}

// keyRead is set when all of a large body was read.
const keyRead = "ampra.bodyRead"

// takeBody reads a request's body, of at most MaxBody bytes, unless its route
// takes it as it arrives. The error says why the request can't be served.
func takeBody(rc *fasthttp.RequestCtx) error {
	stream := rc.RequestBodyStream()
	if stream == nil || isLarge(rc) {
		return nil
	}
	length := rc.Request.Header.ContentLength()
	if length > MaxBody {
		return fiber.NewError(http.StatusRequestEntityTooLarge)
	}
	body := make([]byte, 0, max(length, 512))
	for {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := stream.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > MaxBody:
			return fiber.NewError(http.StatusRequestEntityTooLarge)
		case errors.Is(err, io.EOF) || err == nil && len(body) == length:
			rc.Request.SetBodyRaw(body)
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fiber.NewError(http.StatusRequestTimeout)
		case err != nil:
			return fiber.NewError(http.StatusBadRequest)
		}
	}
}

// abandon ends the connection after the answer: what is left of the body would be
// taken for the next request.
func abandon(rc *fasthttp.RequestCtx) {
	rc.SetConnectionClose()
	if c, ok := rc.Conn().(*conn); ok {
		c.lingers.Store(true)
	}
}

// arriving is a body that may take long to arrive, as long as it does.
type arriving struct {
	rc    *fasthttp.RequestCtx
	from  io.Reader
	pause time.Duration // the longest
	until time.Time     // the end of it all
	// ended tells why nobody waits for it any more, nil while somebody does.
	ended func() error
}

// Read reads what has arrived.
func (a *arriving) Read(p []byte) (int, error) {
	if err := a.ended(); err != nil {
		return 0, err
	}
	deadline := time.Now().Add(a.pause)
	if deadline.After(a.until) {
		deadline = a.until
	}
	if err := a.rc.Conn().SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	return a.from.Read(p)
}
