package live

import (
	"context"

	"ampra/core/telemetry"
)

// Tap is a journal that tells a hub of what becomes durable in another: for where
// the journal can't be read beside those who keep what is in it.
type Tap struct {
	next telemetry.Journal
	hub  *Hub
}

var _ telemetry.Journal = (*Tap)(nil)

// NewTap returns a tap before next.
func NewTap(next telemetry.Journal, hub *Hub) *Tap { return &Tap{next, hub} }

// Append implements telemetry.Journal.
func (t *Tap) Append(ctx context.Context, entry telemetry.Entry, done telemetry.Done) error {
	return t.next.Append(ctx, entry, func(err error, errs []error) {
		switch {
		case err == nil:
			t.hub.Durable(entry.Readings)
		case errs != nil:
			durable := make([]telemetry.Reading, 0, len(errs))
			for i, err := range errs {
				if err == nil {
					durable = append(durable, entry.Readings[i])
				}
			}
			t.hub.Durable(durable)
		}
		done(err, errs)
	})
}
