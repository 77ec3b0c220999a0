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

	"github.com/google/uuid"

	"ampra/adapters/httpapi"
	"ampra/adapters/secretbox"
	"ampra/adapters/sqldb"
	"ampra/adapters/webhook"
	"ampra/core/audit"
	"ampra/core/change"
	"ampra/core/credential"
	"ampra/core/device"
	"ampra/core/energy"
	"ampra/core/idempotency"
	"ampra/core/identity"
	"ampra/core/job"
	"ampra/core/powergroup"
	"ampra/core/sunsource"
	"ampra/core/tariff"
	"ampra/core/telemetry"
	"ampra/core/transaction"
	"ampra/modules/credentials"
	"ampra/modules/devices"
	accounts "ampra/modules/identity"
	"ampra/modules/powergroups"
	"ampra/modules/sunsources"
	"ampra/modules/tariffs"
	"ampra/modules/telemetry/deadletters"
	"ampra/modules/telemetry/ingest"
	"ampra/modules/telemetry/query"
	"ampra/modules/telemetry/writer"
	"ampra/test/contract"
	"ampra/test/contract/restapi"
	"ampra/test/fake"
)

// stores are the ports of records that a server stands on.
type stores struct {
	users        identity.Users
	sessions     identity.Sessions
	tokens       identity.Tokens
	attempts     identity.Attempts
	setup        identity.SetupTokens
	groups       powergroup.Repository
	sources      sunsource.Repository
	erasures     sunsource.Erasures
	credentials  credential.Repository
	access       credential.AccessRecords
	presence     credential.Presence
	prices       tariff.Repository
	devices      contract.Devices
	settings     sunsource.SettingsRepository
	jobs         job.Repository
	explanations telemetry.Explanations
	idempotency  idempotency.Store
	audit        audit.Log
	transactions transaction.Runner
	outbox       change.Outbox
	feed         interface {
		change.Feed
		Run(ctx context.Context) error
	}
}

// inMemory are stores without any database.
func inMemory() (stores, *fake.Records) {
	r := fake.NewRecords()
	feed := &memoryFeed{}
	return stores{
		users: r.Users, sessions: r.Sessions, tokens: r.Tokens, attempts: r.Attempts, setup: r.SetupTokens, groups: r.PowerGroups,
		sources: r.SunSources, erasures: r.Erasures, credentials: r.Credentials, access: r.Access, presence: nobody{}, prices: r.Tariffs, devices: r.Devices,
		settings: r.Settings, explanations: r.Explained, jobs: &fake.Jobs{},
		idempotency: r.Idempotency, audit: r.AuditLog, transactions: r, outbox: feed, feed: feed,
	}, r
}

// onSQLite are stores in a file of their own.
func onSQLite(t *testing.T, log *slog.Logger) stores {
	t.Helper()
	db, err := sqldb.OpenSQLite(filepath.Join(t.TempDir(), "records.db"), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return stores{
		users: sqldb.NewUsers(db), sessions: sqldb.NewSessions(db), tokens: sqldb.NewTokens(db), attempts: sqldb.NewAttempts(db),
		setup: sqldb.NewSetupTokens(db), groups: sqldb.NewPowerGroups(db), sources: sqldb.NewSunSources(db), erasures: sqldb.NewErasures(db),
		credentials: sqldb.NewCredentials(db), access: sqldb.NewAccessRecords(db), presence: sqldb.NewPresence(db), prices: sqldb.NewTariffs(db),
		devices:  sqldb.NewDevices(db),
		settings: sqldb.NewSettings(db), explanations: sqldb.NewExplanations(db), jobs: sqldb.NewJobs(db),
		idempotency: sqldb.NewIdempotency(db), audit: sqldb.NewAuditLog(db), transactions: db, outbox: sqldb.NewOutbox(db),
		feed: sqldb.NewFeed(db, sqldb.FeedConfig{}, sqldb.FeedDeps{Log: log}),
	}
}

// memoryFeed makes a change known when it is settled: in one process nobody needs
// to hear of it earlier.
type memoryFeed struct {
	mu        sync.Mutex
	changes   []change.Change
	applied   int
	listeners []func(context.Context, change.Change)
}

func (f *memoryFeed) Append(_ context.Context, c change.Change) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.Seq = int64(len(f.changes)) + 1
	f.changes = append(f.changes, c)
	return c.Seq, nil
}

