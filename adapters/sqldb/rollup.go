package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/rollup"
)

var _ rollup.Store = (*Rollups)(nil)

// Rollups keeps marks and the rows of days in the archive's file. They hang on the
// source's series, so an erased source loses them with it.
type Rollups struct{ archive *Archive }

// Rollups returns the roll-ups beside the archive.
func (a *Archive) Rollups() *Rollups { return &Rollups{archive: a} }

// A row's id is its series and its day, in that order, so that days of a source
// are neighbours.
const (
	rollupDayBits = 24
	rollupDayZero = 1 << (rollupDayBits - 1)
)

// rollupID is a row's id; a day beyond any that a reading may have is the last or
// first of its series.
func rollupID(series int64, day int32) int64 {
	return series<<rollupDayBits + min(max(int64(day)+rollupDayZero, 0), 1<<rollupDayBits-1)
}

func rollupDay(id int64) int32 {
	return int32(id&(1<<rollupDayBits-1)) - rollupDayZero
}

// write runs an act in a transaction when it is its turn.
func (s *Rollups) write(ctx context.Context, what string, act func(ctx context.Context, tx *sql.Tx) error) error {
	err := s.archive.locked(ctx, func(ctx context.Context) error {
		// As for readings: a context costs as much as a statement.
		steady := context.WithoutCancel(ctx)
		tx, err := s.archive.db.write.DB.BeginTx(steady, nil)
		if err != nil {
			return err
		}
		if err := act(steady, tx); err != nil {
			return errors.Join(err, ignoreDone(tx.Rollback()))
		}
		return tx.Commit()
	})
	return rollupError(what, err)
}

// rollupError leaves faults of our own as they are.
func rollupError(what string, err error) error {
	if err == nil || fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
		return err
	}
	return fmt.Errorf("%s: %w", what, translate(err))
}

// series is the id of a source's series; 0 when there is none.
func (s *Rollups) series(ctx context.Context, source uuid.UUID) (int64, error) {
	return seriesID(s.archive.db.read.DB.QueryRowContext(ctx, "select id from series where source_id = ?", source[:]))
}

func seriesID(row *sql.Row) (int64, error) {
	var id int64
	err := row.Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

// columnsOf are the columns of a row d with the wanted parts, and what to join to d
// for them.
func columnsOf(parts rollup.Parts) (columns, join string) {
	names := []string{"d.id, d.revision, d.through, d.rolled_at, d.stage, d.before"}
	for _, c := range []struct {
		part rollup.Parts
		name string
	}{{rollup.State, "d.state"}, {rollup.Energy, "d.energy"}, {rollup.Minutes, "t.minutes"}, {rollup.Hours, "t.hours"}} {
		if parts.Has(c.part) {
			names = append(names, c.name)
		} else {
			names = append(names, "null")
		}
	}
	if parts.Has(rollup.Minutes) || parts.Has(rollup.Hours) {
		join = " left join rollup_tiers as t on t.id = d.id"
	}
	return strings.Join(names, ", "), join
}

func selectDays(parts rollup.Parts) string {
	columns, join := columnsOf(parts)
	return "select " + columns + " from rollup_days as d" + join
}

// Load returns rows, by source as asked and by day.
func (s *Rollups) Load(ctx context.Context, sources []uuid.UUID, from, to int32, parts rollup.Parts) ([]rollup.Day, error) {
	if len(sources) > 1 {
		found, err := s.daysOfMany(ctx, sources, parts, "d.id between (s.id << ?) + ? and (s.id << ?) + ?",
			rollupDayBits, rollupID(0, from), rollupDayBits, rollupID(0, to))
		return found, rollupError("loading days", err)
	}
	query := selectDays(parts) + " where d.id between ? and ? order by d.id"
	var found []rollup.Day
	for _, source := range sources {
		series, err := s.series(ctx, source)
		if err == nil && series != 0 {
			found, err = s.query(ctx, found, source, query, rollupID(series, from), rollupID(series, to))
		}
		if err != nil {
			return nil, fmt.Errorf("loading days: %w", translate(err))
		}
	}
	return found, nil
}

func (s *Rollups) query(ctx context.Context, found []rollup.Day, source uuid.UUID, query string, args ...any) ([]rollup.Day, error) {
	rows, err := s.archive.db.read.DB.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		day, err := scanDay(rows)
		if err != nil {
			return nil, err
		}
		day.SourceID = source
		found = append(found, day)
	}
	return found, rows.Err()
}

