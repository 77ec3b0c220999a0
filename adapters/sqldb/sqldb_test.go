package sqldb

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/identity"
	"ampra/core/sunsource"
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

// storeUser stores a user and returns its id.
func storeUser(t *testing.T, db *DB) uuid.UUID {
	t.Helper()
	id := uuid.New()
	u := identity.User{ID: id, Email: id.String(), Role: actor.User, CreatedAt: time.Now()}
	if err := NewUsers(db).Create(t.Context(), u); err != nil {
		t.Fatalf("storing a user: %v", err)
	}
	return id
}

// storeSource stores a source of a user.
func storeSource(t *testing.T, db *DB, owner uuid.UUID) sunsource.SunSource {
	t.Helper()
	s := sunsource.SunSource{
		ID: uuid.New(), OwnerID: owner, Name: "Roof", ConnectionType: sunsource.MQTT, IsActive: true,
		Currency: "EUR", CreatedAt: time.Now(), UpdatedAt: time.Now(),
	}
	if err := NewSunSources(db).Create(t.Context(), s); err != nil {
		t.Fatalf("storing a sun source: %v", err)
	}
	return s
}
