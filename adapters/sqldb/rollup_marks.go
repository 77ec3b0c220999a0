package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"ampra/core/rollup"
)

// Raise makes marks durable.
func (s *Rollups) Raise(ctx context.Context, settle time.Duration, marks ...rollup.Mark) error {
	if len(marks) == 0 {
		return nil
	}
	return s.write(ctx, "raising marks", func(ctx context.Context, tx *sql.Tx) error {
		known := map[uuid.UUID]int64{}
		raise, err := tx.PrepareContext(ctx, `insert into rollup_marks (series, day, slot, earliest, ripe, leased_until, version)
			values (?, ?, ?, ?, ?, 0, ?) on conflict do update set earliest = min(earliest, excluded.earliest),
			ripe = excluded.ripe, leased_until = 0, version = excluded.version`)
		if err != nil {
			return err
		}
		defer raise.Close()
		now, version := time.Now(), rand.Int64() //nolint:gosec // it only has to differ
		for _, m := range marks {
			series, ok := known[m.SourceID]
			if !ok {
				if series, err = makeSeries(ctx, tx, m.SourceID); err != nil {
					return err
				}
				known[m.SourceID] = series
			}
			ripe := now
			if m.Slot != rollup.AtOnce {
				ripe = now.Add(settle)
			}
			if _, err := raise.ExecContext(ctx, series, m.Day, m.Slot, m.Earliest, ripe.UnixMilli(), version); err != nil {
				return err
			}
		}
		return nil
	})
}

func makeSeries(ctx context.Context, tx *sql.Tx, source uuid.UUID) (int64, error) {
	id, err := seriesID(tx.QueryRowContext(ctx, "select id from series where source_id = ?", source[:]))
	if err != nil || id != 0 {
		return id, err
	}
	if _, err := tx.ExecContext(ctx, "insert into series (source_id) values (?)", source[:]); err != nil {
		return 0, err
	}
	return seriesID(tx.QueryRowContext(ctx, "select id from series where source_id = ?", source[:]))
}

// Take gives the caller marks.
func (s *Rollups) Take(ctx context.Context, limit int, lease time.Duration) ([]rollup.Taken, error) {
	now := time.Now()
	// Most of the time there is none, which is no reason to write.
	var any bool
	err := s.archive.db.read.DB.QueryRowContext(ctx, "select exists (select 1 from rollup_marks where ripe <= ? and leased_until <= ?)",
		now.UnixMilli(), now.UnixMilli()).Scan(&any)
	if err != nil || !any {
		return nil, rollupError("looking for marks", err)
	}
	type place struct {
		rollup.Taken
		ripe int64
	}
	var taken []place
	err = s.write(ctx, "taking marks", func(ctx context.Context, tx *sql.Tx) error {
		version := rand.Int64() //nolint:gosec // it only has to differ
		rows, err := tx.QueryContext(ctx, `update rollup_marks set leased_until = ?, version = ?
			where (series, day, slot) in (select m.series, m.day, m.slot from rollup_marks as m join series as s on s.id = m.series
				where m.ripe <= ? and m.leased_until <= ? and s.source_id is not null order by m.ripe, m.series, m.day limit ?)
			returning (select source_id from series where id = series), day, slot, earliest, ripe`,
			now.Add(lease).UnixMilli(), version, now.UnixMilli(), now.UnixMilli(), limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			p := place{Taken: rollup.Taken{Version: version}}
			var source []byte
			if err := rows.Scan(&source, &p.Day, &p.Slot, &p.Earliest, &p.ripe); err != nil {
				return err
			}
			copy(p.SourceID[:], source)
			taken = append(taken, p)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(taken, func(a, b place) int { return cmp.Or(cmp.Compare(a.ripe, b.ripe), cmp.Compare(a.Day, b.Day)) })
	marks := make([]rollup.Taken, len(taken))
	for i, p := range taken {
		marks[i] = p.Taken
		marks[i].Age = now.Sub(time.UnixMilli(p.ripe))
	}
	return marks, nil
}

// Drop removes marks that are still the caller's.
func (s *Rollups) Drop(ctx context.Context, taken ...rollup.Taken) error {
	if len(taken) == 0 {
		return nil
	}
	return s.write(ctx, "dropping marks", func(ctx context.Context, tx *sql.Tx) error {
		drop, err := tx.PrepareContext(ctx, `delete from rollup_marks where series = (select id from series where source_id = ?)
			and day = ? and slot = ? and version = ?`)
		if err != nil {
			return err
		}
		defer drop.Close()
		for _, m := range taken {
			if _, err := drop.ExecContext(ctx, m.SourceID[:], m.Day, m.Slot, m.Version); err != nil {
				return err
			}
		}
		return nil
	})
}

// Waiting returns all marks of sources.
func (s *Rollups) Waiting(ctx context.Context, sources []uuid.UUID, from, to int32) ([]rollup.Mark, error) {
	if len(sources) > 1 {
		found, err := s.waitingOfMany(ctx, sources, from, to)
		return found, rollupError("looking for marks", err)
	}
	var found []rollup.Mark
	for _, source := range sources {
		var err error
		if found, err = s.waiting(ctx, found, source, from, to); err != nil {
			return nil, fmt.Errorf("looking for marks: %w", translate(err))
		}
	}
	return found, nil
}

func (s *Rollups) waiting(ctx context.Context, found []rollup.Mark, source uuid.UUID, from, to int32) ([]rollup.Mark, error) {
	rows, err := s.archive.db.read.DB.QueryContext(ctx, `select day, slot, earliest from rollup_marks
		where series = (select id from series where source_id = ?) and day between ? and ? order by day, slot`, source[:], from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		m := rollup.Mark{SourceID: source}
		if err := rows.Scan(&m.Day, &m.Slot, &m.Earliest); err != nil {
			return nil, err
		}
		found = append(found, m)
	}
	return found, rows.Err()
}

// Backlog counts the marks.
func (s *Rollups) Backlog(ctx context.Context) (rollup.Backlog, error) {
	var backlog rollup.Backlog
	var oldest sql.NullInt64
	err := s.archive.db.read.DB.QueryRowContext(ctx, "select count(*), min(ripe) from rollup_marks").Scan(&backlog.Marks, &oldest)
	if err != nil {
		return backlog, fmt.Errorf("counting marks: %w", translate(err))
	}
	if oldest.Valid {
		backlog.Oldest = max(0, time.Since(time.UnixMilli(oldest.Int64)))
	}
	return backlog, nil
}
