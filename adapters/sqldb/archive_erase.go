package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"
)

// deleteAtOnce is how many readings one transaction deletes: few enough that
// writes in between wait some ten milliseconds.
const deleteAtOnce = 2000

// Erase removes all readings of a source. They are found by nobody once its first
// transaction is committed; an Erase that was interrupted, or meets a full disk,
// is finished by the next one.
func (a *Archive) Erase(ctx context.Context, source uuid.UUID) error {
	if err := a.detach(ctx, source); err != nil {
		return fmt.Errorf("erasing readings: %w", translate(err))
	}
	for {
		var series int64
		err := a.db.read.DB.QueryRowContext(ctx, "select id from series where source_id is null limit 1").Scan(&series)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			err = a.deleteBefore(ctx, series, math.MaxInt64)
		}
		if err == nil {
			err = a.deleteRollups(ctx, series)
		}
		if err == nil {
			err = a.locked(ctx, func(ctx context.Context) error {
				_, err := a.db.write.DB.ExecContext(ctx, "delete from series where id = ? and source_id is null", series)
				return err
			})
		}
		if err != nil {
			return fmt.Errorf("erasing readings: %w", translate(err))
		}
	}
}

// detach parts a source from its series.
func (a *Archive) detach(ctx context.Context, source uuid.UUID) error {
	return a.locked(ctx, func(ctx context.Context) error {
		delete(a.series, source)
		_, err := a.db.write.DB.ExecContext(ctx, "update series set source_id = null where source_id = ?", source[:])
		return err
	})
}

// deleteBefore deletes a series' readings before a time, a few in each
// transaction.
func (a *Archive) deleteBefore(ctx context.Context, series, before int64) error {
	for {
		var bound int64
		err := a.db.read.DB.QueryRowContext(ctx, "select at from readings where series = ? and at < ? order by at limit 1 offset ?",
			series, before, deleteAtOnce).Scan(&bound)
		last := errors.Is(err, sql.ErrNoRows)
		if last {
			bound, err = before, nil
		}
		if err == nil {
			err = a.locked(ctx, func(ctx context.Context) error {
				_, err := a.db.write.DB.ExecContext(ctx, "delete from readings where series = ? and at < ?", series, bound)
				return err
			})
		}
		if err != nil || last {
			return err
		}
	}
}

// locked runs a write when it is its turn.
func (a *Archive) locked(ctx context.Context, act func(ctx context.Context) error) error {
	if err := a.lock(ctx); err != nil {
		return err
	}
	defer a.unlock()
	return act(ctx)
}

// deleteRollups deletes what a series' readings come to, and its marks.
func (a *Archive) deleteRollups(ctx context.Context, series int64) error {
	for table, which := range map[string]string{
		"rollup_days": "id >= ? << 24 and id < (? + 1) << 24", "rollup_tiers": "id >= ? << 24 and id < (? + 1) << 24",
		"rollup_marks": "series between ? and ?",
	} {
		err := a.locked(ctx, func(ctx context.Context) error {
			_, err := a.db.write.DB.ExecContext(ctx, "delete from "+table+" where "+which, series, series) //nolint:gosec // G202: names of ours
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
