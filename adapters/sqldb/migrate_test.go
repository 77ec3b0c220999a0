package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"ampra/migrations"
	"ampra/test/stack"
)

func TestMigrationsGoUpDownAndUpAgain(t *testing.T) {
	t.Parallel()
	empties(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		migrated(t, db)
		before := schemaOf(t, db)
		list, err := db.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) < 7 {
			t.Fatalf("%d versions", len(list))
		}
		for n := len(list); n > 0; n-- {
			if got := applied(t, db); got != n {
				t.Fatalf("%d versions are applied, want %d", got, n)
			}
			if err := db.Down(ctx); err != nil {
				t.Fatalf("down from %d: %v", n, err)
			}
		}
		if err := db.Down(ctx); err != nil {
			t.Fatalf("down on an empty schema: %v", err)
		}
		if left := schemaOf(t, db); strings.Contains(left, "users") {
			t.Fatalf("left behind: %s", left)
		}
		migrated(t, db)
		if after := schemaOf(t, db); after != before {
			t.Errorf("the schema differs after down and up:\n%s\nbefore:\n%s", after, before)
		}
		migrated(t, db) // nothing to do
	})
}

func TestFourProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, open func() *DB) {
		const processes = 4
		var wg sync.WaitGroup
		failed := make([]error, processes)
		dbs := make([]*DB, processes)
		for i := range processes {
			dbs[i] = open()
		}
		for i := range processes {
			wg.Go(func() { failed[i] = dbs[i].Migrate(t.Context()) })
		}
		wg.Wait()
		for i, err := range failed {
			if err != nil {
				t.Errorf("process %d: %v", i, err)
			}
		}
		list, err := dbs[0].Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var rows int
		if err := dbs[0].read.NewRaw("select count(*) from schema_migrations").Scan(t.Context(), &rows); err != nil {
			t.Fatal(err)
		}
		if got := applied(t, dbs[0]); got != len(list) || rows != len(list) {
			t.Errorf("%d of %d versions applied, %d noted", got, len(list), rows)
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "ampra.db")
		check(t, func() *DB { return sqliteAt(t, path) })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		url := stack.Postgres(t)
		check(t, func() *DB { return postgresAt(t, url) })
	})
}

func TestAFailedMigrationLeavesNothingAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	empties(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		files := fstest.MapFS{
			"0001_first.tx.up.sql":    {Data: []byte("create table first (a integer);")},
			"0001_first.tx.down.sql":  {Data: []byte("drop table first;")},
			"0002_second.tx.up.sql":   {Data: []byte("create table second (a integer);\ninsert into missing values (1);")},
			"0002_second.tx.down.sql": {Data: []byte("drop table second;")},
		}
		err := db.withMigrationsFrom(ctx, files, db.migrateUp)
		if err == nil || !strings.Contains(err.Error(), "0002 (second)") {
			t.Fatalf("the error does not name the version: %v", err)
		}
		if s := schemaOf(t, db); !strings.Contains(s, "first") || strings.Contains(s, "second") {
			t.Fatalf("after the failure: %s", s)
		}
		files["0002_second.tx.up.sql"] = &fstest.MapFile{Data: []byte("create table second (a integer);")}
		if err := db.withMigrationsFrom(ctx, files, db.migrateUp); err != nil {
			t.Fatalf("the next start: %v", err)
		}
		if s := schemaOf(t, db); !strings.Contains(s, "second") {
			t.Fatalf("after the next start: %s", s)
		}
	})
}

func TestANewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	empties(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		migrated(t, db)
		if _, err := db.write.ExecContext(ctx, "insert into schema_migrations (name, group_id) values ('9999', 9999)"); err != nil {
			t.Fatal(err)
		}
		for name, act := range map[string]func(context.Context) error{"up": db.Migrate, "down": db.Down} {
			err := act(ctx)
			if err == nil || !strings.Contains(err.Error(), "9999") || !strings.Contains(err.Error(), "newer") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestAMigrationWaitsForTheLockOnlyAsLongAsItsContext(t *testing.T) {
	t.Parallel()
	db := openPostgres(t)
	holder, err := db.write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if _, err := holder.ExecContext(t.Context(), "select pg_advisory_lock(?)", migrationLock); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- db.Migrate(ctx) }()
	for waiting := false; !waiting; {
		row := holder.QueryRowContext(t.Context(), `select exists (select 1 from pg_locks where locktype = 'advisory' and not granted
			and database = (select oid from pg_database where datname = current_database()))`)
		if err := row.Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			t.Fatalf("migrated without the lock: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if _, err := holder.ExecContext(t.Context(), "select pg_advisory_unlock(?)", migrationLock); err != nil {
		t.Fatal(err)
	}
	if s := schemaOf(t, db); strings.Contains(s, "users") {
		t.Errorf("there is a schema: %s", s)
	}
	migrated(t, db)
}

func TestBothDatabasesHaveTheSameVersions(t *testing.T) {
	t.Parallel()
	names := func(open func() (fs.FS, error)) string {
		files, err := open()
		if err != nil {
			t.Fatal(err)
		}
		entries, err := fs.ReadDir(files, ".")
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, e := range entries {
			all = append(all, e.Name())
			other := strings.NewReplacer(".up.", ".down.", ".down.", ".up.").Replace(e.Name())
			if _, err := fs.Stat(files, other); err != nil {
				t.Errorf("%s has no %s beside it", e.Name(), other)
			}
			if !strings.Contains(e.Name(), ".tx.") {
				t.Errorf("%s does not run in a transaction", e.Name())
			}
			text, err := fs.ReadFile(files, e.Name())
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "\t") {
				t.Errorf("%s has tabs", e.Name())
			}
		}
		return strings.Join(all, "\n")
	}
	if p, s := names(migrations.Postgres), names(migrations.SQLite); p != s {
		t.Errorf("PostgreSQL:\n%s\nSQLite:\n%s", p, s)
	}
}

func applied(t *testing.T, db *DB) int {
	t.Helper()
	list, err := db.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range list {
		if m.AppliedAt != nil {
			n++
			if m.AppliedAt.Year() < 2020 {
				t.Errorf("version %s was applied at %v", m.Version, m.AppliedAt)
			}
		}
	}
	return n
}

// schemaOf lists all columns and indexes.
func schemaOf(t *testing.T, db *DB) string {
	t.Helper()
	query := `select m.name || '|' || coalesce(m.sql, '') from sqlite_schema as m where m.name not like 'sqlite_%' order by 1`
	if db.IsPostgres() {
		query = `select table_name || '|' || column_name || '|' || data_type || '|' || is_nullable
			from information_schema.columns where table_schema = 'public'
			union all select indexdef from pg_indexes where schemaname = 'public'
			union all select conrelid::regclass || '|' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace
			order by 1`
	}
	rows, err := db.read.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
