package writer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/rollup"
	"ampra/core/telemetry"
)

// maxMarked bounds the remembered marks, to some 20 MB.
const maxMarked = 200_000

// Marker notes, before readings are written, which days they belong to, so that
// these are rolled up anew whatever happens afterwards.
//
// It remembers for one slot of time what it has marked in it, so a source that
// sends in order costs one mark a slot and not one a reading. A mark can be taken
// only after two slots, and nobody relies on one for longer than that: what took
// longer is marked again, and so is whatever a clock makes doubtful.
type Marker struct {
	slot   time.Duration
	marks  rollup.Marks
	clock  clock.Clock
	steady clock.Clock

	mu     sync.Mutex
	belief belief
	known  map[marked]int64 // the earliest moment that is marked
}

// belief is a slot of time as this process sees it.
type belief struct {
	number int64
	// since is when it began for this process, on either clock.
	since, steadySince time.Time
}

type marked struct {
	source uuid.UUID
	day    int32
}

// NewMarker returns a marker with slots of that length. Clock is the machine's,
// steady one that runs on evenly when the machine's is set.
func NewMarker(slot time.Duration, marks rollup.Marks, clock, steady clock.Clock) *Marker {
	return &Marker{slot: slot, marks: marks, clock: clock, steady: steady, known: map[marked]int64{}}
}

// before marks the days of readings that are about to be written, where that is
// not known to be done, and returns in which belief.
func (m *Marker) before(ctx context.Context, readings []telemetry.Placed) (belief, error) {
	wanted := earliest(readings)
	m.mu.Lock()
	m.renew()
	believed := m.belief
	for day, at := range wanted {
		if known, ok := m.known[day]; ok && known <= at {
			delete(wanted, day)
		}
	}
	m.mu.Unlock()
	return believed, m.raise(ctx, believed, wanted)
}

// after marks again what was written when its mark may have been taken already.
func (m *Marker) after(ctx context.Context, believed belief, readings []telemetry.Placed) error {
	if !m.older(believed, 2*m.slot) {
		return nil
	}
	m.mu.Lock()
	m.renew()
	believed = m.belief
	m.mu.Unlock()
	return m.raise(ctx, believed, earliest(readings))
}

// renew forgets all when the slot is over, or may be. Called with the lock.
func (m *Marker) renew() {
	now := m.clock.Now()
	number := now.UnixNano() / int64(m.slot)
	if number == m.belief.number && len(m.known) < maxMarked && !m.older(m.belief, m.slot) {
		return
	}
	m.belief = belief{number: number, since: now, steadySince: m.steady.Now()}
	clear(m.known)
}

// older reports whether a belief began longer ago, by either clock; a clock that
// was set back tells nothing, which counts as long.
func (m *Marker) older(b belief, than time.Duration) bool {
	passed, steady := m.clock.Now().Sub(b.since), m.steady.Now().Sub(b.steadySince)
	return passed < 0 || passed > than || steady > than
}

// raise raises marks and remembers them for as long as the belief is held.
func (m *Marker) raise(ctx context.Context, believed belief, wanted map[marked]int64) error {
	if len(wanted) == 0 {
		return nil
	}
	marks := make([]rollup.Mark, 0, len(wanted))
	for day, at := range wanted {
		marks = append(marks, rollup.Mark{SourceID: day.source, Day: day.day, Slot: believed.number, Earliest: at})
	}
	if err := m.marks.Raise(ctx, 2*m.slot, marks...); err != nil {
		return fmt.Errorf("marking days: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.belief != believed {
		return nil
	}
	for day, at := range wanted {
		if known, ok := m.known[day]; !ok || at < known {
			m.known[day] = at
		}
	}
	return nil
}

// earliest gives for each source and day of readings the earliest moment.
func earliest(readings []telemetry.Placed) map[marked]int64 {
	found := map[marked]int64{}
	for i := range readings {
		ms := readings[i].Timestamp.UnixMilli()
		day := marked{readings[i].SourceID, rollup.DayOf(ms)}
		if at, ok := found[day]; !ok || ms < at {
			found[day] = ms
		}
	}
	return found
}
