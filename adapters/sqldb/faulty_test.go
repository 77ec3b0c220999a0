package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"modernc.org/sqlite"

	"ampra/core/audit"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/identity"
	"ampra/core/powergroup"
	"ampra/core/sunsource"
	"ampra/core/tariff"
)

// errFaulty is what the faulty driver says.
var errFaulty = errors.New("the disk fell out")

// faulty is SQLite's driver, but fails where it is told to.
type faulty struct {
	driver.Connector
	commits atomic.Bool  // a commit fails, and is rolled back
	rows    atomic.Int32 // reading rows fails after so many, when it is not 0
}

func (f *faulty) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := f.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := conn.(fullConn)
	if !ok {
		return nil, errors.Join(errors.New("SQLite's driver has fewer methods now"), conn.Close())
	}
	return &faultyConn{full, f}, nil
}

type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type faultyConn struct {
	fullConn
	f *faulty
}

func (c *faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.fullConn.BeginTx(ctx, o)
	return &faultyTx{tx, c.f}, err
}

func (c *faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.f.cut(c.fullConn.QueryContext(ctx, query, args))
}

func (c *faultyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.fullConn.PrepareContext(ctx, query)
	if full, ok := stmt.(fullStmt); ok {
		return &faultyStmt{full, c.f}, err
	}
	return nil, errors.Join(err, errors.New("SQLite's driver has fewer methods now"))
}

type fullStmt interface {
	driver.Stmt
	driver.StmtQueryContext
	driver.StmtExecContext
}

type faultyStmt struct {
	fullStmt
	f *faulty
}

func (s *faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.f.cut(s.fullStmt.QueryContext(ctx, args))
}

// cut makes rows end too early.
func (f *faulty) cut(rows driver.Rows, err error) (driver.Rows, error) {
	if n := f.rows.Load(); err == nil && n > 0 {
		return &faultyRows{rows, n}, nil
	}
	return rows, err
}

type faultyTx struct {
	driver.Tx
	f *faulty
}

func (tx *faultyTx) Commit() error {
	if tx.f.commits.Load() {
		return errors.Join(errFaulty, tx.Rollback())
	}
	return tx.Tx.Commit()
}

type faultyRows struct {
	driver.Rows
	left int32
}

func (r *faultyRows) Next(dest []driver.Value) error {
	if r.left--; r.left < 0 {
		return errFaulty
	}
	return r.Rows.Next(dest)
}

func openFaulty(t *testing.T) (*DB, *faulty) {
	t.Helper()
	connector, err := sqlite.NewConnector("file:" + filepath.Join(t.TempDir(), "faulty.db") + "?_txlock=immediate&_foreign_keys=on")
	if err != nil {
		t.Fatal(err)
	}
	f := &faulty{Connector: connector}
	pool := sql.OpenDB(f)
	pool.SetMaxOpenConns(1)
	bunDB := bun.NewDB(pool, newSQLiteDialect())
	db := &DB{write: bunDB, read: bunDB}
	closeAfter(t, db)
	return migrated(t, db), f
}

func TestAFailedCommitIsReported(t *testing.T) {
	t.Parallel()
	db, f := openFaulty(t)
	sources := NewSunSources(db)
	source := storeSource(t, db, storeUser(t, db))
	f.commits.Store(true)
	called := false
	err := db.Run(t.Context(), func(ctx context.Context) error {
		db.onCommit(ctx, func() { called = true })
		return sources.Delete(ctx, source.OwnerID, source.ID)
	})
	if !errors.Is(err, errFaulty) || fault.CodeOf(err) != fault.Internal {
		t.Errorf("Run returned %v", err)
	}
	if called {
		t.Error("what waits for the commit was called")
	}
	_, err = sources.Update(t.Context(), source.OwnerID, source.ID, func(s *sunsource.SunSource) error {
		s.Name = "Lost"
		return nil
	})
	if !errors.Is(err, errFaulty) {
		t.Errorf("Update returned %v", err)
	}
	if err := sources.Delete(t.Context(), source.OwnerID, source.ID); !errors.Is(err, errFaulty) {
		t.Errorf("Delete returned %v", err)
	}
	f.commits.Store(false)
	after, err := sources.Get(t.Context(), source.OwnerID, source.ID)
	if err != nil || after.Name != source.Name {
		t.Errorf("afterwards: %q, %v", after.Name, err)
	}
}

func TestAListThatIsCutShortIsAnError(t *testing.T) {
	t.Parallel()
	db, f := openFaulty(t)
	r := recordsOf(db)
	user := storeUser(t, db)
	source := storeSource(t, db, user)
	gone := storeSource(t, db, user)
	err := errors.Join(
		r.SunSources.Delete(t.Context(), user, gone.ID),
		r.Credentials.Add(t.Context(), credential.Credential{ID: uuid.New(), SourceID: source.ID, Kind: source.ConnectionType, Version: 1, Sealed: credential.Sealed{KeyID: "k", Box: []byte{1}}}),
		r.Tariffs.Add(t.Context(), tariff.Price{ID: uuid.New(), SourceID: source.ID}),
		r.PowerGroups.Create(t.Context(), powergroup.PowerGroup{ID: uuid.New(), OwnerID: user, Name: "Home"}),
		r.Tokens.Create(t.Context(), identity.Token{ID: uuid.New(), UserID: user, Name: "script"}),
		r.AuditLog.Append(t.Context(), audit.Entry{Subject: user}),
	)
	if err != nil {
		t.Fatal(err)
	}
	lists := map[string]func(context.Context) (int, error){
		"users":        func(ctx context.Context) (int, error) { return length(r.Users.List(ctx)) },
		"tokens":       func(ctx context.Context) (int, error) { return length(r.Tokens.List(ctx, user)) },
		"power groups": func(ctx context.Context) (int, error) { return length(r.PowerGroups.List(ctx, user)) },
		"sun sources": func(ctx context.Context) (int, error) {
			return length(r.SunSources.List(ctx, user, sunsource.Filter{}, sunsource.Page{}))
		},
		"erasures":        func(ctx context.Context) (int, error) { return length(r.Erasures.Pending(ctx, 10)) },
		"credentials":     func(ctx context.Context) (int, error) { return length(r.Credentials.List(ctx, source.ID)) },
		"sealed without":  func(ctx context.Context) (int, error) { return length(r.Credentials.SealedWithout(ctx, "other", 10)) },
		"prices":          func(ctx context.Context) (int, error) { return length(r.Tariffs.History(ctx, source.ID)) },
		"audit entries":   func(ctx context.Context) (int, error) { return length(r.AuditEntries(ctx, user)) },
		"schema versions": func(ctx context.Context) (int, error) { return length(db.Status(ctx)) },
		"access": func(ctx context.Context) (int, error) {
			return length(r.Access.AccessByClientKeys(ctx, []sunsource.ClientKey{sunsource.ClientKeyOf(source.ID)}, time.Now()))
		},
	}
	for name, list := range lists {
		if n, err := list(t.Context()); n == 0 || err != nil {
			t.Errorf("%s, all well: %d, %v", name, n, err)
		}
	}
	f.rows.Store(1)
	for name, list := range lists {
		if n, err := list(t.Context()); !errors.Is(err, errFaulty) {
			t.Errorf("%s, cut short: %d, %v", name, n, err)
		}
	}
}

func length[T any](list []T, err error) (int, error) { return len(list), err }
