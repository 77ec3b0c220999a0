package sqldb

import (
	"path/filepath"
	"testing"

	"ampra/test/stack"
)

// engines are the two databases that every test of a record port runs on.
func engines(t *testing.T, run func(t *testing.T, open func(t *testing.T) *DB)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		run(t, func(t *testing.T) *DB { return migrated(t, openSQLite(t)) })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		run(t, func(t *testing.T) *DB { return migrated(t, openPostgres(t)) })
	})
}

// empties are the two databases without a schema.
func empties(t *testing.T, run func(t *testing.T, db *DB)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		run(t, openSQLite(t))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		run(t, openPostgres(t))
	})
}

func openSQLite(t *testing.T) *DB {
	t.Helper()
	return sqliteAt(t, filepath.Join(t.TempDir(), "ampra.db"))
}

func sqliteAt(t *testing.T, path string) *DB {
	t.Helper()
	db, err := OpenSQLite(path, Options{})
	if err != nil {
		t.Fatalf("opening SQLite: %v", err)
	}
	closeAfter(t, db)
	return db
}

func openPostgres(t *testing.T) *DB {
	t.Helper()
	return postgresAt(t, stack.Postgres(t))
}

func postgresAt(t *testing.T, url string) *DB {
	t.Helper()
	db, err := OpenPostgres(url, Options{MaxConnections: 8})
	if err != nil {
		t.Fatalf("opening PostgreSQL: %v", err)
	}
	closeAfter(t, db)
	return db
}

func closeAfter(t *testing.T, db *DB) {
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
}

func migrated(t *testing.T, db *DB) *DB {
	t.Helper()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatalf("migrating: %v", err)
	}
	return db
}
