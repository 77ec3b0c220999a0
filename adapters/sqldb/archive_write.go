package sqldb

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// insertSizes are how many rows one statement inserts: as many as there are of
// the largest first. Fewer statements cost less, and each size is prepared once.
var insertSizes = [...]int{64, 8, 1} //nolint:gochecknoglobals // a table that nobody writes to

// maxSeries bounds the remembered ids.
const maxSeries = 200_000

// prepare makes the statements that writing takes. They end with the database.
func (a *Archive) prepare(ctx context.Context) (err error) {
	for i, n := range insertSizes {
		rows := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?, ?, ?), ", n), ", ")
		insert := fmt.Sprintf( //nolint:gosec // G201: question marks and commas
			`insert into readings
			(series, at, received_after, journal_partition, journal_offset, journal_index, data)
			values %s on conflict do nothing`, rows)
		if a.insert[i], err = a.db.write.DB.PrepareContext(ctx, insert); err != nil { //nolint:sqlclosecheck // as said above
			return err
		}
	}
	if a.find, err = a.db.write.DB.PrepareContext(ctx, `select received_after, journal_partition, journal_offset, journal_index, data
		from readings where series = ? and at = ?`); err != nil {
		return err
	}
	a.update, err = a.db.write.DB.PrepareContext(ctx, `update readings
		set received_after = ?, journal_partition = ?, journal_offset = ?, journal_index = ?, data = ?
		where series = ? and at = ?`)
	return err
}

// Write stores readings in one transaction, and answers for each. The errors are
// faults Unavailable that hold for all of them, such as a full disk, after which a
// later Write succeeds once there is room; but for a reading that has to be merged
// into a row that can't be read any more: that one alone fails for good.
func (a *Archive) Write(ctx context.Context, readings []telemetry.Placed) []error {
	if len(readings) == 0 {
		return nil
	}
	refused, err := a.write(ctx, readings)
	if ctx.Err() == nil {
		a.failing.Store(err != nil)
	}
	if err == nil && len(refused) == 0 {
		return nil
	}
	if err != nil {
		err = fmt.Errorf("storing readings: %w", translate(err))
		if !fault.Passing(err) { // what fails the whole is none of the readings' own fault
			err = fault.Wrap(fault.Unavailable, err, "The readings could not be stored right now.")
		}
	}
	errs := make([]error, len(readings))
	for i, r := range readings {
		errs[i] = err
		if err == nil {
			errs[i] = refused[rowID{r.SourceID, r.Timestamp.UnixMilli()}]
		}
	}
	return errs
}

// rowID is a reading's identity.
type rowID struct {
	source uuid.UUID
	at     int64
}

