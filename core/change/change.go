// Package change carries what every process must know at once: that a source's
// credentials, state or existence changed. Changes are written in the
// transaction of the act itself and reach all processes through a feed, so that
// no cache outlives what it was made from.
package change

import (
	"context"

	"github.com/google/uuid"
)

// Kind says what changed.
type Kind string

// The kinds of changes.
const (
	SourceCreated      Kind = "source.created"      // who was told that there is none may now get another answer
	SourceUpdated      Kind = "source.updated"      // something that devices' access depends on, e.g. isActive
	SourceDeleted      Kind = "source.deleted"      // the source is gone
	CredentialsRotated Kind = "credentials.rotated" // versions before the current one may be over
	// SettingsChanged: how a source's payloads are understood, or where it stands, is
	// another; devices' access is as it was.
	SettingsChanged Kind = "source.settings"
	// Missed tells a process that was cut off for longer than changes are kept that
	// it has not heard of all: nothing that it remembers may be used any more, of
	// no source. It has no SourceID. No one appends it.
	Missed Kind = "changes.missed"
)

// Change is one event of the feed. Seq grows in the order of commits.
type Change struct {
	Seq      int64
	Kind     Kind
	SourceID uuid.UUID
}

// Outbox takes changes.
type Outbox interface {
	// Append writes the change in the context's transaction (it is an error to
	// call it without one) and returns its Seq.
	Append(ctx context.Context, c Change) (seq int64, err error)
}

// Feed makes changes known everywhere.
type Feed interface {
	// Settle returns when every live process, this one included, has applied all
	// changes up to seq, or is known to trust nothing that it remembers (its lease
	// is over). It ends with ctx.
	Settle(ctx context.Context, seq int64) error
	// Subscribe adds a listener. Each is called with every change, in order and
	// one after another, before the process says that it has applied the change; so
	// a listener that returns has made sure that nothing old is used any more. To
	// be called before Run.
	Subscribe(apply func(ctx context.Context, c Change))
	// Trusted reports whether this process hears of changes in time: false while
	// the feed is cut off, when caches must not be used.
	Trusted() bool
}
