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
// sends in order costs one mark a slot and not one a reading. Sources are in groups
// whose slots begin one after the other: a large fleet would be marked all at once
// else, and its readings wait for that. A mark can be taken
// only after two slots, and nobody relies on one for longer than that: what took
// longer is marked again, and so is whatever a clock makes doubtful.
type Marker struct {
	slot   time.Duration
	marks  rollup.Marks
	clock  clock.Clock
	steady clock.Clock

	mu     sync.Mutex
	groups [groups]group
}

// groups is how many parts of a slot begin with the slot of some sources.
const groups = 32

// group are the sources whose slots begin together.
type group struct {
	belief belief
	known  map[marked]int64 // the earliest moment that is marked
}

// beliefs are those in which a write began, by group.
type beliefs [groups]belief

// groupOf is the group of a source, in every process the same.
func groupOf(source uuid.UUID) int { return int(source[len(source)-1]) % groups }

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
	m := &Marker{slot: slot, marks: marks, clock: clock, steady: steady}
	for i := range m.groups {
		m.groups[i].known = map[marked]int64{}
	}
	return m
}

// before marks the days of readings that are about to be written, where that is
// not known to be done, and returns in which beliefs.
func (m *Marker) before(ctx context.Context, readings []telemetry.Placed) (beliefs, error) {
	wanted := earliest(readings)
	m.mu.Lock()
	believed := m.renew()
	for day, at := range wanted {
		if known, ok := m.groups[groupOf(day.source)].known[day]; ok && known <= at {
			delete(wanted, day)
		}
	}
	m.mu.Unlock()
	return believed, m.raise(ctx, &believed, wanted)
}

// after marks again what was written when its mark may have been taken already.
func (m *Marker) after(ctx context.Context, believed beliefs, readings []telemetry.Placed) error {
	var old [groups]bool
	some := false
	at, steady := m.clock.Now(), m.steady.Now()
	for i := range believed {
		old[i] = believed[i].older(2*m.slot, at, steady)
		some = some || old[i]
	}
	if !some {
		return nil
	}
	m.mu.Lock()
	believed = m.renew()
	m.mu.Unlock()
	wanted := earliest(readings)
	for day := range wanted {
		if !old[groupOf(day.source)] {
			delete(wanted, day)
		}
	}
	return m.raise(ctx, &believed, wanted)
}

// renew forgets what is known of each group whose slot is over, or may be, and
// returns what is believed now. Called with the lock.
func (m *Marker) renew() (now beliefs) {
	at, steady := m.clock.Now(), m.steady.Now()
	for i := range m.groups {
		g := &m.groups[i]
		shift := int64(m.slot) / groups * int64(i)
		number := (at.UnixNano() + shift) / int64(m.slot)
		if number != g.belief.number || len(g.known) >= maxMarked/groups || g.belief.older(m.slot, at, steady) {
			g.belief = belief{number: number, since: at, steadySince: steady}
			clear(g.known)
		}
		now[i] = g.belief
	}
	return now
}

// older reports whether a belief began longer ago, by either clock; a clock that
// was set back tells nothing, which counts as long.
func (b belief) older(than time.Duration, now, steadyNow time.Time) bool {
	passed, steady := now.Sub(b.since), steadyNow.Sub(b.steadySince)
	return passed < 0 || passed > than || steady > than
}

// raise raises marks and remembers them for as long as the belief is held.
func (m *Marker) raise(ctx context.Context, believed *beliefs, wanted map[marked]int64) error {
	if len(wanted) == 0 {
		return nil
	}
	marks := make([]rollup.Mark, 0, len(wanted))
	for day, at := range wanted {
		marks = append(marks, rollup.Mark{SourceID: day.source, Day: day.day, Slot: believed[groupOf(day.source)].number, Earliest: at})
	}
	if err := m.marks.Raise(ctx, 2*m.slot, marks...); err != nil {
		return fmt.Errorf("marking days: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for day, at := range wanted {
		i := groupOf(day.source)
		if g := &m.groups[i]; g.belief == believed[i] {
			if known, ok := g.known[day]; !ok || at < known {
				g.known[day] = at
			}
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
