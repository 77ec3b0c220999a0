package restapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ampra/adapters/httpapi"
	"ampra/adapters/secretbox"
	"ampra/adapters/sqldb"
	"ampra/adapters/webhook"
	"ampra/modules/credentials"
	"ampra/modules/identity"
	"ampra/modules/powergroups"
	"ampra/modules/sunsources"
	"ampra/modules/telemetry/ingest"
	"ampra/modules/telemetry/query"
	"ampra/modules/telemetry/writer"
	"ampra/test/contract/restapi"
	"ampra/test/fake"

	"github.com/google/uuid"
)

func TestTheAPIKeepsItsContract(t *testing.T) {
	t.Parallel()
	restapi.REST(t, func(t *testing.T) restapi.Site { return open(t, "http://ampra.example") })
}

func TestTheAPIKeepsItsContractUnderHTTPS(t *testing.T) {
	t.Parallel()
	restapi.REST(t, func(t *testing.T) restapi.Site { return open(t, "https://ampra.example:8443") })
}

// hasher is quick: what argon2 does is tested where it is.
type hasher struct{}

func (hasher) Hash(password string) (string, error) { return "hash of " + password, nil }
func (hasher) Verify(hash, password string) (bool, error) {
	return hash == "hash of "+password, nil
}

// log keeps what is logged.
type log struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// open starts a whole server on stores of its own.
func open(t *testing.T, publicURL string) restapi.Site {
	t.Helper()
	clock := fake.NewClock(time.Now())
	logged := &log{}
	logger := slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	run := func(part func(context.Context) error) {
		running.Go(func() {
			if err := part(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("a part of the server ended: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})

	key := filepath.Join(t.TempDir(), "key")
	if err := secretbox.Generate(key); err != nil {
		t.Fatal(err)
	}
	sealer, err := secretbox.Load(key)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqldb.OpenSQLite(filepath.Join(t.TempDir(), "records.db"), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	feed := sqldb.NewFeed(db, sqldb.FeedConfig{}, sqldb.FeedDeps{Log: logger})
	archive := &fake.Archive{}
	letters := &fake.DeadLetters{}

	registry := credentials.NewRegistry(credentials.RegistryDeps{
		Records: sqldb.NewAccessRecords(db), Sealer: sealer, Feed: feed, Clock: clock,
	})
	usage := credentials.NewUsage(credentials.UsageDeps{
		Credentials: sqldb.NewCredentials(db), Presence: sqldb.NewPresence(db), Clock: clock, Process: uuid.New(), Failed: func(error) {},
	})
	gate, err := credentials.NewGate(credentials.GateDeps{Registry: registry, Usage: usage, Clock: clock, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	direct := writer.NewDirect(writer.DirectConfig{Queue: 100, Batch: 5000, FlushTime: time.Second}, writer.NewStore(archive, registry, feed))
	keys := credentials.New(credentials.Deps{
		Sources: sqldb.NewSunSources(db), Credentials: sqldb.NewCredentials(db), Sealer: sealer, Presence: sqldb.NewPresence(db),
		Transactions: db, Outbox: sqldb.NewOutbox(db), Feed: feed, Audit: sqldb.NewAuditLog(db), Clock: clock, Random: rand.Reader,
	})
	cfg := httpapi.Defaults()
	cfg.PublicURL, cfg.MQTTHost, cfg.MQTTPort, cfg.Version = publicURL, "mqtt.ampra.example", 8883, "test"
	server, err := httpapi.New(cfg, httpapi.Deps{
		Identity: identity.New(identity.Config{}, identity.Deps{
			Users: sqldb.NewUsers(db), Sessions: sqldb.NewSessions(db), Tokens: sqldb.NewTokens(db), Attempts: sqldb.NewAttempts(db),
			Setup: sqldb.NewSetupTokens(db), Hasher: hasher{}, Transactions: db, Audit: sqldb.NewAuditLog(db), Clock: clock, Random: rand.Reader,
		}),
		Sources: sunsources.New(sunsources.Deps{
			Sources: sqldb.NewSunSources(db), Erasures: sqldb.NewErasures(db), Prices: sqldb.NewTariffs(db), Credentials: keys, Telemetry: archive,
			Transactions: db, Outbox: sqldb.NewOutbox(db), Feed: feed, Audit: sqldb.NewAuditLog(db), Clock: clock, Random: rand.Reader,
			Deferred: func(err error) { t.Errorf("an erasure failed: %v", err) },
		}),
		Credentials: keys,
		Groups:      powergroups.New(powergroups.Deps{Groups: sqldb.NewPowerGroups(db), Clock: clock, Random: rand.Reader}),
		Telemetry:   query.New(query.Deps{Sources: sqldb.NewSunSources(db), Archive: archive}),
		Idempotency: sqldb.NewIdempotency(db), Sealer: sealer, Clock: clock, Random: rand.Reader, Log: logger,
		Webhook: webhook.New(webhook.Config{}, webhook.Deps{
			Gate: gate, Ingest: ingest.New(ingest.Deps{Journal: direct, DeadLetters: letters, Clock: clock, Random: rand.Reader}),
			Clock: clock, Log: logger,
		}),
		Ready: func(context.Context) map[string]error { return map[string]error{"records": nil} },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			fmt.Fprintln(w, "ampra_up 1")
		}),
		Observe: func(httpapi.Observation) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	run(feed.Run)
	run(direct.Run)
	run(func(ctx context.Context) error { return server.Run(ctx, listener) })
	return restapi.Site{
		URL: "http://" + listener.Addr().String(), PublicURL: publicURL, MQTTHost: "mqtt.ampra.example", MQTTPort: 8883,
		Logs: logged.String, Advance: func(d time.Duration) { clock.Advance(d) }, Now: clock.Now,
	}
}
