// Package sqldb keeps the records: accounts, sun sources, credentials, prices,
// and what goes with them, in PostgreSQL or in SQLite, with one code on Bun for
// both. Its migrations run through Migrate. It holds no rules of the domain; the
// ports that it implements stand in core.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"modernc.org/sqlite"
)

// Options tunes a DB. The zero value has the defaults.
type Options struct {
	// MaxConnections bounds the pool of PostgreSQL connections; 0 means 16, and at
	// least 2 are used, because migrations hold one for their lock.
	MaxConnections int
	// Readers bounds the connections that read a SQLite file beside its one
	// writer; 0 means 4.
	Readers int
	// BusyTimeout is how long SQLite waits for another process's write; 0 means
	// 10 s.
	BusyTimeout time.Duration
}

// How long a connection to PostgreSQL may take, and how long an idle one stays.
const (
	connectTimeout = 5 * time.Second
	idleTimeout    = 5 * time.Minute
)

// DB is the store of records. It is safe for concurrent use.
type DB struct {
	write *bun.DB
	read  *bun.DB         // the same as write on PostgreSQL
	pg    *pgx.ConnConfig // nil on SQLite

	prepared prepared // on read
	turns    []chan struct{}
}

// OpenPostgres prepares a pool for the server that url names
// (postgres://user:password@host/database). It does not connect yet: see Ping.
func OpenPostgres(url string, o Options) (*DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("reading the PostgreSQL URL: %w", err)
	}
	// Bun writes the values into the text of each statement, so a cache of
	// prepared statements would only grow and never be hit.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.StatementCacheCapacity = 0
	config.DescriptionCacheCapacity = 0
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	for name, value := range map[string]string{
		"application_name": "ampra",
		"timezone":         "UTC",
		// The quoting of Bun's text literals relies on this.
		"standard_conforming_strings": "on",
	} {
		if _, set := config.RuntimeParams[name]; !set || name == "standard_conforming_strings" {
			config.RuntimeParams[name] = value
		}
	}
	size := o.MaxConnections
	if size == 0 {
		size = 16
	}
	pool := sql.OpenDB(stdlib.GetConnector(*config))
	size = max(size, 2)
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size) // they go by their idle time, not while there is work
	pool.SetConnMaxIdleTime(idleTimeout)
	db := bun.NewDB(pool, pgdialect.New(), tolerant())
	return &DB{write: db, read: db, pg: config, turns: newTurns(size)}, nil
}

// OpenSQLite opens the file at path and makes it, readable by its owner alone,
// when it is missing; its folder must exist. What is committed survives a loss
// of power. One connection writes and a few read, so that work in one process
// never meets a locked database; several processes wait for each other up to
// BusyTimeout.
func OpenSQLite(path string, o Options) (*DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("finding the database file: %w", err)
	}
	if err := ownFile(absolute); err != nil {
		return nil, err
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = 10 * time.Second
	}
	// fdatasync is what SQLite commits with wherever it is built by its own
	// scripts; where there is none, fsync stays.
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return nil, fmt.Errorf("choosing how SQLite syncs: %w", err)
	}
	write, err := openSQLitePool(absolute, o, false)
	if err != nil {
		return nil, err
	}
	read, err := openSQLitePool(absolute, o, true)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	db := &DB{write: write, read: read, turns: newTurns(4 * maxTurns)}
	if err := db.enterWAL(o.BusyTimeout); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// enterWAL connects once. The first connection to a new file turns on its
// write-ahead log, and SQLite does not wait by itself when several processes do
// so at the same time.
func (d *DB) enterWAL(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := d.write.PingContext(ctx)
		if err == nil || !collided(err) || !wait(ctx, firstPause) {
			if err != nil {
				return fmt.Errorf("opening the database file: %w", translate(err))
			}
			return nil
		}
	}
}

// ownFile makes the database file with mode 0600, or gives it that mode. The
// files that SQLite puts beside it take the same.
func ownFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("opening the database file: %w", err)
	}
	return errors.Join(file.Chmod(0o600), file.Close())
}

func openSQLitePool(path string, o Options, reader bool) (*bun.DB, error) {
	query := url.Values{
		"_busy_timeout": {fmt.Sprint(o.BusyTimeout.Milliseconds())},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_foreign_keys": {"on"},
		"_txlock":       {"immediate"},
		"_dqs":          {"0"},
		"_defensive":    {"1"},
		"_pragma":       {"journal_size_limit(67108864)", "cache_size(-2000)", "temp_store(memory)"},
	}
	if reader {
		query.Set("_txlock", "deferred")
		query.Set("_query_only", "on")
	}
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a Windows drive
	}
	connector, err := sqlite.NewConnector("file:" + (&url.URL{Path: slashed}).EscapedPath() + "?" + query.Encode())
	if err != nil {
		return nil, fmt.Errorf("opening SQLite: %w", err)
	}
	pool := sql.OpenDB(connector)
	size := 1
	if reader {
		size = o.Readers
		pool.SetConnMaxIdleTime(idleTimeout)
	}
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return bun.NewDB(pool, newSQLiteDialect(), tolerant()), nil
}

// tolerant lets a program run on a schema whose tables have columns that it does
// not know: another process may have migrated while this one still runs.
func tolerant() bun.DBOption { return bun.WithDiscardUnknownColumns() }

// IsPostgres reports whether the records are in PostgreSQL, else they are in
// SQLite.
func (d *DB) IsPostgres() bool { return d.pg != nil }

// Ping asks the database for a sign of life. It fails with a fault Unavailable.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.read.PingContext(ctx); err != nil {
		return fmt.Errorf("reaching the database: %w", translate(err))
	}
	return nil
}

// Close ends all connections.
func (d *DB) Close() error {
	err := d.write.Close()
	if d.read != d.write {
		err = errors.Join(d.read.Close(), err) // the writer last: it tidies the log away
	}
	return err
}
