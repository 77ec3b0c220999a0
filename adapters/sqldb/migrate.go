package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"

	"ampra/migrations"
)

// Where Bun notes what was applied. It makes the locks table too, but nothing
// here uses it: a process that is killed would leave its lock behind.
const (
	migrationsTable = "schema_migrations"
	locksTable      = "schema_migration_locks"
)

// migrationLock is the key of the PostgreSQL advisory lock that one process
// holds while it migrates. The server frees it when the connection ends.
const migrationLock = 0x616d707261 // "ampra"

// errDone stops a migration that another process has finished meanwhile.
var errDone = errors.New("another process was faster")

// Migration is one version of the schema.
type Migration struct {
	Version string // four digits
	Name    string
	// AppliedAt is nil for one that is still to be applied.
	AppliedAt *time.Time
}

// Migrate brings the schema to the newest version, one transaction a version.
// Any number of processes may do so at once. A version that fails leaves nothing
// behind and is tried again the next time. A schema that is newer than this
// program is an error: the program would not know what it writes to.
func (d *DB) Migrate(ctx context.Context) error {
	return d.withMigrations(ctx, d.migrateUp)
}

// Down takes the newest applied version back. On an empty schema it does
// nothing.
func (d *DB) Down(ctx context.Context) error {
	return d.withMigrations(ctx, d.migrateDown)
}

// Status lists all versions in order.
func (d *DB) Status(ctx context.Context) ([]Migration, error) {
	var list []Migration
	err := d.withMigrations(ctx, d.listInto(&list))
	return list, err
}

// TelemetryStatus lists the versions of the file at path that keeps readings, in
// order. It applies none: OpenArchive does.
func TelemetryStatus(ctx context.Context, path string) (list []Migration, err error) {
	files, err := migrations.SQLiteTelemetry()
	if err != nil {
		return nil, err
	}
	db, err := OpenSQLite(path, Options{}) //nolint:contextcheck // opening bounds itself
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.withMigrationsFrom(ctx, files, db.listInto(&list))
	return list, err
}

// listInto lists the known versions and when they were applied.
func (d *DB) listInto(list *[]Migration) func(context.Context, *migrate.Migrations) error {
	return func(ctx context.Context, known *migrate.Migrations) error {
		sorted, err := d.migrator(known).MigrationsWithStatus(ctx)
		if err != nil {
			return fmt.Errorf("reading the schema's version: %w", translate(err))
		}
		for _, m := range sorted {
			entry := Migration{Version: m.Name, Name: m.Comment}
			if m.IsApplied() {
				appliedAt := m.MigratedAt.UTC()
				entry.AppliedAt = &appliedAt
			}
			*list = append(*list, entry)
		}
		return nil
	}
}

func (d *DB) withMigrations(ctx context.Context, act func(context.Context, *migrate.Migrations) error) error {
	source := migrations.SQLite
	if d.IsPostgres() {
		source = migrations.Postgres
	}
	files, err := source()
	if err != nil {
		return err
	}
	return d.withMigrationsFrom(ctx, files, act)
}

// withMigrationsFrom calls act while no other process migrates, with the table
// of versions made and checked.
func (d *DB) withMigrationsFrom(ctx context.Context, files fs.FS, act func(context.Context, *migrate.Migrations) error) error {
	known := migrate.NewMigrations()
	if err := known.Discover(files); err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	return d.alone(ctx, func() error {
		migrator := d.migrator(known)
		if err := migrator.Init(ctx); err != nil {
			return fmt.Errorf("making the table of schema versions: %w", translate(err))
		}
		missing, err := migrator.MissingMigrations(ctx)
		if err != nil {
			return fmt.Errorf("reading the schema's version: %w", translate(err))
		}
		if len(missing) > 0 {
			return fmt.Errorf("the database has schema version %s, which this program does not know: it needs a newer ampra", missing[0].Name)
		}
		return act(ctx, known)
	})
}

// alone runs act under PostgreSQL's advisory lock. SQLite needs none: its
// transactions are immediate, so each migration runs alone, and what is done is
// looked up inside it.
func (d *DB) alone(ctx context.Context, act func() error) (err error) {
	if !d.IsPostgres() {
		return act()
	}
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connecting for migrations: %w", translate(err))
	}
	defer func() { err = errors.Join(err, translate(conn.Close())) }()
	if _, err := conn.ExecContext(ctx, "select pg_advisory_lock(?)", migrationLock); err != nil {
		return fmt.Errorf("waiting for other processes' migrations: %w", translate(err))
	}
	defer func() {
		// Also when ctx is over: a pooled connection must not keep the lock.
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		if _, failed := conn.ExecContext(free, "select pg_advisory_unlock(?)", migrationLock); failed != nil {
			err = errors.Join(err, fmt.Errorf("freeing the migration lock: %w", translate(failed)))
		}
	}()
	return act()
}

func (d *DB) migrator(known *migrate.Migrations) *migrate.Migrator {
	return migrate.NewMigrator(d.write, known,
		migrate.WithTableName(migrationsTable),
		migrate.WithLocksTableName(locksTable),
		migrate.WithMarkAppliedOnSuccess(true),
		migrate.WithUpsert(true),
		migrate.BeforeMigration(stillToDo),
		migrate.AfterMigration(mark),
	)
}

// migrateUp applies what is missing. Each version is a group of its own, so that
// Down takes back one.
func (d *DB) migrateUp(ctx context.Context, known *migrate.Migrations) error {
	upTo := migrate.NewMigrations()
	for _, m := range known.Sorted() {
		upTo.Add(m)
		if _, err := d.migrator(upTo).Migrate(ctx); err != nil && !errors.Is(err, errDone) {
			return fmt.Errorf("migrating the schema to version %s (%s): %w", m.Name, m.Comment, translate(err))
		}
	}
	return nil
}

func (d *DB) migrateDown(ctx context.Context, known *migrate.Migrations) error {
	if _, err := d.migrator(known).Rollback(ctx); err != nil && !errors.Is(err, errDone) {
		return fmt.Errorf("taking back a version of the schema: %w", translate(err))
	}
	return nil
}

// stillToDo runs in the migration's own transaction, before it.
func stillToDo(ctx context.Context, db bun.IConn, m *migrate.Migration) error {
	var applied bool
	row := db.QueryRowContext(ctx, "select exists (select 1 from "+migrationsTable+" where name = ?)", m.Name)
	if err := row.Scan(&applied); err != nil {
		return fmt.Errorf("reading the schema's version: %w", err)
	}
	if applied != m.IsApplied() {
		return errDone
	}
	return nil
}

// mark runs in the migration's own transaction, after it: a process that dies
// between a version and the note of it would else run the version twice.
func mark(ctx context.Context, db bun.IConn, m *migrate.Migration) error {
	query, args := "insert into "+migrationsTable+" (name, group_id) values (?, ?)", []any{m.Name, m.GroupID}
	if m.IsApplied() { // this takes it back
		query, args = "delete from "+migrationsTable+" where name = ?", []any{m.Name}
	}
	if _, err := db.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("noting the schema's version: %w", err)
	}
	return nil
}
