package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"ampra/core/fault"
)

// When to try again: soon where a part is away, later where the disk is full,
// which takes a person.
const (
	retrySoon  = 2 * time.Second
	retryLater = 30 * time.Second
)

// The texts that may be shown.
const (
	awayText = "The database is not available right now."
	fullText = "The database's disk is full."
)

// translate makes a fault of a driver's error. What it does not know stays as it
// is and is internal; so is a context that was cancelled, for nobody waits for
// the answer. The driver's error is the fault's cause.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case isFault(err), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, sql.ErrNoRows):
		return fault.Wrap(fault.NotFound, err, "There is no such thing.")
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		if f := ofPostgres(e.Code, err); f != nil {
			return f
		}
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		if f := ofSQLite(e.Code(), err); f != nil {
			return f
		}
	}
	if isAway(err) {
		return unavailable(err, retrySoon, awayText)
	}
	return err
}

func isFault(err error) bool {
	_, ok := errors.AsType[*fault.Error](err)
	return ok
}

func unavailable(cause error, after time.Duration, text string) *fault.Error {
	return &fault.Error{Code: fault.Unavailable, Message: text, RetryAfter: after, Cause: cause}
}

func conflict(cause error) *fault.Error {
	return fault.Wrap(fault.Conflict, cause, "It clashes with what is stored already.")
}

// ofPostgres knows SQLSTATE codes; nil for one that is a fault of ours.
func ofPostgres(code string, err error) error {
	switch code {
	case "23505", "23503", "23P01": // unique, foreign key, exclusion
		return conflict(err)
	case "53100": // disk_full
		return unavailable(err, retryLater, fullText)
	case "40001", "40P01", "55P03", // serialization_failure, deadlock_detected, lock_not_available
		"57P01", "57P02", "57P03", "57014", // shutdown, crash, starting, statement_timeout
		"25006": // read_only_sql_transaction: a standby
		return unavailable(err, retrySoon, awayText)
	}
	if strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "58") {
		return unavailable(err, retrySoon, awayText) // connection, resources, system
	}
	return nil
}

// ofSQLite knows SQLite's extended result codes; nil for one that is a fault of
// ours.
func ofSQLite(code int, err error) error {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
		sqlite3.SQLITE_CONSTRAINT_ROWID, sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return conflict(err)
	}
	switch code & 0xff {
	case sqlite3.SQLITE_FULL:
		return unavailable(err, retryLater, fullText)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return unavailable(err, retrySoon, awayText)
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		return unavailable(err, retryLater, "The database's file can't be read or written.")
	}
	return nil
}

// isAway reports whether the way to the database is broken or too slow.
func isAway(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return slices.ContainsFunc([]error{
		context.DeadlineExceeded, driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone,
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, pgx.ErrTxClosed,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE,
	}, func(known error) bool { return errors.Is(err, known) }) ||
		pgconn.SafeToRetry(err) || // nothing was sent: the connection is closed
		err.Error() == "sql: database is closed" // database/sql has no name for it
}

// collided reports whether a transaction met another one and may be tried again
// as a whole.
func collided(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "40001" || e.Code == "40P01"
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED
	}
	return false
}

// isForeignKey reports whether a row points to one that is not there.
func isForeignKey(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "23503"
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
	}
	return false
}
