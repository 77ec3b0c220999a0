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
	rows  []telemetry.Placed
}

func newGroup(order telemetry.Order, limit int) *group {
	return &group{order: order, limit: limit, slot: minMS}
}

func (g *group) add(row telemetry.Placed) {
	g.rows = append(g.rows, row)
	if len(g.rows) > 2*g.limit+1000 {
		g.settle()
	}
}

// settle brings the rows into the group's order, merges those of one moment and
// drops what is beyond the limit.
func (g *group) settle() {
	if !slices.IsSortedFunc(g.rows, g.byTime) {
		slices.SortStableFunc(g.rows, g.byTime)
	}
	kept := g.rows[:0]
	for from := 0; from < len(g.rows) && len(kept) < g.limit; {
		to := from + 1
		for to < len(g.rows) && g.byTime(g.rows[from], g.rows[to]) == 0 {
			to++
		}
		if to == from+1 {
			kept = append(kept, g.rows[from])
		} else {
			kept = append(kept, merge(g.rows[from:to]))
		}
		from = to
	}
	clear(g.rows[len(kept):])
	g.rows = kept
}

func (g *group) byTime(a, b telemetry.Placed) int {
	if g.order == telemetry.NewestFirst {
		return b.Timestamp.Compare(a.Timestamp)
	}
	return a.Timestamp.Compare(b.Timestamp)
}

// flush appends the group's readings to found, up to end, and empties it.
func (g *group) flush(found []telemetry.Reading, end int) []telemetry.Reading {
	g.settle()
	for i := range g.rows {
		if len(found) == end {
			break
		}
		found = append(found, g.rows[i].Reading)
	}
	clear(g.rows)
	g.rows = g.rows[:0]
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