func (f *memoryFeed) Settle(ctx context.Context, _ int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ; f.applied < len(f.changes); f.applied++ {
		for _, apply := range f.listeners {
			apply(ctx, f.changes[f.applied])
		}
	}
	return nil
}

func (f *memoryFeed) Subscribe(apply func(context.Context, change.Change)) {
	f.listeners = append(f.listeners, apply)
}

func (f *memoryFeed) Trusted() bool { return true }

func (f *memoryFeed) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// nobody is connected.
type nobody struct{}

func (nobody) Report(context.Context, uuid.UUID, map[uuid.UUID]int, time.Time) error { return nil }
func (nobody) Connected(context.Context, uuid.UUID, time.Time) (int, error)          { return 0, nil }

// inUTC is where all sites are.
type inUTC struct{}

func (inUTC) Zone(context.Context, sunsource.SunSource) (*time.Location, sunsource.ZoneFrom, error) {
	return time.UTC, sunsource.ZoneFromDefault, nil
}

// noEnergies knows of no energy: what it is made of is tested where it is.
type noEnergies struct{}

func (noEnergies) Energy(
	context.Context, sunsource.SunSource, *time.Location, energy.Resolution, time.Time, time.Time,
) ([]energy.Bucket, error) {
	return nil, nil
}

// hasher is quick: what argon2 does is tested where it is.
type hasher struct{}

func (hasher) Hash(password string) (string, error)       { return "hash of " + password, nil }
func (hasher) Verify(hash, password string) (bool, error) { return hash == "hash of "+password, nil }

// journal keeps what is logged.
type journal struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.String()
}

// parts run until the test ends, then in reverse order.
func run(t *testing.T, part func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- part(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("a part of the server ended: %v", err)
		}
	})
}

// hear notes that a source's device was heard.
func hear(t *testing.T, book device.Book, source string, at time.Time, watts *float64) {
	t.Helper()
	h := device.Heard{SourceID: uuid.MustParse(source), FirstAt: at, LastSeenAt: at, Online: true, CheckAt: at.Add(time.Hour)}
	for i := range 5 {
		at := at.Add(time.Duration(i-4) * time.Minute)
		h.Pulse.Hear(at, at)
	}
	h.Powers[telemetry.SolarPowerWatts] = watts
	if _, err := book.Hear(t.Context(), []device.Heard{h}); err != nil {
		t.Fatal(err)
	}
}

