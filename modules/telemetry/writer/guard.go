package writer

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

// When the guard stops a writer: more than half of what it saw within a window
// can't be kept. Of less than guardSeen nothing is concluded.
const (
	guardWindow = time.Minute
	guardSeen   = 200
)

// Halt is the end of a writer that would have buried most of what it read: that
// is a fault of ours or of the archive, and no device's. Nothing of the batch at
// which it stopped is buried or committed, so that after a fix it is read again.
type Halt struct {
	// Seen is how many readings and unreadable records came within the window, Bad
	// how many of them can't be kept, Last why the last of them can't.
	Seen, Bad int
	Last      string
}

// Error says what to do.
func (h *Halt) Error() string {
	return fmt.Sprintf("%d of the last %d readings of the journal can't be kept (the last: %s): stopped without committing them, mend the cause and start again",
		h.Bad, h.Seen, h.Last)
}

// guard watches how much of the journal can't be kept, in two halves of the
// window. It concludes nothing from readings of one source, be they all that the
// backlog begins with: what a device sends is judged at intake, and one that
// found a way around it is not to stop everybody's. Records that can't be decoded
// are no device's doing, whosever they are.
type guard struct{ now, before tally }

// tally is what was seen in half a window.
type tally struct {
	began     time.Time
	seen, bad int
	garbled   int     // of the bad, those that can't be decoded
	ill       company // sources of what can't be kept
}

// company tells whether there is more than one source.
type company struct {
	one     uuid.UUID
	any     bool
	several bool
}

func (c *company) add(source uuid.UUID) {
	c.several = c.several || c.any && c.one != source
	if !c.any {
		c.one, c.any = source, true
	}
}

func (c company) with(other company) company {
	if other.any {
		c.add(other.one)
	}
	c.several = c.several || other.several
	return c
}

// watch notes a batch, of which letters can't be kept, and says whether to stop.
func (g *guard) watch(at time.Time, batch telemetry.Batch, letters []telemetry.DeadLetter) error {
	switch passed := at.Sub(g.now.began); {
	case passed >= guardWindow:
		g.before, g.now = tally{}, tally{began: at}
	case passed >= guardWindow/2:
		g.before, g.now = g.now, tally{began: at}
	}
	g.now.seen += len(batch.Readings) + len(batch.Undecodable)
	g.now.bad += len(letters)
	g.now.garbled += len(batch.Undecodable)
	for i := range letters {
		g.now.ill.add(letters[i].SourceID)
	}
	seen, bad := g.now.seen+g.before.seen, g.now.bad+g.before.bad
	if len(letters) == 0 || seen < guardSeen || 2*bad <= seen {
		return nil
	}
	if !g.now.ill.with(g.before.ill).several && 2*(g.now.garbled+g.before.garbled) <= seen {
		return nil
	}
	return &Halt{Seen: seen, Bad: bad, Last: letters[len(letters)-1].Reason}
}
