package live

import (
	"context"

	"github.com/google/uuid"
)

// Bus carries events that are not readings to every process of an installation.
type Bus interface {
	// Send tells every process that listens, this one too. A fault Unavailable says
	// that it is not known who heard. What is too large for the bus is left out.
	Send(ctx context.Context, events []Event) error
	// Listen calls heard with every event, in one order that is the same for all
	// who listen, until ctx ends; it waits for a bus that is away. It calls began
	// first, and anew when it listens again after it was cut off: what was sent
	// before that call may not have been heard.
	Listen(ctx context.Context, began func(), heard func(Event)) error
}

// Position is a place in a journal: by partition, the offset of the record that
// comes next.
type Position []int64

// Record is an entry of the journal as it is kept there; telemetry.DecodeEntry
// reads Value.
type Record struct {
	Partition int32
	Offset    int64
	// SourceID is whose readings it has, uuid.Nil where that is not known.
	SourceID uuid.UUID
	Value    []byte
}

// Part is what was read of one partition: its records in order, and the offset
// behind what was read.
type Part struct {
	Partition int32
	Records   []Record
	Next      int64
	// Gap says that records before these are gone unread.
	Gap bool
}

// Tail reads a journal beside those who keep what is in it: many may, and none
// takes anything from another.
type Tail interface {
	// Follow reads what becomes durable from now on, until ctx ends; it waits for a
	// journal that is away, and goes on where it was. It calls began once, with the
	// end that it begins at, and take with every part, one call after another. The
	// parts of one partition come in order. A part's memory may be kept.
	Follow(ctx context.Context, began func(Position), take func(Part)) error
	// Replay reads from one position until another, in each partition from the one
	// offset until before the other, and calls take with each part. An error says
	// that not all of it could be read.
	Replay(ctx context.Context, from, until Position, take func(Part)) error
}
