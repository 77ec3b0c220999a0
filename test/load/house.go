package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/secretbox"
	"ampra/adapters/sqldb"
	"ampra/bootstrap"
	"ampra/core/clock"
	"ampra/core/credential"
	"ampra/core/sunsource"
	"ampra/modules/credentials"
	"ampra/modules/identity"
)

// The account that owns what is provisioned.
const (
	ownerEmail    = "load@example.org"
	ownerPassword = "Load-1-of-the-house"
)

// house is an installation: its records, with sources in them, and the settings
// of its processes.
type house struct {
	bench   *bench
	records bootstrap.Config
	devices []source // MQTT
	hooks   []source // Webhook
}

// scaleHouse has its records in PostgreSQL.
func (b *bench) scaleHouse(ctx context.Context) (*house, error) {
	if b.scale != nil {
		return b.scale, nil
	}
	url, err := b.lease.postgres() //nolint:contextcheck // the lease has it
	if err != nil {
		return nil, err
	}
	b.postgres = url
	h := &house{bench: b, records: bootstrap.Config{PostgresURL: url, KeyFile: filepath.Join(b.folder, "key")}}
	if err := secretbox.Generate(h.records.KeyFile); err != nil {
		return nil, err
	}
	if err := h.provision(ctx, b.most(), hookSources); err != nil {
		return nil, err
	}
	b.scale = h
	return h, nil
}

// embeddedHouse has everything in a fresh folder.
func (b *bench) embeddedHouse(ctx context.Context, devices int) (*house, error) {
	folder, err := os.MkdirTemp(b.folder, "embedded-")
	if err != nil {
		return nil, err
	}
	h := &house{bench: b, records: bootstrap.Config{Data: folder, KeyFile: filepath.Join(folder, "key")}}
	return h, h.provision(ctx, devices, 0)
}

// provision makes an account and sources, by the records' own adapters: one
// request a source would take longer than what is measured.
func (h *house) provision(ctx context.Context, devices, hooks int) error {
	log := slog.New(slog.DiscardHandler)
	box, err := bootstrap.Keys(h.records, log)
	if err != nil {
		return err
	}
	db, err := bootstrap.Records(h.records) //nolint:contextcheck // opening has none
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	owner, err := addUser(ctx, h.records, db, ownerEmail)
	if err != nil {
		return err
	}
	if h.devices, err = addSources(ctx, db, box, owner, sunsource.MQTT, devices); err != nil {
		return err
	}
	h.hooks, err = addSources(ctx, db, box, owner, sunsource.Webhook, hooks)
	return err
}

func addUser(ctx context.Context, cfg bootstrap.Config, db *sqldb.DB, email string) (uuid.UUID, error) {
	accounts, err := bootstrap.Accounts(cfg, db)
	if err != nil {
		return uuid.Nil, err
	}
	user, err := accounts.AddUser(ctx, identity.NewUser{Email: email, Password: ownerPassword, Role: "User"})
	return user.ID, err
}

// addSources makes sources of one owner with a credential each, many in one
// transaction.
func addSources(ctx context.Context, db *sqldb.DB, box *secretbox.Box, owner uuid.UUID, kind sunsource.ConnectionType, n int) ([]source, error) {
	repository := sqldb.NewSunSources(db)
	issuer := credentials.New(credentials.Deps{ //nolint:exhaustruct_v5 // issuing needs only these
		Credentials: sqldb.NewCredentials(db), Sealer: box, Clock: clock.Func(time.Now), Random: rand.Reader,
	})
	made := make([]source, 0, n)
	const together = 500
	for len(made) < n {
		batch := make([]source, min(together, n-len(made)))
		err := db.Run(ctx, func(ctx context.Context) error {
			for i := range batch {
				key, err := credential.NewMQTTKey(rand.Reader)
				if err != nil {
					return err
				}
				now := time.Now()
				s := sunsource.SunSource{
					ID: uuid.New(), OwnerID: owner, Name: fmt.Sprintf("Load %d", len(made)+i), ConnectionType: kind,
					IsActive: true, Currency: sunsource.DefaultCurrency, CreatedAt: now, UpdatedAt: now,
				}
				if err := repository.Create(ctx, s); err != nil {
					return err
				}
				if err := issuer.Issue(ctx, s.ID, kind, key); err != nil {
					return err
				}
				batch[i] = source{id: s.ID, key: key.Reveal()}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("making sources: %w", err)
		}
		made = append(made, batch...)
	}
	return made, nil
}

// server is an Ampra process that runs.
type server struct {
	*part
	http, mqtt string
}

func (s *server) url() string { return "http://" + s.http }

// run starts an Ampra process with roles, and settings beside those of the house.
func (h *house) run(ctx context.Context, name, roles string, settings map[string]string) (*server, error) {
	s := &server{}
	var err error
	if s.http, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	if s.mqtt, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	data := h.records.Data
	if data == "" {
		data = filepath.Join(h.bench.folder, name)
	}
	all := map[string]string{
		"AMPRA_DATA": data, "AMPRA_KEY_FILE": h.records.KeyFile, "AMPRA_POSTGRES_URL": h.records.PostgresURL,
		"AMPRA_HTTP_LISTEN": s.http, "AMPRA_MQTT_LISTEN": s.mqtt, "AMPRA_MQTT_TLS_LISTEN": "", "AMPRA_LOG_LEVEL": "warn",
		"AMPRA_ROLES": roles, "AMPRA_LIMIT_SOURCE_READINGS_RATE": "0", "AMPRA_LIMIT_SOURCE_BYTES_RATE": "0",
		"AMPRA_LIMIT_USER_READINGS_RATE": "0", "AMPRA_LIMIT_USER_BYTES_RATE": "0",
	}
	maps.Copy(all, settings)
	for key, value := range all {
		if value == "" && key != "AMPRA_MQTT_TLS_LISTEN" {
			delete(all, key)
		}
	}
	if s.part, err = start(ampraPart, name, h.bench.profile(name), all, "serve"); err != nil {
		return nil, err
	}
	return s, s.await(ctx, ready(s.url()))
}

// freeAddress finds a loopback port that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// servers are the processes of one case.
type servers []*server

// stop ends them, the last first.
func (s servers) stop() error {
	var err error
	for _, one := range slices.Backward(s) {
		err = errors.Join(err, one.stop())
	}
	return err
}

func (s servers) processes() []process {
	all := make([]process, len(s))
	for i, one := range s {
		all[i] = one.process()
	}
	return all
}

// pipeline is a journal and an archive that belong to one case.
type pipeline struct {
	lease           *lease
	brokers         []string
	prefix          string
	mongo, database string
}

// newPipeline makes them; close removes them.
func (b *bench) newPipeline(ctx context.Context, name string) (*pipeline, error) {
	p := &pipeline{lease: &lease{ctx: ctx, name: name}}
	var err error
	if p.brokers, p.prefix, err = p.lease.kafka(); err != nil { //nolint:contextcheck // the lease has it
		return nil, err
	}
	p.mongo, p.database, err = p.lease.mongo() //nolint:contextcheck // the lease has it
	b.brokers, b.mongoURL = p.brokers, p.mongo
	return p, err
}

func (p *pipeline) close() { p.lease.close() }

func (p *pipeline) settings(more map[string]string) map[string]string {
	all := map[string]string{
		"AMPRA_KAFKA_BROKERS": strings.Join(p.brokers, ","), "AMPRA_KAFKA_TOPIC_PREFIX": p.prefix,
		"AMPRA_MONGO_URL": p.mongo, "AMPRA_MONGO_DATABASE": p.database,
	}
	maps.Copy(all, more)
	return all
}
