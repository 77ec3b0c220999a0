package device

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ampra/core/sunsource"
)

// Book is where processes write down what they hear.
type Book interface {
	// Load returns the statuses of those of the sources that were heard before.
	Load(ctx context.Context, sources []uuid.UUID) ([]Status, error)
	// Hear stores what was heard, in few statements however much it is, and returns
	// the changes of states that it made, each of which is in the history then.
	// What is older than what is stored changes nothing. Sources that are gone are
	// left out.
	Hear(ctx context.Context, heard []Heard) ([]Change, error)
	// Listening notes what a process hears.
	Listening(ctx context.Context, l Listener) error
}

// Watch is where silence is judged.
type Watch interface {
	// Sweep has judge decide about up to limit devices whose state time may have
	// changed by now, the longest due first, and stores what it decides with the
	// history of it. It returns the changes, and how many were judged: 0 also while
	// another process sweeps, and while nobody listens.
	Sweep(ctx context.Context, now time.Time, limit int, judge func(Due) Verdict) (changes []Change, judged int, err error)
	// Prune removes from the history what is older than MaxAge, and of each source
	// the oldest beyond MaxChanges.
	Prune(ctx context.Context, now time.Time) error
	// Counts returns how many sources there are in each state.
	Counts(ctx context.Context) (map[State]int, error)
}

// Statuses is where the states of single sources are read. Whose they are has
// been asked before.
type Statuses interface {
	// Status returns a source's; Unknown for one that was never heard.
	Status(ctx context.Context, source uuid.UUID) (Status, error)
	// Changes returns a part of the history, the newest first.
	Changes(ctx context.Context, source uuid.UUID, stretch Stretch) ([]Change, error)
}

// Fleet is where all sources of an owner are looked through.
type Fleet interface {
	// Search returns those of the owner's sources that a query asks for, in its
	// order.
	Search(ctx context.Context, owner uuid.UUID, query Query) ([]Listed, error)
	// Overview sums up all of the owner's sources.
	Overview(ctx context.Context, owner uuid.UUID) (Overview, error)
}

// Listed is a source in a list, with its status without the pulse.
type Listed struct {
	sunsource.SunSource
	Status Status
}

// Overview is the sum of an owner's sources.
type Overview struct {
	// Sources is how many there are, States how many in each state.
	Sources int
	States  map[State]int
	// Powers are the sums over those that are online, in watts; PowerSources from
	// how many of them each is.
	Powers       [NumPowers]float64
	PowerSources [NumPowers]int
}
