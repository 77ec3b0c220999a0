package stack

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
)

const postgresUser = "ampra"

// postgres is PostgreSQL 15 or newer. Its data are thrown away, so it need not
// wait for the disk; what a commit promises while the server lives is kept.
type postgres struct{}

func (postgres) name() string     { return "PostgreSQL" }
func (postgres) variable() string { return "AMPRA_TEST_POSTGRES_URL" }

func (postgres) settings() []string {
	return []string{"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=300"}
}

// locale is the same for both ways, so that texts sort the same.
func (postgres) locale() string {
	if runtime.GOOS == "darwin" {
		return "en_US.UTF-8"
	}
	return "C.UTF-8"
}

func (postgres) address(host string, port int, password string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(postgresUser, password),
		Host: host + ":" + strconv.Itoa(port), Path: "/postgres", RawQuery: "sslmode=disable",
	}
	return u.String()
}

func (p postgres) inDocker(ctx context.Context, e *engine) (instance, error) {
	port, err := freePort()
	if err != nil {
		return instance{}, err
	}
	password := secret()
	address := p.address(e.host, port, password)
	stop, err := e.start(ctx, image{
		name: "postgres:15-bookworm",
		cmd:  append([]string{"postgres"}, p.settings()...),
		env: map[string]string{
			"POSTGRES_USER": postgresUser, "POSTGRES_PASSWORD": password, "POSTGRES_DB": "postgres",
			"POSTGRES_INITDB_ARGS": "--encoding=UTF8 --locale=" + p.locale(),
		},
		inside: 5432, outside: port,
	}, answersPostgres(address))
	return instance{address: address, stop: stop}, err
}

func (p postgres) asProgram(ctx context.Context, h *host) (instance, error) {
	initdb, err := h.programs.need(ctx, h.say, "initdb", func() string {
		return onPath([]string{"initdb"}, "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
	}, "postgresql")
	if err != nil {
		return instance{}, err
	}
	if initdb, err = filepath.EvalSymlinks(initdb); err != nil {
		return instance{}, err
	}
	user, err := accountOf("postgres") // it refuses to run as root
	if err != nil {
		return instance{}, err
	}
	data, err := h.folder("postgres", user)
	if err != nil {
		return instance{}, err
	}
	password := secret()
	if err := p.makeCluster(ctx, initdb, data, password, user); err != nil {
		return instance{}, err
	}
	port, err := freePort()
	if err != nil {
		return instance{}, err
	}
	address := p.address("127.0.0.1", port, password)
	args := []string{"-D", data, "-p", strconv.Itoa(port), "-h", "127.0.0.1", "-k", ""}
	running, err := h.start(ctx, process{
		name: "postgres", path: filepath.Join(filepath.Dir(initdb), "postgres"),
		args: append(args, p.settings()...), dir: data, user: user, stop: quitSignal,
	}, answersPostgres(address))
	running.address = address
	return running, err
}

// makeCluster fills the data folder.
func (p postgres) makeCluster(ctx context.Context, initdb, data, password string, user *account) error {
	file := data + ".password"
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	if user != nil {
		if err := os.Chown(file, int(user.uid), int(user.gid)); err != nil {
			return err
		}
	}
	return runAs(ctx, user, data, initdb, "-D", data, "-U", postgresUser, "--pwfile="+file,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale="+p.locale(), "--no-sync")
}

func answersPostgres(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		return onPostgres(ctx, address, "select 1")
	}
}

// onPostgres runs one statement on a connection of its own.
func onPostgres(ctx context.Context, address, statement string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	if closed := conn.Close(ctx); err == nil {
		err = closed
	}
	return err
}

func freshPostgres(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal("AMPRA_TEST_POSTGRES_URL is no URL") // the error would print its password
	}
	name := pgx.Identifier{ownName(t, "_")}
	if err := onPostgres(t.Context(), address, "create database "+name.Sanitize()); err != nil {
		t.Fatalf("making a database for the test: %v", err)
	}
	afterTest(t, "dropping the test's database", func(ctx context.Context) error {
		return onPostgres(ctx, address, "drop database if exists "+name.Sanitize()+" with (force)")
	})
	u.Path = "/" + name[0]
	return u.String()
}
