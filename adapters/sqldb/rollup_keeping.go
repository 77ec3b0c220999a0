package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/rollup"
)

// Due returns rows that may go on, by day and series.
func (s *Rollups) Due(ctx context.Context, ask rollup.Due) ([]rollup.Day, error) {
	const mask = 1<<rollupDayBits - 1
	after := int64(-1)
	afterDay := int64(-1)
	if ask.After != nil {
		series, err := s.series(ctx, ask.After.SourceID)
		if err != nil {
			return nil, fmt.Errorf("looking for days that are over: %w", translate(err))
		}
		after = rollupID(series, ask.After.Day)
		afterDay = after & mask
	}
	rows, err := s.archive.db.read.DB.QueryContext(ctx, `select d.id, d.revision, d.through, d.rolled_at, d.stage, s.source_id
		from rollup_days as d indexed by rollup_days_due join series as s on s.id = d.id >> 24
		where d.stage = ? and d.id & 16777215 >= ? and d.id & 16777215 < ? and (d.id & 16777215, d.id) > (?, ?)
			and d.rolled_at <= ? and s.source_id is not null
		order by d.id & 16777215, d.id limit ?`,
		ask.Stage, afterDay, rollupID(0, ask.Before), afterDay, after, time.Now().Add(-ask.Idle).UnixMilli(), ask.Limit)
	if err != nil {
		return nil, fmt.Errorf("looking for days that are over: %w", translate(err))
	}
	defer rows.Close()
	var found []rollup.Day
	for rows.Next() {
		var id, rolledAt int64
		var source []byte
		var day rollup.Day
		if err := rows.Scan(&id, &day.Revision, &day.Through, &rolledAt, &day.Stage, &source); err != nil {
			return nil, fmt.Errorf("looking for days that are over: %w", translate(err))
		}
		copy(day.SourceID[:], source)
		day.Day, day.RolledAt = rollupDay(id), time.UnixMilli(rolledAt).UTC()
		found = append(found, day)
	}
	return found, rollupError("looking for days that are over", rows.Err())
}

// Advance brings a row to a stage.
func (s *Rollups) Advance(ctx context.Context, day rollup.Day, to rollup.Stage) error {
	return s.write(ctx, "bringing a day on", func(ctx context.Context, tx *sql.Tx) error {
		id, err := s.keep(ctx, tx, day, "update rollup_days set revision = revision + 1, stage = ? where id = ? and revision = ?", to)
		if err == nil && to == rollup.Coarse {
			_, err = tx.ExecContext(ctx, "update rollup_tiers set minutes = x'' where id = ?", id)
		}
		return err
	})
}

// Remove erases a row.
func (s *Rollups) Remove(ctx context.Context, day rollup.Day) error {
	return s.write(ctx, "removing a day", func(ctx context.Context, tx *sql.Tx) error {
		id, err := s.keep(ctx, tx, day, "delete from rollup_days where id = ? and revision = ?")
		if err == nil {
			_, err = tx.ExecContext(ctx, "delete from rollup_tiers where id = ?", id)
		}
		return err
	})
}

// keep changes the one row that has the revision.
func (s *Rollups) keep(ctx context.Context, tx *sql.Tx, day rollup.Day, change string, args ...any) (id int64, err error) {
	series, err := seriesID(tx.QueryRowContext(ctx, "select id from series where source_id = ?", day.SourceID[:]))
	if err != nil {
		return 0, err
	}
	id = rollupID(series, day.Day)
	n, err := affected(tx.ExecContext(ctx, change, append(args, id, day.Revision)...))
	if err == nil && n == 0 {
		err = fault.New(fault.Conflict, "The day was rolled up by another process meanwhile.")
	}
	return id, err
}

// Empty deletes the readings of days, some in each transaction, which looks for
// marks itself: no reading is written between the two.
func (s *Rollups) Empty(ctx context.Context, source uuid.UUID, from, to int32) (deleted int64, done bool, err error) {
	series, err := s.series(ctx, source)
	if err != nil {
		return 0, false, fmt.Errorf("deleting old readings: %w", translate(err))
	}
	for ctx.Err() == nil {
		var some int64
		err := s.write(ctx, "deleting old readings", func(ctx context.Context, tx *sql.Tx) error {
			var marked bool
			err := tx.QueryRowContext(ctx, "select exists (select 1 from rollup_marks where series = ? and day <= ?)", series, to).Scan(&marked)
			if err != nil || marked {
				return err
			}
			some, err = affected(tx.ExecContext(ctx, `delete from readings where series = ? and at in
				(select at from readings where series = ? and at >= ? and at < ? order by at limit ?)`,
				series, series, rollup.Start(from), rollup.End(to), deleteAtOnce))
			done = some < deleteAtOnce
			return err
		})
		if deleted += some; err != nil || done || some == 0 {
			return deleted, done && err == nil, err
		}
	}
	return deleted, false, ctx.Err()
}
