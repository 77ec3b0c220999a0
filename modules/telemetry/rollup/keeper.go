package rollup

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/rollup"
)

// KeeperConfig says how long what is kept.
type KeeperConfig struct {
	// Raw is how long readings are kept, Minutes how long slots of five minutes, Hours
	// how long rows, all counted from the end of their day; 0 is for ever.
	Raw, Minutes, Hours time.Duration
	// Quiet is for how long a day is left alone before it is sealed, and again after
	// each late reading; 0 means the constant of that name.
	Quiet time.Duration
	// Every is the pause between two rounds, Batch how many rows are looked at in one
	// go.
	Every time.Duration
	Batch int
}

// Kept is what a round did.
type Kept struct {
	// Sealed, Emptied, Coarsened and Removed count rows, Readings those deleted.
	Sealed, Emptied, Coarsened, Removed int
	Readings                            int64
}

// KeeperDeps are what the keeper stands on.
type KeeperDeps struct {
	Store rollup.Store
	Clock clock.Clock
	// Failed is told of what went wrong and will be tried again, Kept of each round
	// that did something.
	Failed func(error)
	Kept   func(Kept)
}

// Keeper lets go of what was kept for long enough: readings once their day is
// rolled up and nobody adds to it any more, then slots of five minutes, then rows.
// Any number of them may run.
type Keeper struct {
	cfg KeeperConfig
	d   KeeperDeps
}

// NewKeeper returns a keeper.
func NewKeeper(cfg KeeperConfig, d KeeperDeps) *Keeper {
	if cfg.Quiet == 0 {
		cfg.Quiet = Quiet
	}
	return &Keeper{cfg: cfg, d: d}
}

// Run keeps until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		kept, err := k.Round(ctx)
		if kept != (Kept{}) {
			k.d.Kept(kept)
		}
		if err != nil && ctx.Err() == nil {
			k.d.Failed(err)
		}
		pause(ctx, k.cfg.Every)
	}
	return nil
}

// Round does what is due. With an error it has done a part of it, which the next
// one goes on from.
func (k *Keeper) Round(ctx context.Context) (kept Kept, err error) {
	if k.cfg.Raw == 0 {
		return kept, nil // and all that is made of readings is kept with them
	}
	// Before, there may be readings that no row counts.
	if done, err := k.d.Store.Noted(ctx, backfilled); err != nil || !done {
		return kept, err
	}
	for _, step := range []struct {
		stage rollup.Stage
		after time.Duration
		idle  time.Duration
		act   func(context.Context, []rollup.Day, *Kept) error
	}{
		{rollup.Whole, k.cfg.Raw, k.cfg.Quiet, k.seal},
		{rollup.Sealed, k.cfg.Raw, k.cfg.Quiet, k.empty},
		{rollup.Bare, k.cfg.Minutes, 0, k.coarsen},
		{rollup.Coarse, k.cfg.Hours, 0, k.remove},
	} {
		if step.after == 0 {
			return kept, nil // what follows is kept for ever, too
		}
		due := rollup.Due{Stage: step.stage, Before: rollup.DayOf(k.d.Clock.Now().Add(-step.after).UnixMilli()), Idle: step.idle, Limit: k.cfg.Batch}
		err := k.each(ctx, due, func(days []rollup.Day) error { return step.act(ctx, days, &kept) })
		if err != nil {
			return kept, err
		}
	}
	return kept, nil
}

// each gives all rows that are due, part by part.
func (k *Keeper) each(ctx context.Context, due rollup.Due, give func([]rollup.Day) error) error {
	for {
		days, err := k.d.Store.Due(ctx, due)
		if err != nil || len(days) == 0 {
			return err
		}
		if err := give(days); err != nil {
			return err
		}
		if len(days) < due.Limit {
			return nil
		}
		last := days[len(days)-1]
		due.After = &rollup.Place{SourceID: last.SourceID, Day: last.Day}
	}
}

// seal seals days, those of a source in their order: what a day begins with is then
// as final as the day. One with marks up to it waits, since they may change it.
func (k *Keeper) seal(ctx context.Context, days []rollup.Day, kept *Kept) error {
	for _, day := range days {
		marks, err := k.d.Store.Waiting(ctx, []uuid.UUID{day.SourceID}, minDay, day.Day)
		if err != nil {
			return err
		}
		before, ok, err := k.d.Store.Before(ctx, day.SourceID, day.Day, rollup.None)
		if err != nil {
			return err
		}
		if len(marks) > 0 || ok && !before.IsSealed() {
			continue
		}
		if err := k.advance(ctx, day, rollup.Sealed, &kept.Sealed); err != nil {
			return err
		}
	}
	return nil
}

// advance brings a row on, unless somebody saved it meanwhile.
func (k *Keeper) advance(ctx context.Context, day rollup.Day, to rollup.Stage, count *int) error {
	switch err := k.d.Store.Advance(ctx, day, to); {
	case err == nil:
		*count++
		return nil
	case fault.Is(err, fault.Conflict):
		return nil
	default:
		return fmt.Errorf("bringing day %d of source %s on: %w", day.Day, day.SourceID, err)
	}
}

// emptiedAtOnce is how many days of a source are emptied in one go.
const emptiedAtOnce = 31

// empty deletes the readings of sealed days, of a source's neighbouring days in one
// go. After a crash in between they are due again.
func (k *Keeper) empty(ctx context.Context, days []rollup.Day, kept *Kept) error {
	for _, run := range runs(days) {
		first, last := run[0], run[len(run)-1]
		deleted, done, err := k.d.Store.Empty(ctx, first.SourceID, first.Day, last.Day)
		kept.Readings += deleted
		if err != nil {
			return fmt.Errorf("deleting the readings of source %s: %w", first.SourceID, err)
		}
		if !done {
			continue
		}
		for _, day := range run {
			if err := k.advance(ctx, day, rollup.Bare, &kept.Emptied); err != nil {
				return err
			}
		}
	}
	return nil
}

// runs are the rows in neighbouring days of one source.
func runs(days []rollup.Day) [][]rollup.Day {
	var all [][]rollup.Day
	open := map[uuid.UUID]int{} // where a source's last run is
	for _, day := range days {
		i, ok := open[day.SourceID]
		if run := i; ok && all[run][len(all[run])-1].Day == day.Day-1 && len(all[run]) < emptiedAtOnce {
			all[run] = append(all[run], day)
			continue
		}
		open[day.SourceID] = len(all)
		all = append(all, []rollup.Day{day})
	}
	return all
}

func (k *Keeper) coarsen(ctx context.Context, days []rollup.Day, kept *Kept) error {
	for _, day := range days {
		if err := k.advance(ctx, day, rollup.Coarse, &kept.Coarsened); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) remove(ctx context.Context, days []rollup.Day, kept *Kept) error {
	for _, day := range days {
		switch err := k.d.Store.Remove(ctx, day); {
		case err == nil:
			kept.Removed++
		case !fault.Is(err, fault.Conflict):
			return fmt.Errorf("removing day %d of source %s: %w", day.Day, day.SourceID, err)
		}
	}
	return nil
}
