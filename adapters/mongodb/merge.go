package mongodb

import (
	"cmp"
	"iter"
	"slices"

	"ampra/core/telemetry"
)

// group gathers the rows of one slot, by their time.
type group struct {
	order telemetry.Order
	limit int
	slot  int64
	rows  []telemetry.Placed
	// most is from how many rows on they are settled.
	most int
}

// maxCopies is how many rows of one moment are kept apart. A device whose clock
// stands still sends no end of them.
const maxCopies = 64

func newGroup(order telemetry.Order, limit int) *group {
	return &group{order: order, limit: limit, slot: minMS, most: 2*limit + 1000}
}

func (g *group) add(row telemetry.Placed) {
	g.rows = append(g.rows, row)
	if len(g.rows) > g.most {
		g.settle()
		g.most = max(g.most, 2*len(g.rows))
	}
}

// settle brings the rows into the group's order and drops what is beyond the limit.
// Rows of one moment stay apart, as others may come that belong between them.
func (g *group) settle() {
	if !slices.IsSortedFunc(g.rows, g.byTime) {
		slices.SortStableFunc(g.rows, g.byTime)
	}
	kept := g.rows[:0]
	moments := 0
	for copies := range g.moments() {
		if moments++; moments > g.limit {
			break
		}
		if len(copies) >= maxCopies {
			kept = append(kept, merge(copies))
		} else {
			kept = append(kept, copies...)
		}
	}
	clear(g.rows[len(kept):])
	g.rows = kept
}

// moments goes through the rows of each moment, which are in order.
func (g *group) moments() iter.Seq[[]telemetry.Placed] {
	rows := g.rows
	return func(yield func([]telemetry.Placed) bool) {
		for len(rows) > 0 {
			n := 1
			for n < len(rows) && g.byTime(rows[0], rows[n]) == 0 {
				n++
			}
			copies := rows[:n]
			rows = rows[n:]
			if !yield(copies) {
				return
			}
		}
	}
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
	for copies := range g.moments() {
		if len(found) == end {
			break
		}
		found = append(found, merge(copies).Reading)
	}
	clear(g.rows)
	g.rows = g.rows[:0]
	return found
}

// merge lays rows of one moment over each other, the later over the earlier. Its
// place is that of the latest.
func merge(rows []telemetry.Placed) telemetry.Placed {
	if len(rows) == 1 {
		return rows[0]
	}
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
