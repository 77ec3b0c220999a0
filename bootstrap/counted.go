package bootstrap

import (
	"context"

	"ampra/adapters/metrics"
	"ampra/modules/telemetry/ingest"
)

// countedIngest is ingest with its metrics: both ways in pass through it.
type countedIngest struct {
	next *ingest.Service
	m    *metrics.Metrics
}

// Submit is ingest.Service.Submit.
func (c countedIngest) Submit(ctx context.Context, d ingest.Delivery, done func(ingest.Receipt, error)) error {
	return c.next.Submit(ctx, d, func(r ingest.Receipt, err error) {
		c.count(r)
		done(r, err)
	})
}

// Accept is ingest.Service.Accept.
func (c countedIngest) Accept(ctx context.Context, d ingest.Delivery) (ingest.Receipt, error) {
	r, err := c.next.Accept(ctx, d)
	c.count(r)
	return r, err
}

func (c countedIngest) count(r ingest.Receipt) {
	c.m.Ingested(r.Accepted, len(r.Rejected), len(r.Warnings), r.DroppedExtra)
}
