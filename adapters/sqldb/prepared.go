package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// prepared keeps statements that are prepared once a connection. Bun writes
// values into the text of a statement, so the database reads and plans each one
// anew: three times the work of the query itself, too much where thousands of
// devices sign in at once.
type prepared struct {
	mu    sync.Mutex
	known map[string]*sql.Stmt
}

// selectPrepared reads the rows of a statement with the parameters $1, $2, ...
// into dest, as Bun does. Inside a transaction the statement is not prepared.
func (d *DB) selectPrepared(ctx context.Context, dest any, text string, args ...any) error {
	for i, arg := range args {
		args[i] = d.parameter(arg)
	}
	rows, err := d.queryPrepared(ctx, text, args)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // what it would say, rows.Err has said
	return errors.Join(d.read.ScanRows(ctx, rows, dest), rows.Err())
}

func (d *DB) queryPrepared(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	if open, ok := d.open(ctx); ok {
		return open.tx.Tx.QueryContext(ctx, d.placeholders(text), args...)
	}
	stmt, err := d.prepare(ctx, text) //nolint:sqlclosecheck // it lives as long as the pool
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// prepare returns the statement of a text. It lives as long as the pool.
func (d *DB) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	p := &d.prepared
	p.mu.Lock()
	stmt := p.known[text]
	p.mu.Unlock()
	if stmt != nil {
		return stmt, nil
	}
	fresh, err := d.read.DB.PrepareContext(ctx, d.placeholders(text))
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if stmt := p.known[text]; stmt != nil { // somebody was faster
		return stmt, fresh.Close() //nolint:sqlclosecheck // only the one too many
	}
	if p.known == nil {
		p.known = map[string]*sql.Stmt{}
	}
	p.known[text] = fresh
	return fresh, nil
}

func (d *DB) placeholders(text string) string {
	if d.IsPostgres() {
		return text
	}
	return strings.ReplaceAll(text, "$", "?")
}

// parameter is a value as a column keeps it.
func (d *DB) parameter(value any) any {
	switch v := value.(type) {
	case uuid.UUID:
		return v.String()
	case time.Time:
		if !d.IsPostgres() {
			return v.UnixMicro()
		}
		return v.UTC().Truncate(time.Microsecond)
	}
	return value
}