// scanDay reads a row of some other columns and those of a day.
func scanDay(rows *sql.Rows, others ...any) (rollup.Day, error) {
	var id, rolledAt int64
	var before []byte
	var day rollup.Day
	err := rows.Scan(append(others, &id, &day.Revision, &day.Through, &rolledAt, &day.Stage, &before, &day.State, &day.Energy, &day.Minutes, &day.Hours)...)
	day.Day, day.RolledAt = rollupDay(id), time.UnixMilli(rolledAt).UTC()
	copy(day.Before[:], before)
	return day, err
}

// Before returns the last row before a day.
func (s *Rollups) Before(ctx context.Context, source uuid.UUID, day int32, parts rollup.Parts) (rollup.Day, bool, error) {
	return s.neighbour(ctx, source, parts, " where d.id >= ? and d.id < ? order by d.id desc limit 1", func(series int64) (low, high int64) {
		return series << rollupDayBits, rollupID(series, day)
	})
}

// After returns the first row behind a day.
func (s *Rollups) After(ctx context.Context, source uuid.UUID, day int32, parts rollup.Parts) (rollup.Day, bool, error) {
	return s.neighbour(ctx, source, parts, " where d.id > ? and d.id < ? order by d.id limit 1", func(series int64) (low, high int64) {
		return rollupID(series, day), (series + 1) << rollupDayBits
	})
}

// SealedAfter returns the first row behind a day that is not Whole.
func (s *Rollups) SealedAfter(ctx context.Context, source uuid.UUID, day int32, parts rollup.Parts) (rollup.Day, bool, error) {
	return s.neighbour(ctx, source, parts, " where d.id > ? and d.id < ? and d.stage > 0 order by d.id limit 1", func(series int64) (low, high int64) {
		return rollupID(series, day), (series + 1) << rollupDayBits
	})
}

func (s *Rollups) neighbour(
	ctx context.Context, source uuid.UUID, parts rollup.Parts, where string, bounds func(series int64) (low, high int64),
) (rollup.Day, bool, error) {
	var found []rollup.Day
	series, err := s.series(ctx, source)
	if err == nil && series != 0 {
		low, high := bounds(series)
		found, err = s.query(ctx, nil, source, selectDays(parts)+where, low, high)
	}
	if err != nil {
		return rollup.Day{}, false, fmt.Errorf("looking for a day's neighbour: %w", translate(err))
	}
	if len(found) == 0 {
		return rollup.Day{}, false, nil
	}
	return found[0], true, nil
}

// Save stores a row under the next revision.
func (s *Rollups) Save(ctx context.Context, day rollup.Day) error {
	return s.write(ctx, "saving a day", func(ctx context.Context, tx *sql.Tx) error {
		series, err := seriesID(tx.QueryRowContext(ctx, "select id from series where source_id = ?", day.SourceID[:]))
		if err != nil {
			return err
		}
		if series == 0 {
			return missing("series of readings")
		}
		id := rollupID(series, day.Day)
		query := `update rollup_days set revision = ?, through = ?, rolled_at = ?, stage = ?, before = ?, state = ?, energy = ?
			where id = ? and revision = ?`
		if day.Revision == 0 {
			query = `insert into rollup_days (revision, through, rolled_at, stage, before, state, energy, id)
				select ?, ?, ?, ?, ?, ?, ?, ? where ? = 0 on conflict do nothing`
		}
		n, err := affected(tx.ExecContext(ctx, query, day.Revision+1, day.Through, time.Now().UnixMilli(), day.Stage, day.Before[:],
			blob(day.State), blob(day.Energy), id, day.Revision))
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.Conflict, "The day was rolled up by another process meanwhile.")
		}
		_, err = tx.ExecContext(ctx, "insert or replace into rollup_tiers (id, minutes, hours) values (?, ?, ?)", id, blob(day.Minutes), blob(day.Hours))
		return err
	})
}

// blob is never null.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Noted reports whether a name is noted.
func (s *Rollups) Noted(ctx context.Context, name string) (bool, error) {
	var noted bool
	err := s.archive.db.read.DB.QueryRowContext(ctx, "select exists (select 1 from rollup_notes where name = ?)", name).Scan(&noted)
	return noted, rollupError("looking for a note", err)
}

// Note remembers a name.
func (s *Rollups) Note(ctx context.Context, name string) error {
	return s.write(ctx, "noting", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "insert into rollup_notes (name) values (?) on conflict do nothing", name)
		return err
	})
}
