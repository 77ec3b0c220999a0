package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/migrations"
)

var _ telemetry.Archive = (*Archive)(nil)

// Archive keeps readings in a SQLite file of its own, so that writing them in
// bulk never holds up the records. A row is one identity, (series, time), already
// merged, and carries the journal position up to which it is; it takes 40 to 60
// bytes, so a source that sends every minute fills some 30 MB a year. The file
// does not shrink: room that retention frees is used again.
type Archive struct {
	db *DB
	// turn lets one write at a time through, whoever waits for it.
	turn chan struct{}
	// series has the ids of sources that were written to. Guarded by turn.
	series map[uuid.UUID]int64
	// failing says that the last write failed: then reading tells little.
	failing atomic.Bool

	insert [len(insertSizes)]*sql.Stmt
	find   *sql.Stmt
	update *sql.Stmt
}

// OpenArchive opens the file at path, makes it when it is missing, and brings its
// schema to the newest version.
func OpenArchive(path string) (*Archive, error) { return openArchive(path, Options{}) }

func openArchive(path string, o Options) (_ *Archive, err error) {
	db, err := OpenSQLite(path, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	files, err := migrations.SQLiteTelemetry()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := db.withMigrationsFrom(ctx, files, db.migrateUp); err != nil {
		return nil, fmt.Errorf("opening the archive: %w", err)
	}
	a := &Archive{db: db, turn: make(chan struct{}, 1), series: map[uuid.UUID]int64{}}
	if err := a.prepare(ctx); err != nil {
		return nil, fmt.Errorf("opening the archive: %w", translate(err))
	}
	return a, nil
}

// Ping asks the database for a sign of life: after a write that failed by a write,
// since a full disk can still be read.
func (a *Archive) Ping(ctx context.Context) error {
	if !a.failing.Load() {
		return a.db.Ping(ctx)
	}
	if err := a.lock(ctx); err != nil {
		return fmt.Errorf("reaching the database: %w", err)
	}
	defer a.unlock()
	// It changes nothing, and yet a page of it is written.
	if _, err := a.db.write.DB.ExecContext(ctx, "pragma user_version = 0"); err != nil {
		return fmt.Errorf("trying to write: %w", translate(err))
	}
	a.failing.Store(false)
	return nil
}

// Close ends all connections. What was answered as stored is on the disk already.
func (a *Archive) Close() error { return a.db.Close() }

// lock waits for its turn to write.
func (a *Archive) lock(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *Archive) unlock() { <-a.turn }

// Latest returns the reading with the newest timestamp, or NotFound.
func (a *Archive) Latest(ctx context.Context, source uuid.UUID) (telemetry.Reading, error) {
	found, err := a.History(ctx, telemetry.Span{SourceID: source, Order: telemetry.NewestFirst, Limit: 1})
	if err != nil {
		return telemetry.Reading{}, err
	}
	if len(found) == 0 {
		return telemetry.Reading{}, fault.New(fault.NotFound, "There is no reading yet.")
	}
	return found[0], nil
}

// History returns the readings of a span, merged by identity.
func (a *Archive) History(ctx context.Context, span telemetry.Span) ([]telemetry.Reading, error) {
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !span.From.IsZero() {
		from = ceilMilli(span.From)
	}
	if !span.To.IsZero() {
		to = ceilMilli(span.To)
	}
	query := `select at, received_after, data from readings
		where series = (select id from series where source_id = ?) and at >= ? and at < ?
		order by at desc limit ?`
	if span.Order == telemetry.OldestFirst {
		query = `select at, received_after, data from readings
		where series = (select id from series where source_id = ?) and at >= ? and at < ?
		order by at limit ?`
	}
	found, err := a.query(ctx, query, span, from, to)
	if err != nil {
		return nil, fmt.Errorf("reading history: %w", translate(err))
	}
	return found, nil
}

// ceilMilli is the first whole millisecond that is not before t: readings have
// whole ones.
func ceilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}

func (a *Archive) query(ctx context.Context, query string, span telemetry.Span, from, to int64) ([]telemetry.Reading, error) {
	rows, err := a.db.read.DB.QueryContext(ctx, query, span.SourceID[:], from, to, span.Limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []telemetry.Reading
	for rows.Next() {
		var row storedRow
		var data sql.RawBytes
		if err := rows.Scan(&row.at, &row.receivedAfter, &data); err != nil {
			return nil, err
		}
		row.data = data
		r, err := row.reading(span.SourceID)
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

// storedRow is a row of readings.
type storedRow struct {
	at, receivedAfter int64 // milliseconds
	position          telemetry.Position
	data              []byte
}

func (row storedRow) reading(source uuid.UUID) (telemetry.Reading, error) {
	r := telemetry.Reading{
		SourceID: source, Timestamp: time.UnixMilli(row.at).UTC(), ReceivedAt: time.UnixMilli(row.at + row.receivedAfter).UTC(),
	}
	err := decodeRow(row.data, &r)
	return r, err
}
