package sqldb

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"ampra/core/fault"
	"ampra/core/identity"
)

func TestADatabaseFileIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ampra.db", "a?b=c&d %20 #ü;'.db"} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		db := migrated(t, sqliteAt(t, path))
		storeUser(t, db)
		for _, file := range []string{path, path + "-wal", path + "-shm"} {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatalf("%s is missing: %v", file, err)
			}
			if mode := info.Mode().Perm(); mode != 0o600 {
				t.Errorf("%s has mode %o", file, mode)
			}
		}
	}
}

func TestEverySQLiteConnectionIsSetUp(t *testing.T) {
	t.Parallel()
	db := openSQLite(t)
	for name, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000", "temp_store": "2",
	} {
		for _, pool := range []string{"write", "read"} {
			bunDB := db.write
			if pool == "read" {
				bunDB = db.read
			}
			var got string
			if err := bunDB.QueryRowContext(t.Context(), "pragma "+name).Scan(&got); err != nil || got != want {
				t.Errorf("%s, pool to %s: %q, %v; want %q", name, pool, got, err, want)
			}
		}
	}
	if _, err := db.read.ExecContext(t.Context(), "create table t (a integer)"); err == nil {
		t.Error("a connection for reading writes")
	}
	if _, err := db.write.ExecContext(t.Context(), `select "no such column"`); err == nil {
		t.Error("an unknown name in double quotes is taken for a text")
	}
}

func TestWhatIsNotADatabaseIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ampra.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"text": path, "a folder that is missing": filepath.Join(path+"-none", "ampra.db")} {
		if db, err := OpenSQLite(path, Options{}); err == nil {
			t.Errorf("%s was opened", name)
			closeAfter(t, db)
		}
	}
	if _, err := OpenPostgres("postgres://host:port/", Options{}); err == nil {
		t.Error("a URL without sense was taken")
	}
}

func TestAPostgresURLsPasswordIsNotInTheError(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://ampra:hunter2@127.0.0.1:1x/ampra", "postgres://ampra:hunter2@127.0.0.1/ampra?sslmode=wrong",
		"host=127.0.0.1 password=hunter2 port=many", "://ampra:hunter2@", "postgres://ampra:hunter2@[::1/ampra",
	} {
		_, err := OpenPostgres(url, Options{})
		if err == nil {
			t.Errorf("%s was taken", url)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestWorkAtOnceNeverMeetsALockedDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ampra.db")
	processes := []*DB{migrated(t, sqliteAt(t, path)), sqliteAt(t, path)}
	owner := storeUser(t, processes[0])
	shared := storeSource(t, processes[0], owner)
	group, ctx := errgroup.WithContext(t.Context())
	const rounds = 15
	for i := range 8 {
		r := recordsOf(processes[i%2])
		group.Go(func() error {
			for range rounds {
				if err := r.Users.SetPassword(ctx, owner, uuid.NewString()); err != nil {
					return err
				}
				if _, err := r.SunSources.Get(ctx, owner, shared.ID); err != nil {
					return err
				}
				if err := processes[i%2].Run(ctx, func(ctx context.Context) error {
					if _, err := r.Users.ByID(ctx, owner); err != nil {
						return err
					}
					id := uuid.New()
					return r.Users.Create(ctx, identity.User{ID: id, Email: id.String(), Role: "User", CreatedAt: time.Now()})
				}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	users, err := NewUsers(processes[1]).List(t.Context())
	if err != nil || len(users) != 8*rounds+1 {
		t.Errorf("%d users, %v", len(users), err)
	}
}

func TestReadersGoOnWhileATransactionIsOpen(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *DB) {
		db := open(t)
		user := storeUser(t, db)
		users := NewUsers(db)
		soon, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := db.Run(t.Context(), func(ctx context.Context) error {
			if err := users.SetPassword(ctx, user, "new"); err != nil {
				return err
			}
			outside, err := users.ByID(soon, user)
			if err == nil && outside.PasswordHash == "new" {
				t.Error("what is not committed is seen outside")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestAWriterThatWaitsTooLongIsUnavailable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ampra.db")
	one := migrated(t, sqliteAt(t, path))
	two, err := OpenSQLite(path, Options{BusyTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, two)
	user, outside := storeUser(t, one), t.Context()
	err = one.Run(outside, func(ctx context.Context) error {
		if err := NewUsers(one).SetPassword(ctx, user, "a"); err != nil {
			return err
		}
		if err := NewUsers(two).SetPassword(outside, user, "b"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("another process's write: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
