package sunsource

import (
	"context"

	"github.com/google/uuid"
)

// Filter narrows a list.
type Filter struct {
	// PowerGroupID keeps only the sources of one group.
	PowerGroupID *uuid.UUID
}

// Page is a part of a list. The zero value is the whole of it.
type Page struct {
	// Limit is how many at the most; 0 for all.
	Limit int
	// After is the id of the last source of the page before; uuid.Nil for the
	// first page. An id that is not in the list (any more) is a fault Invalid for
	// the field "cursor".
	After uuid.UUID
}

// Repository keeps sun sources. Every method with an owner sees only the
// owner's sources; another's is a fault NotFound.
type Repository interface {
	// Create stores a new source. A Conflict says that the id's client id is taken
	// already: the caller draws a new id. A PowerGroupID that is not the owner's is
	// Invalid for the field "powerGroupId".
	Create(ctx context.Context, s SunSource) error
	// Get returns one source, or NotFound.
	Get(ctx context.Context, owner, id uuid.UUID) (SunSource, error)
	// List returns the owner's sources by creation time, then id.
	List(ctx context.Context, owner uuid.UUID, filter Filter, page Page) ([]SunSource, error)
	// Update loads, lets change decide, and saves, in one transaction; no other
	// Update of the same source runs in between. It returns what was saved. An
	// error of change is returned as it is and saves nothing.
	Update(ctx context.Context, owner, id uuid.UUID, change func(*SunSource) error) (SunSource, error)
	// Delete removes the source and all records that hang on it (credentials,
	// prices), and notes in the same transaction that its telemetry is to be
	// erased. See Erasures.
	Delete(ctx context.Context, owner, id uuid.UUID) error
}

// Erasures is the durable list of deleted sources whose telemetry is still to
// be removed from the archive.
type Erasures interface {
	// Pending returns up to limit ids, the oldest first.
	Pending(ctx context.Context, limit int) ([]uuid.UUID, error)
	// Done strikes one off.
	Done(ctx context.Context, id uuid.UUID) error
}
