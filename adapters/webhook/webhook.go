// Package webhook is the way in for devices that can only POST: a signed request
// with one reading or a list of them. It answers when the readings are durable.
// What they mean is not its business, nor who signs how: it hands both to the
// use cases. Errors that it returns become the API's problems where it is mounted.
package webhook

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/device"
	"ampra/core/fault"
	"ampra/modules/credentials"
	"ampra/modules/telemetry/ingest"
)

// Gate lets devices in, or not.
type Gate interface {
	// AdmitWebhook checks a request's signatures. signedAt is zero for a form
	// without a time. Whatever is wrong with the request or its source is the same
	// Unauthenticated, as a *credentials.Refusal.
	AdmitWebhook(ctx context.Context, k credentials.Knock) (signedAt time.Time, err error)
}

// Ingest takes deliveries.
type Ingest interface {
	// Accept returns when the fate of the delivery is known, and does not use its
	// payload after that. TooMany is a source that
	// is over its limits.
	Accept(ctx context.Context, d ingest.Delivery) (ingest.Receipt, error)
}

// Config holds the settings. A zero value stands for the default.
type Config struct {
	// Time bounds the work on a request, 20 s by default.
	Time time.Duration
	// RefusalTime is how long it takes at least until a request is refused, 20 ms by
	// default: so that the time does not tell why.
	RefusalTime time.Duration
}

func (c Config) complete() Config {
	if c.Time <= 0 {
		c.Time = 20 * time.Second
	}
	if c.RefusalTime <= 0 {
		c.RefusalTime = 20 * time.Millisecond
	}
	return c
}

// Deps are the use cases that the route stands on.
type Deps struct {
	Gate   Gate
	Ingest Ingest
	Log    *slog.Logger
}

// Handler is the route.
type Handler struct {
	cfg       Config
	d         Deps
	deadlines deadlines
}

// New returns the route.
func New(cfg Config, d Deps) *Handler {
	cfg = cfg.complete()
	return &Handler{cfg: cfg, d: d}
}

// path is where the route is, as Fiber writes it.
const path = "/api/webhook/sunsource/"

// Mount adds the route.
func (h *Handler) Mount(to fiber.Router) { to.Post(path+":id", h.handle) }

// handle takes a request. It touches nothing but what it needs: this is the way
// of the many small posts.
func (h *Handler) handle(c *fiber.Ctx) error {
	began := time.Now()
	if len(c.Request().Header.Peek("Content-Encoding")) > 0 {
		return fault.New(fault.Unsupported, "The body must be sent as it is signed, without a Content-Encoding.")
	}
	ctx := device.WithRemote(h.deadlines.context(c.UserContext(), began, h.cfg.Time), strings.Clone(c.IP()))
	// What can't be an id is looked up as one that nobody has: the same work.
	id, err := uuid.Parse(c.Params("id"))
	if err != nil || len(c.Params("id")) != 36 {
		id = uuid.Nil
	}
	signedAt, err := h.d.Gate.AdmitWebhook(ctx, credentials.Knock{SourceID: id, Signatures: signatures(c), Body: c.BodyRaw()})
	if err != nil {
		if _, refused := errors.AsType[*credentials.Refusal](err); refused {
			pause(ctx, h.cfg.RefusalTime-time.Since(began))
		}
		return err
	}
	receipt, err := h.d.Ingest.Accept(ctx, ingest.Delivery{
		SourceID: id,
		Payload:  c.BodyRaw(),
		SignedAt: signedAt, Origin: "webhook", Topic: path + id.String(),
	})
	switch {
	case fault.Is(err, fault.Invalid):
		return &unreadable{cause: err, receipt: receiptOf(receipt)}
	case err != nil:
		return err
	}
	if receipt.DroppedExtra > 0 {
		h.d.Log.LogAttrs(ctx, slog.LevelDebug, "unknown fields were left out, there are too many",
			slog.String("source", id.String()), slog.Int("count", receipt.DroppedExtra))
	}
	body, err := encode(receipt)
	if err != nil {
		return err
	}
	c.Status(http.StatusAccepted).Context().SetContentType("application/json")
	return c.Send(body)
}

// pause waits so that all refusals take the same time.
func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// signatures collects all values of each signature header: one that is sent
// twice must be seen as two.
func signatures(c *fiber.Ctx) credential.Signatures {
	var all credential.Signatures
	c.Request().Header.VisitAll(func(name, value []byte) {
		switch string(name) { // as fasthttp writes names, whatever was sent
		case "Webhook-Id":
			all.ID = append(all.ID, string(value))
		case "Webhook-Timestamp":
			all.Timestamp = append(all.Timestamp, string(value))
		case "Webhook-Signature":
			all.Standard = append(all.Standard, string(value))
		case "X-Webhook-Signature":
			all.Plain = append(all.Plain, string(value))
		case "X-Webhook-Secret":
			all.PlainAlias = append(all.PlainAlias, string(value))
		}
	})
	return all
}
