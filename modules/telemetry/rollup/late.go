package rollup

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"ampra/core/energy"
	"ampra/core/rollup"
	"ampra/core/series"
)

// Quiet is for how long a day is left alone before it is sealed. What comes within
// it finds all readings still there.
const Quiet = 7 * 24 * time.Hour

// late begins the folds of readings that came for a sealed day. What is after all
// that was counted goes on from there as ever, unless the day behind is sealed,
// too, and counted from here already; anything else fills what nothing told of. A
// reading of the day that was counted before and is not deleted yet fills nothing.
func (f folding) late(t task) (fold folders, from int64, err error) {
	from = rollup.Start(t.day)
	if t.next.Revision == 0 && t.earliest >= t.row.Through {
		if fold, err = (folding{parts: rollup.Energy}).resume(t.row); err != nil {
			return fold, 0, err
		}
		from = t.row.Through
	} else if fold.energy, err = filling(t); err != nil {
		return fold, 0, err
	}
	if f.wantsSeries() {
		minutes, err := series.ParseDay(t.row.Minutes, series.AllFields)
		if err != nil {
			return fold, 0, fmt.Errorf("reading a stored series: %w", err)
		}
		hours, err := series.ParseDay(t.row.Hours, series.AllFields)
		if err != nil {
			return fold, 0, fmt.Errorf("reading a stored series: %w", err)
		}
		fold.series = series.Fill(t.day, minutes, hours)
	}
	prior, err := parseState(t.prior)
	fold.finish = func(day energy.Day) energy.Day { return day.Follows(prior.Through()) }
	return fold, from, err
}

// filling begins to fill a day's energies.
func filling(t task) (*energy.Folder, error) {
	day, after, err := parseRow(t.row)
	if err != nil {
		return nil, err
	}
	var next energy.Day
	if t.next.Revision > 0 {
		if next, err = energy.ParseDay(t.next.Energy); err != nil {
			return nil, fmt.Errorf("reading a stored day: %w", err)
		}
	}
	return energy.Fill(day, after, next), nil
}

func parseRow(row rollup.Day) (day energy.Day, state energy.State, err error) {
	if day, err = energy.ParseDay(row.Energy); err != nil {
		return day, state, fmt.Errorf("reading a stored day: %w", err)
	}
	state, err = parseState(row.State)
	return day, state, err
}

// under leaves out of a day what a sealed one behind it tells.
func under(next rollup.Day) (func(energy.Day) energy.Day, error) {
	if next.Revision == 0 {
		return nil, nil //nolint:nilnil // nothing is to be done
	}
	later, after, err := parseRow(next)
	return func(day energy.Day) energy.Day { return day.Under(later, after) }, err
}

// sealedBehind finds the next sealed row behind days of one source that are asked
// for in their order.
type sealedBehind struct {
	days   rollup.Days
	source uuid.UUID
	// until is the first day that is too young for a sealed one behind it.
	until int32
	row   rollup.Day
	asked bool
}

func newSealedBehind(days rollup.Days, source uuid.UUID, now time.Time) *sealedBehind {
	return &sealedBehind{days: days, source: source, until: rollup.DayOf(now.Add(-Quiet).UnixMilli())}
}

// of is the row behind a day; Revision 0 for none.
func (b *sealedBehind) of(ctx context.Context, day int32) (rollup.Day, error) {
	switch {
	case day >= b.until:
		return rollup.Day{}, nil
	case b.asked && (b.row.Revision == 0 || b.row.Day > day):
		return b.row, nil
	}
	row, ok, err := b.days.SealedAfter(ctx, b.source, day, rollup.State|rollup.Energy)
	if err != nil {
		return rollup.Day{}, fmt.Errorf("looking for the next sealed day: %w", err)
	}
	if b.asked = true; !ok {
		row = rollup.Day{}
	}
	b.row = row
	return row, nil
}
