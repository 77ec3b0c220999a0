package mongodb

import (
	"cmp"
	"slices"

	"ampra/core/telemetry"
)

// group gathers the rows of one slot, by their time.
type group struct {
	order telemetry.Order
	limit int
	slot  int64
	rows  map[int64][]telemetry.Placed
}

// maxCopies is how many rows of one moment are kept apart. A device whose clock
// stands still sends no end of them.
const maxCopies = 64

func newGroup(order telemetry.Order, limit int) *group {
	return &group{order: order, limit: limit, slot: minMS, rows: map[int64][]telemetry.Placed{}}
}

func (g *group) add(row telemetry.Placed) {
	ms := row.Timestamp.UnixMilli()
	rows := append(g.rows[ms], row)
	if len(rows) >= maxCopies {
		rows = append(rows[:0], merge(rows))
	}
	g.rows[ms] = rows
	if len(g.rows) > 2*g.limit+1000 {
		for _, beyond := range g.times()[g.limit:] {
			delete(g.rows, beyond)
		}
	}
}

// times are the moments in the group, in its order.
func (g *group) times() []int64 {
	times := make([]int64, 0, len(g.rows))
	for ms := range g.rows {
		times = append(times, ms)
	}
	slices.Sort(times)
	if g.order == telemetry.NewestFirst {
		slices.Reverse(times)
	}
	return times
}

// flush appends the group's readings to found, up to end, and empties it.
func (g *group) flush(found []telemetry.Reading, end int) []telemetry.Reading {
	for _, ms := range g.times() {
		if len(found) == end {
			break
		}
		found = append(found, merge(g.rows[ms]).Reading)
	}
	clear(g.rows)
	return found
}

// merge lays rows of one moment over each other, the later over the earlier. Its
// place is that of the latest.
func merge(rows []telemetry.Placed) telemetry.Placed {
	slices.SortStableFunc(rows, byPlace)
	one := rows[0]
	for _, later := range rows[1:] {
		one.Merge(later.Reading)
		one.Position = later.Position
	}
	return one
}

// byPlace orders rows of one moment. Where the journal leaves it open, the order
// of writing decides, which is kept in the offset of readings without a journal.
func byPlace(a, b telemetry.Placed) int {
	switch {
	case a.Later(b):
		return 1
	case b.Later(a):
		return -1
	default:
		return cmp.Or(cmp.Compare(a.Position.Offset, b.Position.Offset), cmp.Compare(a.Position.Index, b.Position.Index))
	}
}
