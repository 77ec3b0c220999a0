package job

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Place is where a job stands in a list.
type Place struct {
	CreatedAt time.Time
	ID        uuid.UUID
}

// Repository keeps jobs. Every method with an owner sees only the owner's jobs;
// another's is a fault NotFound. A source's jobs go with it.
type Repository interface {
	// Create stores a new job. Of an owner's jobs only the newest MaxKept are kept.
	// NotFound when the source is gone.
	Create(ctx context.Context, j Job) error
	// Save stores how far a job is and adds refused rows to those that it has. A
	// job that is gone is NotFound.
	Save(ctx context.Context, j Job, refused ...Refused) error
	// Get returns a job.
	Get(ctx context.Context, owner, id uuid.UUID) (Job, error)
	// List returns at most limit jobs, the newest first; after, where it is not nil,
	// is the place of the last one of the page before.
	List(ctx context.Context, owner uuid.UUID, limit int, after *Place) ([]Job, error)
	// Refused returns the rows that a job refused, in the order in which they were
	// added: the first MaxRefused.
	Refused(ctx context.Context, owner, id uuid.UUID) ([]Refused, error)
}
