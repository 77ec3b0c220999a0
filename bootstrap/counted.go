package bootstrap

import (
	"context"
	"strings"
	"time"

	"ampra/adapters/kafka"
	"ampra/adapters/metrics"
	"ampra/adapters/tracing"
	"ampra/core/credential"
	"ampra/modules/credentials"
	"ampra/modules/telemetry/ingest"
)

// countedIngest is ingest with its metrics, and with traces where they are wanted:
// both ways in pass through it.
type countedIngest struct {
	next   *ingest.Service
	m      *metrics.Metrics
	traces *tracing.Tracing // nil without
	// throttle counts who is told to come again.
	throttle *metrics.Throttle
}

// Submit is ingest.Service.Submit.
func (c countedIngest) Submit(ctx context.Context, d ingest.Delivery, done func(ingest.Receipt, error)) error {
	var span *tracing.Span
	if c.traces != nil {
		ctx, span = c.traces.Deliver(ctx, d.Origin, d.SourceID, len(d.Payload))
	}
	counts, began := c.m.Intake(d.Origin), time.Now()
	counts.Taken(len(d.Payload))
	err := c.next.Submit(ctx, d, func(r ingest.Receipt, err error) {
		counts.Settled(time.Since(began), fateOf(r), err)
		span.End(err)
		done(r, err)
	})
	if err != nil {
		counts.Settled(time.Since(began), metrics.Fate{}, err)
		span.End(err)
	}
	return err
}

// Accept is ingest.Service.Accept.
func (c countedIngest) Accept(ctx context.Context, d ingest.Delivery) (ingest.Receipt, error) {
	var span *tracing.Span
	if c.traces != nil {
		ctx, span = c.traces.Deliver(ctx, d.Origin, d.SourceID, len(d.Payload))
	}
	counts, began := c.m.Intake(d.Origin), time.Now()
	counts.Taken(len(d.Payload))
	r, err := c.next.Accept(ctx, d)
	refused(c.throttle, d.Origin, err)
	counts.Settled(time.Since(began), fateOf(r), err)
	span.End(err)
	return r, err
}

func fateOf(r ingest.Receipt) metrics.Fate {
	return metrics.Fate{Accepted: r.Accepted, Rejected: len(r.Rejected), Warnings: len(r.Warnings), DroppedExtra: r.DroppedExtra}
}

// countedGate is the gate with its metrics.
type countedGate struct {
	*credentials.Gate
	m *metrics.Metrics
}

// SignInMQTT is credentials.Gate.SignInMQTT.
func (g countedGate) SignInMQTT(ctx context.Context, clientID, username string, password credential.Secret) (credentials.Session, error) {
	began := time.Now()
	session, err := g.Gate.SignInMQTT(ctx, clientID, username, password)
	g.m.SignedInMQTT(time.Since(began), err)
	return session, err
}

// AdmitWebhook is credentials.Gate.AdmitWebhook.
func (g countedGate) AdmitWebhook(ctx context.Context, k credentials.Knock) (time.Time, error) {
	began := time.Now()
	signedAt, err := g.Gate.AdmitWebhook(ctx, k)
	g.m.SignedInWebhook(time.Since(began), err)
	return signedAt, err
}

// countedKafka hears what the journal on Kafka does.
type countedKafka struct{ m *metrics.Metrics }

var _ kafka.Observer = countedKafka{}

// Produced implements kafka.Observer.
func (c countedKafka) Produced(p kafka.Produced) {
	topic := "telemetry"
	if strings.HasSuffix(p.Topic, ".dead") {
		topic = "dead"
	}
	c.m.Produced(topic, p.Records, p.Bytes, p.Took, p.Err)
}

// Fetched implements kafka.Observer.
func (c countedKafka) Fetched(f kafka.Fetched) { c.m.Fetched(f.Records, f.Bytes) }
