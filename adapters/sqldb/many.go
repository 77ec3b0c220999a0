package sqldb

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"ampra/core/rollup"
	"ampra/core/telemetry"
)

// What is asked of many sources is asked in one statement, which takes their ids
// as a list: a statement costs many times what one row more costs.

// manyAtOnce is for how many sources one statement asks.
const manyAtOnce = 1000

// ofMany are the series of a list of sources, w.key being a source's place in it.
// Joined crosswise they are looked up in this order.
const ofMany = " from json_each(?) as w cross join series as s on s.source_id = unhex(w.value)"

// idList is the list for ofMany.
func idList(sources []uuid.UUID) string {
	list := make([]byte, 0, 2+len(sources)*35)
	list = append(list, '[')
	for i := range sources {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, '"')
		list = hex.AppendEncode(list, sources[i][:])
		list = append(list, '"')
	}
	return string(append(list, ']'))
}

// askMany runs a query for some sources after the other. The list is its first
// parameter; row reads one row of what was found for some of them.
func (a *Archive) askMany(
	ctx context.Context, sources []uuid.UUID, query string, args []any, row func(rows *sql.Rows, some []uuid.UUID) error,
) error {
	for some := range slices.Chunk(sources, manyAtOnce) {
		err := a.askSome(ctx, query, append([]any{idList(some)}, args...), func(rows *sql.Rows) error { return row(rows, some) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *Archive) askSome(ctx context.Context, query string, args []any, row func(rows *sql.Rows) error) error {
	rows, err := a.db.read.DB.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Newest returns the newest reading of each source.
func (a *Archive) Newest(ctx context.Context, sources []uuid.UUID, since time.Time) ([]telemetry.Reading, error) {
	const query = "select w.key, r.at, r.received_after, r.data" + ofMany + ` cross join readings as r on r.series = s.id
		and r.at = (select at from readings where series = s.id order by at desc limit 1) where r.at >= ? order by w.key`
	var found []telemetry.Reading
	err := a.askMany(ctx, sources, query, []any{ceilMilli(since)}, func(rows *sql.Rows, some []uuid.UUID) error {
		var place int
		var row storedRow
		var data sql.RawBytes
		if err := rows.Scan(&place, &row.at, &row.receivedAfter, &data); err != nil {
			return err
		}
		row.data = data
		r, err := row.reading(some[place])
		found = append(found, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the newest: %w", translate(err))
	}
	return found, nil
}

// waitingOfMany is Waiting for more than one source.
func (s *Rollups) waitingOfMany(ctx context.Context, sources []uuid.UUID, from, to int32) ([]rollup.Mark, error) {
	const query = "select w.key, m.day, m.slot, m.earliest" + ofMany + ` cross join rollup_marks as m on m.series = s.id
		where m.day between ? and ? order by w.key, m.day, m.slot`
	var found []rollup.Mark
	err := s.archive.askMany(ctx, sources, query, []any{from, to}, func(rows *sql.Rows, some []uuid.UUID) error {
		var place int
		var m rollup.Mark
		err := rows.Scan(&place, &m.Day, &m.Slot, &m.Earliest)
		m.SourceID = some[place]
		found = append(found, m)
		return err
	})
	return found, err
}

// daysOfMany reads the rows of sources' series s that a condition allows, by source
// as asked and by day.
func (s *Rollups) daysOfMany(ctx context.Context, sources []uuid.UUID, parts rollup.Parts, condition string, args ...any) ([]rollup.Day, error) {
	columns, join := columnsOf(parts)
	query := "select w.key, " + columns + ofMany + " cross join rollup_days as d on " + condition + join + " order by w.key, d.id"
	var found []rollup.Day
	err := s.archive.askMany(ctx, sources, query, args, func(rows *sql.Rows, some []uuid.UUID) error {
		var place int
		day, err := scanDay(rows, &place)
		day.SourceID = some[place]
		found = append(found, day)
		return err
	})
	return found, err
}

// Last returns the last row of each source before a day.
func (s *Rollups) Last(ctx context.Context, sources []uuid.UUID, day int32, parts rollup.Parts) ([]rollup.Day, error) {
	found, err := s.daysOfMany(ctx, sources, parts, `d.id =
		(select id from rollup_days where id >= (s.id << ?) and id < (s.id << ?) + ? order by id desc limit 1)`,
		rollupDayBits, rollupDayBits, rollupID(0, day))
	return found, rollupError("looking for days before", err)
}

// First is the first day that any of the sources has.
func (s *Rollups) First(ctx context.Context, sources []uuid.UUID) (first int32, ok bool, err error) {
	const query = `select min((select id & ((1 << ?) - 1) from rollup_days where id >= (s.id << ?) and id < ((s.id + 1) << ?) order by id limit 1))`
	// The list comes last here: its place in the text is behind the others'.
	for some := range slices.Chunk(sources, manyAtOnce) {
		var id sql.NullInt64
		err := s.archive.db.read.DB.QueryRowContext(ctx, query+ofMany, rollupDayBits, rollupDayBits, rollupDayBits, idList(some)).Scan(&id)
		if err != nil {
			return 0, false, rollupError("looking for the first day", err)
		}
		if day := rollupDay(id.Int64); id.Valid && (!ok || day < first) {
			first, ok = day, true
		}
	}
	return first, ok, nil
}