// serve starts a whole server on the stores.
func serve(t *testing.T, publicURL string, open func(log *slog.Logger) stores) restapi.Site {
	t.Helper()
	clock := fake.NewClock(time.Now())
	logged := &journal{}
	logger := slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := open(logger)
	key := filepath.Join(t.TempDir(), "key")
	if err := secretbox.Generate(key); err != nil {
		t.Fatal(err)
	}
	sealer, err := secretbox.Load(key)
	if err != nil {
		t.Fatal(err)
	}
	archive := &fake.Archive{}
	registry := credentials.NewRegistry(credentials.RegistryDeps{Records: s.access, Sealer: sealer, Feed: s.feed, Clock: clock})
	usage := credentials.NewUsage(credentials.UsageDeps{
		Credentials: s.credentials, Presence: s.presence, Clock: clock, Process: uuid.New(), Failed: func(error) {},
	})
	gate, err := credentials.NewGate(credentials.GateDeps{Registry: registry, Usage: usage, Clock: clock, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	days, store := &fake.Rollups{Clock: clock}, writer.NewStore(archive, registry, s.feed)
	store.Marking(writer.NewMarker(15*time.Minute, days, clock, clock))
	direct := writer.NewDirect(writer.DirectConfig{Queue: 100, Batch: 5000, FlushTime: time.Second}, store)
	letters := &fake.LetterStore{}
	decided := settingsOf(t, s, s.settings, s.explanations, clock)
	intake := ingest.New(ingest.Deps{
		Journal: direct, DeadLetters: letters, Clock: clock, Random: rand.Reader, Limits: nil, Queue: nil, Owners: nil, Gather: nil,
		Sites: decided.sites, Notes: decided.notes,
	})
	filed := filingOf(t, s, s.jobs, decided, archive, intake, clock)
	keys := credentials.New(credentials.Deps{
		Sources: s.sources, Credentials: s.credentials, Sealer: sealer, Presence: s.presence, Transactions: s.transactions, Outbox: s.outbox,
		Feed: s.feed, Audit: s.audit, Clock: clock, Random: rand.Reader,
	})
	knocks := devices.NewAttempts()
	rolled := energies(s, days, archive, clock)
	cfg := httpapi.Defaults()
	cfg.PublicURL, cfg.MQTTHost, cfg.MQTTPort, cfg.Version = publicURL, "mqtt.ampra.example", 8883, "test"
	people := accounts.New(accounts.Config{}, accounts.Deps{
		Users: s.users, Sessions: s.sessions, Tokens: s.tokens, Attempts: s.attempts, Setup: s.setup, Hasher: hasher{},
		Transactions: s.transactions, Audit: s.audit, Clock: clock, Random: rand.Reader,
	})
	server, err := httpapi.New(cfg, httpapi.Deps{
		Identity: people,
		Live:     liveOf(t, s, rights{registry, people}, clock), LiveRefresh: nil,
		Sources: sunsources.New(sunsources.Deps{
			Sources: s.sources, Groups: s.groups, Erasures: s.erasures, Prices: s.prices, Credentials: keys, Telemetry: archive, Transactions: s.transactions,
			Outbox: s.outbox, Feed: s.feed, Audit: s.audit, Clock: clock, Random: rand.Reader,
			Deferred: func(err error) { t.Errorf("an erasure failed: %v", err) },
		}),
		Credentials: keys,
		Groups:      powergroups.New(powergroups.Deps{Groups: s.groups, Clock: clock, Random: rand.Reader}),
		Telemetry: query.New(query.Deps{
			Sources: s.sources, Archive: archive, Days: rolled, Zones: decided.settings, Clock: clock, Kept: query.Kept{Raw: 0, Minutes: 0},
		}),
		Tariffs: tariffs.New(tariffs.Deps{
			Sources: s.sources, Prices: s.prices, Zones: inUTC{}, Energies: noEnergies{}, Clock: clock, Random: rand.Reader,
		}),
		Energies:    rolled,
		Devices:     devices.New(devices.Deps{Sources: s.sources, Statuses: s.devices, Fleet: s.devices, Attempts: knocks, Clock: clock}),
		DeadLetters: deadletters.New(deadletters.Deps{Sources: s.sources, Letters: letters, Ingest: intake}),
		Settings:    decided.settings,
		Imports:     filed.imports, Jobs: filed.jobs, Spool: filed.spool, Zones: decided.settings, Sheet: workbook,
		Internal: nil, Idempotency: s.idempotency, Sealer: sealer, Clock: clock, Random: rand.Reader, Log: logger,
		Webhook: webhook.New(webhook.Config{}, webhook.Deps{
			Gate: gate, Log: logger,
			Ingest: intake,
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
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	run(t, s.feed.Run)
	run(t, direct.Run)
	run(t, func(ctx context.Context) error { return server.Run(ctx, listener) })
	return restapi.Site{
		URL: "http://" + listener.Addr().String(), PublicURL: publicURL, MQTTHost: "mqtt.ampra.example", MQTTPort: 8883,
		Logs: logged.String, Advance: func(d time.Duration) { clock.Advance(d) }, Now: clock.Now,
		Hear:  func(t *testing.T, source string, at time.Time, watts *float64) { hear(t, s.devices, source, at, watts) },
		Knock: func(a device.Attempt) { knocks.Note(a) },
		PutLetter: func(t *testing.T, source string, payload []byte, received, signed time.Time) {
			t.Helper()
			err := letters.Put(t.Context(), telemetry.DeadLetter{
				ID: uuid.New(), SourceID: uuid.MustParse(source), At: received, Origin: telemetry.FromWebhook,
				Topic: "/api/webhook/sunsource/" + source, SignedAt: signed, Kind: telemetry.LetterMalformed, Reason: "of an older release", Raw: payload,
			})
			if err != nil {
				t.Fatal(err)
			}
		},
	}
}
