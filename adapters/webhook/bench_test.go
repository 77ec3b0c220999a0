package webhook

import (
	"net/http"
	"testing"

	"github.com/valyala/fasthttp"
)

// BenchmarkPost is what the route itself costs, beside the app that it is in:
// there is no network, and the readings are taken at once.
func BenchmarkPost(b *testing.B) {
	r := newRig(Config{})
	const body = `{"timestamp":"2026-06-21T12:00:00Z","acPowerWatts":2140.5,"energyTotalKwh":10234.25}`
	signed := r.signed(body)
	var c fasthttp.RequestCtx
	c.Request.Header.SetMethod(http.MethodPost)
	c.Request.SetRequestURI(path + r.gate.source.String())
	c.Request.Header.SetHost("example.org")
	c.Request.Header.SetContentType("application/json")
	c.Request.Header.Set(signed[0], signed[1])
	c.Request.SetBodyString(body)
	handle := r.app.Handler()
	b.ReportAllocs()
	for b.Loop() {
		r.gate.knocks, r.inbox.deliveries = r.gate.knocks[:0], r.inbox.deliveries[:0]
		c.Response.Reset()
		handle(&c)
		if c.Response.StatusCode() != http.StatusAccepted {
			b.Fatalf("answered with %d: %s", c.Response.StatusCode(), c.Response.Body())
		}
	}
}
