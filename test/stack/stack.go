// Package stack gives a test real servers: PostgreSQL, MongoDB, Kafka and
// Mosquitto. It takes them from the environment, else from Docker, else it runs
// programs on loopback; docs/testing.md describes the order and the variables.
// All test processes of a run share one set of servers, and every test gets a
// database, a topic prefix or a client of its own on them.
//
// It is for tests alone: only _test.go files import it.
package stack

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// cleanupTime bounds what is done on a server after a test.
const cleanupTime = 30 * time.Second

// Postgres returns the URL of a fresh, empty database that belongs to this test
// alone. The user in it owns the whole server. The database is dropped at
// cleanup, with whatever connections are still open on it.
func Postgres(t testing.TB) string {
	t.Helper()
	return freshPostgres(t, address(t, postgres{}))
}

// Mongo returns the URL of a replica set of one node and the name of a fresh
// database that belongs to this test alone; it is dropped at cleanup.
func Mongo(t testing.TB) (url, database string) {
	t.Helper()
	return freshMongo(t, address(t, mongoDB{}))
}

// Kafka returns the addresses (host:port) of a Kafka that makes no topic by
// itself, and a prefix that belongs to this test alone. Topics whose names begin
// with it are deleted at cleanup.
func Kafka(t testing.TB) (brokers []string, prefix string) {
	t.Helper()
	return freshKafka(t, address(t, kafkaBroker{}))
}

// Mosquitto returns mqtt://user:password@host:port of the client that
// administers a broker's dynamic-security plugin. Tests make clients and roles of
// their own by it, under names that no other test uses; it may itself publish to
// $CONTROL/dynamic-security/# only, and subscribe to everything.
func Mosquitto(t testing.TB) string {
	t.Helper()
	return address(t, mosquitto{})
}

// server is one kind of server and the ways to get a running one.
type server interface {
	// name is what people call it, and what the supervisor is asked for.
	name() string
	// variable is the environment variable that points to a running one.
	variable() string
	// inDocker starts it as a container and returns when it answers.
	inDocker(ctx context.Context, e *engine) (instance, error)
	// asProgram starts it as a process on loopback and returns when it answers.
	asProgram(ctx context.Context, h *host) (instance, error)
}

// instance is a running server.
type instance struct {
	// address is what a client needs: a URL, or Kafka's host:port.
	address string
	// stop ends the server and removes its data.
	stop func(context.Context) error
	// runner is the server's process, nil for a container.
	runner *runner
}

// refuses tells whether nobody listens at the server's address any more. One that
// is slow to answer still listens.
func (i instance) refuses() bool {
	at := i.address
	if u, err := url.Parse(at); err == nil && u.Host != "" {
		at = u.Host
	}
	conn, err := net.DialTimeout("tcp", at, time.Second) //nolint:noctx // bounded, and on loopback at once
	if err == nil {
		_ = conn.Close()
	}
	var slow net.Error
	return err != nil && (!errors.As(err, &slow) || !slow.Timeout())
}

func servers() map[string]server {
	all := make(map[string]server)
	for _, s := range []server{postgres{}, mongoDB{}, kafkaBroker{}, mosquitto{}} {
		all[s.name()] = s
	}
	return all
}

// missingError says that a server cannot be had on this machine. Without CI that
// is no fault of the test: it is skipped.
type missingError struct{ what string }

func (e missingError) Error() string { return e.what }

func missing(format string, args ...any) error {
	return missingError{what: fmt.Sprintf(format, args...)}
}

// address finds a running server of the kind, or ends the test.
func address(t testing.TB, s server) string {
	t.Helper()
	if url := os.Getenv(s.variable()); url != "" {
		return url
	}
	cfg, err := settingsFrom(os.Getenv)
	if err != nil {
		t.Fatalf("looking for %s: %v", s.name(), err)
	}
	found, err := shared.ask(cfg, s.name(), func(line string) {
		fmt.Fprintln(os.Stderr, "stack: "+line) // t.Log is held back until the test ends
	})
	if err != nil {
		refuse(t, s, cfg.CI, err)
	}
	return found
}

// refuse ends a test that cannot have its server: it skips when the server is
// missing, and fails when the server is broken or when a missing one would let
// CI pass without the test.
func refuse(t testing.TB, s server, ci bool, err error) {
	t.Helper()
	_, absent := errors.AsType[missingError](err)
	switch {
	case !absent:
		t.Fatalf("%s did not start: %v", s.name(), err)
	case ci:
		t.Fatalf("no %s, and CI=true forbids to skip: %v (docs/testing.md)", s.name(), err)
	default:
		t.Skipf("no %s: %v; set %s, start Docker or install it (docs/testing.md)", s.name(), err, s.variable())
	}
}

// ownName makes a name for what belongs to one test: lower case letters, digits
// and sep, at most 45 bytes, never the same twice.
func ownName(t testing.TB, sep string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimPrefix(t.Name(), "Test")) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		}
		if b.Len() == 24 {
			break
		}
	}
	return "ampra" + sep + b.String() + sep + secret()[:12]
}

// secret makes a password for a server: others on the machine reach its port.
func secret() string {
	random := make([]byte, 16)
	_, _ = rand.Read(random) // it never fails
	return hex.EncodeToString(random)
}

// afterTest runs act when the test and its own cleanups are over. What it leaves
// behind would weigh on the tests to come, so an error fails the test.
func afterTest(t testing.TB, what string, act func(context.Context) error) {
	t.Cleanup(func() {
		// t.Context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTime) //nolint:usetesting // see above
		defer cancel()
		if err := act(ctx); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	})
}
