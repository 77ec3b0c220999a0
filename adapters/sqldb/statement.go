package sqldb

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"ampra/core/fault"
)

// affected is how many rows a statement changed.
func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, translate(err)
	}
	n, err := result.RowsAffected()
	return n, translate(err)
}

// affectedOne is affected for a statement on one row, which must be there: what
// names it for the fault NotFound.
func affectedOne(result sql.Result, err error, what string) error {
	n, err := affected(result, err)
	if err == nil && n == 0 {
		return missing(what)
	}
	return err
}

// found translates the error of a query for one row: what names it for the fault
// NotFound.
func found(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return missing(what)
	}
	return translate(err)
}

func missing(what string) error { return fault.New(fault.NotFound, "There is no such %s.", what) }

// locking keeps other transactions from changing the rows of a select until this
// one ends. SQLite needs nothing: one transaction writes at a time.
func (d *DB) locking(q *bun.SelectQuery) *bun.SelectQuery {
	if d.IsPostgres() {
		return q.For("update")
	}
	return q
}

// digestOf is a digest as a column keeps it.
func digestOf(stored []byte) ([sha256.Size]byte, error) {
	if len(stored) != sha256.Size {
		return [sha256.Size]byte{}, fmt.Errorf("a stored digest has %d bytes", len(stored))
	}
	return [sha256.Size]byte(stored), nil
}