func (a *Archive) write(ctx context.Context, readings []telemetry.Placed) (refused map[rowID]error, err error) {
	if err := a.lock(ctx); err != nil {
		return nil, err
	}
	defer a.unlock()
	// The driver watches a context for each statement, which costs as much as the
	// statement; so the context is looked at in between.
	steady := context.WithoutCancel(ctx)
	tx, err := a.db.write.DB.BeginTx(steady, nil)
	if err != nil {
		return nil, err
	}
	w := archiveWrite{a: a, tx: tx}
	if err := w.all(ctx, steady, readings); err != nil {
		// SQLite has rolled back by itself where the disk is full.
		return nil, errors.Join(err, ignoreDone(tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return nil, err
	}
	if len(a.series) > maxSeries {
		clear(a.series)
	}
	maps.Copy(a.series, w.fresh)
	return w.refused, nil
}

// ignoreDone drops the error of a rollback that had nothing left to do.
func ignoreDone(err error) error {
	if err != nil && strings.Contains(err.Error(), "no transaction is active") {
		return nil
	}
	return err
}

// archiveWrite is one transaction of readings.
type archiveWrite struct {
	a     *Archive
	tx    *sql.Tx
	fresh map[uuid.UUID]int64 // ids that are remembered after the commit
	args  []any
	data  []byte
	// refused are the rows that can't be merged into what is stored.
	refused map[rowID]error
}

// pendingRow is a row to be written.
type pendingRow struct {
	series  int64
	reading telemetry.Placed
	storedRow
}

func (w *archiveWrite) all(ctx, steady context.Context, readings []telemetry.Placed) error {
	rows, err := w.rows(steady, readings)
	if err != nil {
		return err
	}
	for len(rows) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		size := slices.IndexFunc(insertSizes[:], func(n int) bool { return n <= len(rows) })
		n := insertSizes[size]
		if err := w.put(steady, w.a.insert[size], rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// rows merges what has one identity and encodes it, in the order of the file's
// tree, where neighbours share pages.
func (w *archiveWrite) rows(ctx context.Context, readings []telemetry.Placed) ([]pendingRow, error) {
	rows := make([]pendingRow, len(readings))
	for i, r := range readings {
		series, err := w.seriesOf(ctx, r.SourceID)
		if err != nil {
			return nil, err
		}
		rows[i] = pendingRow{series: series, reading: r}
		rows[i].at = r.Timestamp.UnixMilli()
	}
	slices.SortStableFunc(rows, func(a, b pendingRow) int {
		return cmp.Or(cmp.Compare(a.series, b.series), cmp.Compare(a.at, b.at))
	})
	merged := rows[:0]
	for _, row := range rows {
		if last := len(merged) - 1; last >= 0 && merged[last].series == row.series && merged[last].at == row.at {
			merged[last].reading = combine(merged[last].reading, row.reading)
			continue
		}
		merged = append(merged, row)
	}
	for i := range merged {
		w.encode(&merged[i])
	}
	return merged, nil
}

// encode fills a row from its reading. The bytes of all rows share one buffer.
func (w *archiveWrite) encode(row *pendingRow) {
	begin := len(w.data)
	w.data = appendRow(w.data, &row.reading.Reading)
	row.data = w.data[begin:len(w.data):len(w.data)]
	row.receivedAfter = row.reading.ReceivedAt.UnixMilli() - row.at
	row.position = row.reading.Position
}

// combine merges what arrives into what is there, whichever is later in the
// journal. What has no place in a journal is later by arriving.
func combine(there, arrives telemetry.Placed) telemetry.Placed {
	if arrives.Position.Partition == telemetry.Direct || arrives.Later(there) {
		there.Merge(arrives.Reading)
		there.Position = arrives.Position
		return there
	}
	arrives.Merge(there.Reading)
	arrives.Position = there.Position
	return arrives
}

// put inserts rows, and merges those whose identity is there already.
func (w *archiveWrite) put(ctx context.Context, insert *sql.Stmt, rows []pendingRow) error {
	w.args = w.args[:0]
	for i := range rows {
		row := &rows[i]
		w.args = append(w.args, row.series, row.at, row.receivedAfter,
			int64(row.position.Partition), row.position.Offset, int64(row.position.Index), row.data)
	}
	n, err := affected(w.tx.StmtContext(ctx, insert).ExecContext(ctx, w.args...)) //nolint:sqlclosecheck // the transaction closes it
	if err != nil || n == int64(len(rows)) {
		return err
	}
	for i := range rows {
		if err := w.merge(ctx, &rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// merge brings a row together with the one that is stored. What is at or before
// the stored position is counted already; a row that was inserted a moment ago is
// at its own.
func (w *archiveWrite) merge(ctx context.Context, row *pendingRow) error {
	stored := storedRow{at: row.at}
	p := &stored.position
	err := w.tx.StmtContext(ctx, w.a.find).QueryRowContext(ctx, row.series, row.at). //nolint:sqlclosecheck // the transaction closes it
												Scan(&stored.receivedAfter, &p.Partition, &p.Offset, &p.Index, &stored.data)
	if err != nil {
		return err
	}
	there := telemetry.Placed{Position: *p}
	if there.Reading, err = stored.reading(row.reading.SourceID); err != nil {
		if w.refused == nil {
			w.refused = map[rowID]error{}
		}
		w.refused[rowID{row.reading.SourceID, row.at}] = fmt.Errorf("merging into what is stored: %w", err)
		return nil
	}
	if p.Partition == row.position.Partition && p.Partition != telemetry.Direct && !row.reading.Later(there) {
		return nil
	}
	row.reading = combine(there, row.reading)
	w.encode(row)
	if row.position == *p && row.receivedAfter == stored.receivedAfter && bytes.Equal(row.data, stored.data) {
		return nil
	}
	_, err = w.tx.StmtContext(ctx, w.a.update).ExecContext(ctx, row.receivedAfter, //nolint:sqlclosecheck // the transaction closes it
		int64(row.position.Partition), row.position.Offset, int64(row.position.Index), row.data, row.series, row.at)
	return err
}

// seriesOf is the id of a source's series, which is made when there is none.
func (w *archiveWrite) seriesOf(ctx context.Context, source uuid.UUID) (int64, error) {
	if id, ok := w.a.series[source]; ok {
		return id, nil
	}
	if id, ok := w.fresh[source]; ok {
		return id, nil
	}
	if _, err := w.tx.ExecContext(ctx, "insert into series (source_id) values (?) on conflict do nothing", source[:]); err != nil {
		return 0, err
	}
	var id int64
	if err := w.tx.QueryRowContext(ctx, "select id from series where source_id = ?", source[:]).Scan(&id); err != nil {
		return 0, err
	}
	if w.fresh == nil {
		w.fresh = map[uuid.UUID]int64{}
	}
	w.fresh[source] = id
	return id, nil
}
