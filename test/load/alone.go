package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"log/slog"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"ampra/adapters/mqttbroker"
	"ampra/core/credential"
	"ampra/modules/credentials"
	"ampra/modules/telemetry/ingest"
)

// ackDelay is how long the broker alone waits before it acknowledges: about what
// a journal takes.
const ackDelay = 5 * time.Millisecond

// openGate lets everybody in.
type openGate struct{}

// SignInMQTT takes the source's id from the user name.
func (openGate) SignInMQTT(_ context.Context, _, username string, _ credential.Secret) (credentials.Session, error) {
	id, err := uuid.Parse(username)
	return credentials.Session{SourceID: id, OwnerID: id, CredentialID: id}, err
}

// Holds says yes.
func (openGate) Holds(context.Context, credentials.Session) (bool, error) { return true, nil }

// ValidUntil says: without end.
func (openGate) ValidUntil(context.Context, credentials.Session) (*time.Time, error) { return nil, nil } //nolint:nilnil // the port's way to say so

// Trusted says yes.
func (openGate) Trusted() bool { return true }

// Opened and Closed note nothing.
func (openGate) Opened(uuid.UUID) {}

// Closed notes nothing.
func (openGate) Closed(uuid.UUID) {}

// openLogin is the login of the broker alone.
func openLogin(s source) (clientID, user, password string) {
	return "sunsource_" + s.id.String()[:8], s.id.String(), "any"
}

// delayed is a journal that has everything durable after ackDelay. One goroutine
// answers, in the order in which things came.
type delayed struct{ queue chan answer }

type answer struct {
	due  time.Time
	done func(ingest.Receipt, error)
}

// Submit reads nothing of the payload.
func (j *delayed) Submit(ctx context.Context, _ ingest.Delivery, done func(ingest.Receipt, error)) error {
	select {
	case j.queue <- answer{time.Now().Add(ackDelay), done}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (j *delayed) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-j.queue:
			if wait := time.Until(a.due); wait > 0 && pause(ctx, wait) != nil {
				return
			}
			a.done(ingest.Receipt{Accepted: 1}, nil)
		}
	}
}

// serveBroker is the limit of MQTT: the product's broker, and nothing behind it.
func serveBroker(ctx context.Context, address string) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	journal := &delayed{queue: make(chan answer, 1<<16)}
	go journal.run(context.WithoutCancel(ctx))
	broker := mqttbroker.New(mqttbroker.Config{}, mqttbroker.Deps{
		Gate: openGate{}, Ingest: journal, Usage: openGate{}, Limits: nil, Foreign: nil, Log: slog.New(slog.DiscardHandler),
	})
	return broker.Run(ctx, listener)
}

// serveRoute is the limit of webhooks: a route that reads the body and makes one
// HMAC of it.
func serveRoute(ctx context.Context, address string) error {
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadTimeout: 30 * time.Second})
	key := []byte("wh_a-key-of-the-usual-length-1234567890abcdef")
	app.Post("/api/webhook/sunsource/:id", func(c *fiber.Ctx) error {
		mac := hmac.New(sha256.New, key)
		mac.Write(c.Body())
		if len(mac.Sum(nil)) == 0 {
			return fiber.ErrUnauthorized
		}
		return c.SendStatus(fiber.StatusAccepted)
	})
	ended := make(chan error, 1)
	go func() { ended <- app.Listen(address) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return app.ShutdownWithTimeout(5 * time.Second)
	}
}
