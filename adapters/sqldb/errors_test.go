package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"ampra/core/fault"
	"ampra/core/identity"
)

func TestDriversErrorsBecomeFaultsHoweverTheyAreWrapped(t *testing.T) {
	t.Parallel()
	state := func(code string) error { return &pgconn.PgError{Code: code, Message: "as the server says"} }
	for name, c := range map[string]struct {
		err   error
		code  fault.Code
		retry bool
	}{
		"no rows":              {err: sql.ErrNoRows, code: fault.NotFound},
		"unique":               {err: state("23505"), code: fault.Conflict},
		"foreign key":          {err: state("23503"), code: fault.Conflict},
		"serialisation":        {err: state("40001"), code: fault.Unavailable, retry: true},
		"deadlock":             {err: state("40P01"), code: fault.Unavailable, retry: true},
		"too many connections": {err: state("53300"), code: fault.Unavailable, retry: true},
		"disk full":            {err: state("53100"), code: fault.Unavailable, retry: true},
		"shutting down":        {err: state("57P01"), code: fault.Unavailable, retry: true},
		"starting":             {err: state("57P03"), code: fault.Unavailable, retry: true},
		"standby":              {err: state("25006"), code: fault.Unavailable, retry: true},
		"connection failure":   {err: state("08006"), code: fault.Unavailable, retry: true},
		"refused":              {err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, code: fault.Unavailable, retry: true},
		"reset":                {err: os.NewSyscallError("read", syscall.ECONNRESET), code: fault.Unavailable, retry: true},
		"cut off":              {err: io.ErrUnexpectedEOF, code: fault.Unavailable, retry: true},
		"bad connection":       {err: driver.ErrBadConn, code: fault.Unavailable, retry: true},
		"too late":             {err: context.DeadlineExceeded, code: fault.Unavailable, retry: true},
		"closed":               {err: errors.New("sql: database is closed"), code: fault.Unavailable, retry: true},
		"cancelled":            {err: context.Canceled, code: fault.Internal},
		"a mistake in SQL":     {err: state("42601"), code: fault.Internal},
		"a wrong type":         {err: state("22P02"), code: fault.Internal},
		"unknown":              {err: errors.New("what is this"), code: fault.Internal},
		"a fault already":      {err: fault.New(fault.TooMany, "slow down"), code: fault.TooMany},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, err := range []error{c.err, fmt.Errorf("reading: %w", fmt.Errorf("scanning: %w", c.err)), errors.Join(c.err, errors.New("and more"))} {
				if name == "closed" && err != c.err { //nolint:errorlint // known by its text alone, and bare
					continue
				}
				got := translate(err)
				if fault.CodeOf(got) != c.code {
					t.Errorf("%v: code %q, want %q", err, fault.CodeOf(got), c.code)
				}
				if !errors.Is(got, c.err) {
					t.Errorf("%v: the cause is lost", got)
				}
				f, ok := errors.AsType[*fault.Error](got)
				if ok && (f.RetryAfter > 0) != c.retry {
					t.Errorf("%v: try again after %v", got, f.RetryAfter)
				}
				if ok && strings.Contains(f.Message, "server says") {
					t.Errorf("the message shows the driver's: %q", f.Message)
				}
			}
		})
	}
	if translate(nil) != nil {
		t.Error("no error became one")
	}
}

func TestAServerThatIsAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // only to find a free port
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	db := postgresAt(t, "postgres://nobody@"+address+"/none?sslmode=disable")
	_, listErr := NewUsers(db).List(t.Context())
	for name, err := range map[string]error{
		"ping":        db.Ping(t.Context()),
		"query":       listErr,
		"transaction": db.Run(t.Context(), func(context.Context) error { return nil }),
		"migrate":     db.Migrate(t.Context()),
	} {
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAConnectionThatIsCutIsUnavailableAndTheNextOneWorks(t *testing.T) {
	t.Parallel()
	db, outside := migrated(t, openPostgres(t)), t.Context()
	err := db.Run(outside, func(ctx context.Context) error {
		var pid int
		if err := db.conn(ctx).NewRaw("select pg_backend_pid()").Scan(ctx, &pid); err != nil {
			return err
		}
		if _, err := db.write.ExecContext(outside, "select pg_terminate_backend(?)", pid); err != nil {
			return err
		}
		return NewUsers(db).SetPassword(ctx, uuid.New(), "x")
	})
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("the transaction: %v", err)
	}
	if _, err := NewUsers(db).List(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAStoreThatIsClosedIsUnavailable(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *DB) {
		db := open(t)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		_, listErr := NewUsers(db).List(t.Context())
		for name, err := range map[string]error{
			"ping":        db.Ping(t.Context()),
			"query":       listErr,
			"transaction": db.Run(t.Context(), func(context.Context) error { return nil }),
		} {
			if !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestAFullDiskIsToldAndWorksAgainWithRoom(t *testing.T) {
	t.Parallel()
	db := migrated(t, openSQLite(t))
	if _, err := db.write.ExecContext(t.Context(), "pragma max_page_count = 1"); err != nil { // as full as it is now
		t.Fatal(err)
	}
	users := NewUsers(db)
	u := identity.User{ID: uuid.New(), Email: "full", PasswordHash: strings.Repeat("x", 1<<20), Role: "User", CreatedAt: time.Now()}
	err := users.Create(t.Context(), u)
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != fault.Unavailable || !strings.Contains(f.Message, "full") || f.RetryAfter < 10*time.Second {
		t.Fatalf("on a full disk: %v", err)
	}
	if err := db.Run(t.Context(), func(ctx context.Context) error { return users.Create(ctx, u) }); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("in a transaction: %v", err)
	}
	if _, err := db.write.ExecContext(t.Context(), "pragma max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if err := users.Create(t.Context(), u); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestADeadlineThatPassesIsUnavailable(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *DB) {
		db := open(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		slow := "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n"
		if db.IsPostgres() {
			slow = "select pg_sleep(30)"
		}
		_, err := db.conn(ctx).ExecContext(ctx, slow)
		if err := translate(err); !fault.Is(err, fault.Unavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the query: %v", err)
		}
		if _, err := NewUsers(db).List(t.Context()); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestATextThatNoDatabaseKeepsIsRefusedAndNotCut(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *DB) {
		db := open(t)
		users := NewUsers(db)
		u := identity.User{ID: uuid.New(), Email: "a\x00b", Role: "User", CreatedAt: time.Now()}
		if err := users.Create(t.Context(), u); err == nil {
			t.Error("it was stored")
		}
		if _, err := users.ByEmail(t.Context(), u.Email); err == nil {
			t.Error("it was found")
		}
		if list, err := users.List(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%d users, %v", len(list), err)
		}
	})
}
