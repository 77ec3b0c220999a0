package rollup

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"ampra/core/energy"
	"ampra/core/rollup"
	"ampra/core/series"
	"ampra/core/telemetry"
)

// pageSize is how many readings are read at once.
const pageSize = 5_000

// folding is what folding one day takes.
type folding struct {
	archive telemetry.Archive
	// parts are the digests that are wanted; the state comes with the energy.
	parts rollup.Parts
}

// task is a day to be folded.
type task struct {
	source uuid.UUID
	day    int32
	// prior is the state that the day begins with.
	prior []byte
	// row is what is stored, with Revision 0 for nothing, and next the first sealed
	// row behind it.
	row, next rollup.Day
	// earliest is the first moment that may be missing in row.
	earliest int64
	// until is where to stop, exclusive.
	until int64
}

// outcome is what a day came to.
type outcome struct {
	day rollup.Day
	// refolded says that it began with prior, else it went on from row.
	refolded bool
	// readings is how many were read; over that the budget was not enough, and day
	// is not to be used.
	readings int
	over     bool
	// none says that there is nothing: no row and no readings.
	none bool
}

// folders are the folds of a day, side by side.
type folders struct {
	energy *energy.Folder
	series *series.Folder // nil when it is not wanted
	// finish makes the last of the energies.
	finish func(energy.Day) energy.Day
}

// run folds a day, with at most budget readings.
func (f folding) run(ctx context.Context, t task, budget int) (outcome, error) {
	fold, from, err := f.start(t)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{refolded: from == rollup.Start(t.day)}
	through := t.row.Through
	for {
		page, err := f.archive.History(ctx, telemetry.Span{
			SourceID: t.source, From: time.UnixMilli(from), To: time.UnixMilli(t.until), Order: telemetry.OldestFirst,
			Limit: min(pageSize, budget-o.readings+1),
		})
		if err != nil {
			return outcome{}, fmt.Errorf("reading a day's readings: %w", err)
		}
		if o.readings += len(page); o.readings > budget {
			o.over = true
			return o, nil
		}
		for i := range page {
			fold.add(&page[i])
		}
		if len(page) > 0 {
			from = page[len(page)-1].Timestamp.UnixMilli() + 1
			through = max(through, from)
		}
		if len(page) < pageSize {
			break
		}
	}
	if t.row.Revision == 0 && o.readings == 0 {
		o.none = true
		return o, nil
	}
	o.day = rollup.Day{
		SourceID: t.source, Day: t.day, Through: through, Revision: t.row.Revision, Before: rollup.DigestOf(t.prior), RolledAt: t.row.RolledAt,
		Stage: t.row.Stage,
	}
	if t.row.IsSealed() && o.readings > 0 {
		o.day.Stage = rollup.Sealed // they are to be deleted, too
	}
	return o, fold.into(&o.day)
}

// start begins the folds, and says from where on readings are to be added.
func (f folding) start(t task) (fold folders, from int64, err error) {
	if t.row.IsSealed() {
		return f.late(t)
	}
	from = rollup.Start(t.day)
	if t.row.Revision > 0 && t.row.Before == rollup.DigestOf(t.prior) && t.earliest >= t.row.Through {
		if fold, err = f.resume(t.row); err == nil {
			from = t.row.Through
		}
	}
	if from == rollup.Start(t.day) { // also when the row can't be read any more
		if fold, err = f.begin(t); err != nil {
			return fold, 0, err
		}
	}
	fold.finish, err = under(t.next)
	return fold, from, err
}

func (f folding) wantsSeries() bool { return f.parts.Has(rollup.Minutes) || f.parts.Has(rollup.Hours) }

func (f folding) begin(t task) (folders, error) {
	state, err := parseState(t.prior)
	if err != nil {
		return folders{}, err
	}
	fold := folders{energy: energy.NewFolder(t.day, state)}
	if f.wantsSeries() {
		fold.series = series.NewFolder(t.day)
	}
	return fold, nil
}

func parseState(data []byte) (energy.State, error) {
	if len(data) == 0 {
		return energy.State{}, nil
	}
	state, err := energy.ParseState(data)
	if err != nil {
		return energy.State{}, fmt.Errorf("reading a stored state: %w", err)
	}
	return state, nil
}

func (f folding) resume(row rollup.Day) (folders, error) {
	day, err := energy.ParseDay(row.Energy)
	if err != nil {
		return folders{}, fmt.Errorf("reading a stored day: %w", err)
	}
	state, err := parseState(row.State)
	if err != nil {
		return folders{}, err
	}
	fold := folders{energy: energy.Resume(day, state)}
	if f.wantsSeries() {
		minutes, err := series.ParseDay(row.Minutes, series.AllFields)
		if err != nil {
			return folders{}, fmt.Errorf("reading a stored series: %w", err)
		}
		fold.series = series.Resume(row.Day, minutes)
	}
	return fold, nil
}

func (f folders) add(r *telemetry.Reading) {
	f.energy.Add(r.EnergySample())
	if f.series != nil {
		f.series.Add(*r)
	}
}

// into fills a row's digests.
func (f folders) into(row *rollup.Day) error {
	day, state := f.energy.Result()
	if f.finish != nil {
		day = f.finish(day)
	}
	var err error
	if row.Energy, err = day.AppendBinary(nil); err != nil {
		return fmt.Errorf("encoding a day: %w", err)
	}
	if row.State, err = state.AppendBinary(nil); err != nil {
		return fmt.Errorf("encoding a state: %w", err)
	}
	if f.series == nil {
		return nil
	}
	minutes, hours := f.series.Result()
	if row.Minutes, err = minutes.AppendBinary(nil); err != nil {
		return fmt.Errorf("encoding a series: %w", err)
	}
	if row.Hours, err = hours.AppendBinary(nil); err != nil {
		return fmt.Errorf("encoding a series: %w", err)
	}
	return nil
}
