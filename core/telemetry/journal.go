package telemetry

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Entry is what one delivery of one source brought: at least one reading, all of
// the same source. It becomes durable as a whole or reading by reading.
type Entry struct {
	SourceID uuid.UUID
	Readings []Reading
	// Trace is the traceparent of a delivery that is traced, "" of any other. It may
	// get lost on the way.
	Trace string
}

// Done is called exactly once when the fate of an entry is known. A nil err says
// that every reading is durable. Else errs, when it is not nil, has an error or
// nil for each reading, and err is the first of them; with errs nil, err is true
// of all. It may be called from another goroutine and must not block.
type Done func(err error, errs []error)

// Journal makes readings durable.
type Journal interface {
	// Append hands an entry over and returns at once when there is room, else it
	// waits until there is or ctx ends (back-pressure). When it returns an error
	// (ctx's, or a fault Unavailable when the journal is away or stopping), done is
	// not called; when it returns nil, done is called once, whatever happens. An
	// error means "not known to be durable": the reading may still appear, and
	// sending it again is safe.
	Append(ctx context.Context, entry Entry, done Done) error
}

// Position is a reading's place in the journal. Within one partition a later
// reading has a higher Offset, or the same and a higher Index (several readings
// in one record).
type Position struct {
	Partition int32
	Offset    int64
	Index     int32
}

// Direct is the partition of readings that no journal numbered: they reach the
// archive in the order in which they stand.
const Direct int32 = -1

// Placed is a reading with its place in the journal.
type Placed struct {
	Reading
	Position Position
}

// Later reports whether a stands over b when both have one identity: it is later
// in their partition, or, between partitions, was received later.
func (a Placed) Later(b Placed) bool {
	if a.Position.Partition == b.Position.Partition && a.Position.Partition != Direct {
		if a.Position.Offset != b.Position.Offset {
			return a.Position.Offset > b.Position.Offset
		}
		return a.Position.Index > b.Position.Index
	}
	return a.ReceivedAt.After(b.ReceivedAt)
}

// Batch is what a Log gives at once.
type Batch struct {
	Readings []Placed
	// Undecodable are records that can't be read, for the dead letters.
	Undecodable []DeadLetter
	// Traces are those of the entries that are traced, at most MaxTraces.
	Traces []string
	// Commit notes that the batch is done. To be called after everything in the
	// batch is stored; without it the batch comes again after a restart. An error
	// says that it may come again.
	Commit func(ctx context.Context) error
}

// Log is the reading end of a journal.
type Log interface {
	// Fetch returns the next batch: at most max readings (a single record may bring
	// more), waiting up to linger for more once there is one, and without end for
	// the first, until ctx ends. Batches of one partition come in order.
	Fetch(ctx context.Context, max int, linger time.Duration) (Batch, error)
}

// Archive keeps readings and finds them again, each identity once.
type Archive interface {
	// Write stores readings and answers for each: errs is nil when all are stored,
	// else it has an error or nil for each. A fault Unavailable may pass; any other
	// is that reading's own and stays. Writing a reading again, at the same
	// position, changes nothing that can be read.
	Write(ctx context.Context, readings []Placed) (errs []error)
	// Latest returns the reading with the newest timestamp, or NotFound.
	Latest(ctx context.Context, source uuid.UUID) (Reading, error)
	// Newest returns of each source the reading with the newest timestamp, by source
	// as asked; nothing of those whose newest is before since, or who have none. It is
	// for many sources; of one it is Latest.
	Newest(ctx context.Context, sources []uuid.UUID, since time.Time) ([]Reading, error)
	// History returns the readings of a span, merged by identity.
	History(ctx context.Context, query Span) ([]Reading, error)
	// Erase removes all readings of a source.
	Erase(ctx context.Context, source uuid.UUID) error
}

// Order is the order of a history, by timestamp.
type Order int

// The orders.
const (
	NewestFirst Order = iota
	OldestFirst
)

// Span asks for readings of one source.
type Span struct {
	SourceID uuid.UUID
	// From is inclusive, To exclusive; zero is open.
	From, To time.Time
	Order    Order
	// Limit is how many readings at the most, 1 or more.
	Limit int
	// Fields are those whose values are wanted; nil wants all there is. With it other
	// values, and lines, status and extra, may be left out, no reading ever.
	Fields []Field
}
