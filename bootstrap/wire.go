package bootstrap

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/files"
	"ampra/adapters/httpapi"
	"ampra/adapters/kafka"
	"ampra/adapters/metrics"
	"ampra/adapters/mongodb"
	"ampra/adapters/mqtt"
	"ampra/adapters/mqttbroker"
	"ampra/adapters/sqldb"
	"ampra/adapters/webhook"
	"ampra/core/change"
	"ampra/core/credential"
	"ampra/core/rollup"
	"ampra/core/telemetry"
	"ampra/core/transaction"
	"ampra/modules/credentials"
	"ampra/modules/devices"
	"ampra/modules/identity"
	"ampra/modules/imports"
	"ampra/modules/jobs"
	"ampra/modules/live"
	"ampra/modules/powergroups"
	"ampra/modules/settings"
	"ampra/modules/sunsources"
	"ampra/modules/telemetry/ingest"
	"ampra/modules/telemetry/query"
	rollups "ampra/modules/telemetry/rollup"
	"ampra/modules/telemetry/writer"
)

// Intervals of what is done now and then.
const (
	usageInterval   = 2 * time.Second
	sweepInterval   = 10 * time.Minute
	erasureInterval = 30 * time.Second
)

// house is what wire puts together, so that each step can use what came before.
type house struct {
	db     *sqldb.DB
	sealer credential.Sealer
	feed   *sqldb.Feed
	// What use cases tell of their changes; see wireOutside.
	transactions transaction.Runner
	outbox       change.Outbox
	changes      change.Feed

	registry    *credentials.Registry
	usage       *credentials.Usage
	gate        *credentials.Gate
	archive     telemetry.Archive
	store       *writer.Store
	journal     telemetry.Journal
	deadLetters telemetry.DeadLetters // the way in for what the journal can't read
	door        telemetry.DeadLetters // the way in for what devices send
	letters     telemetry.LetterStore // where owners see them
	mongo       *mongodb.Archive      // nil without MongoDB
	hub         *live.Hub             // nil without the API
	live        *live.Publisher       // where events that are not readings are told
	limits      *ingest.Limits
	queue       *ingest.Queue
	throttle    *metrics.Throttle
	ingest      countedIngest
	accounts    *identity.Service
	credentials *credentials.Service
	sources     *sunsources.Service
	settings    *settings.Service
	rollups     rollup.Store
	energies    *rollups.Service
	sites       *settings.Sites
	notes       *settings.Notes
	spool       *files.Spool
	imports     *imports.Service
	jobs        *jobs.Service
	tracker     *devices.Tracker // nil without the writer
	knocks      *devices.Attempts
	noticer     *devices.Noticer
	devices     *devices.Service // nil without the API
}

// wire puts ports and adapters together, from the stores to what takes things in.
// Parts end in reverse order.
func (a *App) wire(ctx context.Context, version string) error {
	if err := a.wireTracing(ctx, version); err != nil {
		return err
	}
	var h house
	for _, step := range []func(context.Context, *house) error{
		a.wireRecords, a.wireArchive, a.wireOutside, a.wireCredentials, a.wireSettings, a.wirePipeline, a.wireUseCases, a.wireDevices, a.wireImports, a.wireBroker, a.wireSubscriber,
	} {
		if err := step(ctx, &h); err != nil {
			return err
		}
	}
	a.observeParts()
	return a.wireHTTP(&h, version) //nolint:contextcheck // requests bring their own
}

// wireRecords opens the keys and the store of records, and brings its schema up
// to date.
func (a *App) wireRecords(ctx context.Context, h *house) error {
	box, err := Keys(a.cfg, a.log)
	if err != nil {
		return err
	}
	h.sealer = box
	if h.db, err = Records(a.cfg); err != nil { //nolint:contextcheck // opening bounds itself
		return err
	}
	a.closer(h.db.Close)
	if err := a.untilReady(ctx, "the store of records", h.db.Migrate); err != nil {
		return err
	}
	a.checks["records"] = h.db.Ping
	h.feed = sqldb.NewFeed(h.db, sqldb.FeedConfig{}, sqldb.FeedDeps{Log: a.log})
	a.checks["feed"] = func(context.Context) error {
		if !h.feed.Trusted() {
			return errors.New("changes of other processes do not arrive")
		}
		return nil
	}
	a.observeFeed(h.feed)
	a.parts.add("change feed", 10*time.Second, h.feed.Run)
	return nil
}

// wireArchive opens where readings are kept.
func (a *App) wireArchive(ctx context.Context, h *house) error {
	if file := TelemetryFile(a.cfg); file != "" {
		archive, err := sqldb.OpenArchive(file) //nolint:contextcheck // opening bounds itself
		if err != nil {
			return err
		}
		a.closer(archive.Close)
		a.checks["archive"] = archive.Ping
		h.archive, h.rollups = a.archived(&told{Archive: archive, log: a.log}), archive.Rollups()
		return nil
	}
	archive, err := mongodb.New(mongodb.Config{
		URL: credential.NewSecret(a.cfg.MongoURL), Database: a.cfg.MongoDatabase,
		MoveEvery: a.cfg.MongoMoveEvery, MoveRows: a.cfg.MongoMoveRows,
	}, mongodb.Deps{Log: a.log})
	if err != nil {
		return err
	}
	a.closer(func() error {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return archive.Close(closing)
	})
	if err := a.untilReady(ctx, "MongoDB", archive.Setup); err != nil {
		return err
	}
	a.checks["archive"] = a.unlessSpared(archive.Ping)
	a.wireMoves(archive)
	h.mongo, h.archive = archive, a.archived(archive)
	return nil
}

// wireCredentials makes what lets devices in. The registry hears of changes
// first: all that comes after it asks it again.
func (a *App) wireCredentials(ctx context.Context, h *house) error {
	process, err := uuid.NewRandom()
	if err != nil {
		return err
	}
	h.registry = credentials.NewRegistry(credentials.RegistryDeps{
		Records: sqldb.NewAccessRecords(h.db), Sealer: h.sealer, Feed: h.feed, Clock: systemClock(),
	})
	presence := sqldb.NewPresence(h.db)
	h.usage = credentials.NewUsage(credentials.UsageDeps{
		Credentials: sqldb.NewCredentials(h.db), Presence: presence, Clock: systemClock(), Process: process,
		Failed: func(err error) {
			a.log.WarnContext(ctx, "writing down the use of credentials failed, it will be tried again", "error", err)
		},
	})
	a.parts.add("credentials' usage", 5*time.Second, ticking(usageInterval, h.usage.Run))
	if h.gate, err = credentials.NewGate(credentials.GateDeps{
		Registry: h.registry, Usage: h.usage, Clock: systemClock(), Random: rand.Reader,
	}); err != nil {
		return err
	}
	h.credentials = credentials.New(credentials.Deps{
		Sources: sqldb.NewSunSources(h.db), Credentials: sqldb.NewCredentials(h.db), Sealer: h.sealer, Presence: presence,
		Transactions: h.transactions, Outbox: h.outbox, Feed: h.changes, Audit: sqldb.NewAuditLog(h.db),
		Clock: systemClock(), Random: rand.Reader,
	})
	return nil
}

// wirePipeline makes the journal, with Kafka or without, and the writer.
func (a *App) wirePipeline(ctx context.Context, h *house) error {
	if err := a.wireTracker(ctx, h); err != nil {
		return err
	}
	h.store = writer.NewStore(h.written(), h.registry, h.feed)
	if err := a.wireRollup(ctx, h); err != nil {
		return err
	}
	if len(a.cfg.KafkaBrokers) == 0 {
		direct := writer.NewDirect(writer.DirectConfig{Queue: 4096, Batch: 5000, FlushTime: 15 * time.Second}, h.store)
		a.parts.add("journal", 20*time.Second, direct.Run)
		a.observeQueue(direct.Queued, nil)
		h.journal = a.journaled(direct)
		if err := a.wireLive(ctx, h, nil); err != nil {
			return err
		}
		return a.wireDeadLetters(ctx, h, nil)
	}
	cluster, err := kafka.New(kafka.Config{
		Brokers: a.cfg.KafkaBrokers, TopicPrefix: a.cfg.KafkaTopicPrefix,
		Partitions: a.cfg.KafkaPartitions, Replication: a.cfg.KafkaReplication,
	}, kafka.Deps{Log: a.log, Observer: countedKafka{a.metrics}})
	if err != nil {
		return err
	}
	a.closer(func() error { cluster.Close(); return nil })
	if err := a.untilReady(ctx, "Kafka", cluster.Setup); err != nil {
		return err
	}
	a.checks["journal"] = cluster.Ping
	journal := cluster.Journal()
	a.parts.add("journal", 30*time.Second, journal.Run)
	a.observeQueue(func() int { n, _ := journal.Queued(); return n }, func() int { _, n := journal.Queued(); return n })
	h.journal = a.journaled(journal)
	if err := a.wireLive(ctx, h, cluster); err != nil {
		return err
	}
	if err := a.wireDeadLetters(ctx, h, cluster); err != nil {
		return err
	}
	if a.cfg.Has(RoleWriter) {
		log := cluster.Log()
		a.parts.add("journal's reader", 15*time.Second, log.Run)
		w := writer.New(writer.Config{
			Batch: 5000, Linger: 50 * time.Millisecond, Window: 500 * time.Millisecond,
			RetryMin: 100 * time.Millisecond, RetryMax: 5 * time.Second,
		}, writer.Deps{
			Log: a.logged(log), Store: h.store, DeadLetters: h.deadLetters, Clock: systemClock(),
			Failed: func(err error) {
				a.metrics.Retried()
				a.log.WarnContext(ctx, "writing readings failed, it will be tried again", "error", err)
			},
		})
		a.parts.add("writer", 20*time.Second, a.halting(w.Run))
	}
	return nil
}

// wireUseCases makes what the API calls, and what is swept now and then.
func (a *App) wireUseCases(ctx context.Context, h *house) error {
	a.wireLimits(h)
	h.ingest = countedIngest{
		next: ingest.New(ingest.Deps{
			Journal: h.journal, DeadLetters: h.door, Clock: systemClock(), Random: rand.Reader,
			Limits: h.limits, Queue: h.queue, Owners: owners{h.registry}, Gather: a.gatherer(),
			Sites: h.sites, Notes: h.notes,
		}), throttle: h.throttle, m: a.metrics, traces: a.traces,
	}
	a.wireGathering(h)
	var err error
	if h.accounts, err = Accounts(a.cfg, h.db); err != nil {
		return err
	}
	h.sources = sunsources.New(sunsources.Deps{
		Sources: sqldb.NewSunSources(h.db), Groups: sqldb.NewPowerGroups(h.db), Erasures: sqldb.NewErasures(h.db), Prices: sqldb.NewTariffs(h.db),
		Credentials: h.credentials, Telemetry: eraser{h.archive, h.letters}, Transactions: h.transactions, Outbox: h.outbox, Feed: h.changes,
		Audit: sqldb.NewAuditLog(h.db), Clock: systemClock(), Random: rand.Reader,
		Deferred: func(err error) {
			a.log.WarnContext(ctx, "telemetry of a deleted source is left, it will be erased later", "error", err)
		},
	})
	if !a.cfg.Has(RoleAPI) {
		return nil
	}
	if a.setupToken, err = h.accounts.PrepareSetup(ctx); err != nil {
		return err
	}
	a.parts.add("erasures", 10*time.Second, ticking(erasureInterval, h.sources.EraseForgotten))
	a.parts.add("sweeps", 5*time.Second, every(sweepInterval, a.log, "sweeping what is over", func(ctx context.Context) error {
		return a.sweep(ctx, h)
	}))
	return nil
}

// wireBroker makes the embedded broker.
func (a *App) wireBroker(_ context.Context, h *house) error {
	if a.mqtt == nil && a.mqttTLS == nil {
		return nil
	}
	broker := mqttbroker.New(mqttbroker.Config{}, mqttbroker.Deps{
		Gate: noticedGate{countedGate{h.gate, a.metrics}, h.noticer}, Ingest: noticedIngest{h.ingest, h.noticer}, Usage: h.usage,
		Limits: countedLimits{h.limits, h.throttle, "mqtt"}, Foreign: foreign(h.noticer), Log: a.log,
	})
	h.feed.Subscribe(broker.Apply)
	a.observeBroker(broker)
	a.parts.add("MQTT broker", 15*time.Second, func(ctx context.Context) error {
		return broker.Run(ctx, present(a.mqtt, a.mqttTLS)...)
	})
	return nil
}

// wireSubscriber makes the reader of an outside broker.
func (a *App) wireSubscriber(_ context.Context, h *house) error {
	if a.cfg.MQTTURL == "" || !a.cfg.Has(RoleIngest) {
		return nil
	}
	name, err := a.clientName()
	if err != nil {
		return err
	}
	subscriber, err := mqtt.NewSubscriber(mqtt.SubscriberConfig{
		URL: credential.NewSecret(a.cfg.MQTTURL), Group: a.cfg.MQTTGroup, Name: name, Connections: a.cfg.MQTTConnections,
		Window: uint16(a.cfg.MQTTWindow), SessionExpiry: a.cfg.MQTTSessionExpiry, Leave: a.cfg.MQTTLeave, //nolint:gosec // checked
	}, mqtt.SubscriberDeps{Sources: h.registry, Ingest: noticedIngest{h.ingest, h.noticer}, Log: a.log})
	if err != nil {
		return &SettingError{Setting: "mqtt-url", Got: Masked(a.cfg.MQTTURL), Want: err.Error()}
	}
	a.checks["broker"] = func(context.Context) error { return subscriber.Ping() }
	a.metrics.Gauge("ampra_mqtt_connections", "Connections to the outside broker.", func() float64 { return float64(subscriber.Connected()) })
	a.metrics.Counter("ampra_mqtt_dropped_total", "Messages of sources that may not send.", func() float64 { return float64(subscriber.Dropped()) })
	a.parts.add("MQTT subscriber", 15*time.Second, subscriber.Run)
	return nil
}

// wireHTTP makes the API, or health and metrics alone in a process without that
// role.
func (a *App) wireHTTP(h *house, version string) error {
	cfg := httpapi.Defaults()
	cfg.PublicURL, cfg.Version, cfg.HealthOnly = a.cfg.PublicURL, version, !a.cfg.Has(RoleAPI)
	cfg.MQTTHost, cfg.MQTTPort = a.cfg.MQTTPublicHost, a.cfg.MQTTPublicPort
	server, err := httpapi.New(cfg, httpapi.Deps{
		Identity: h.accounts, Sources: h.sources, Credentials: h.credentials,
		Groups: powergroups.New(powergroups.Deps{
			Groups: sqldb.NewPowerGroups(h.db), Clock: systemClock(), Random: rand.Reader,
		}),
		Telemetry: query.New(query.Deps{
			Sources: sqldb.NewSunSources(h.db), Archive: h.archive, Days: h.energies, Zones: h.settings, Clock: systemClock(),
			Kept: query.Kept{Raw: a.cfg.Retention, Minutes: a.cfg.RetentionMinutes},
		}),
		Tariffs:     tariffUseCases(h),
		Energies:    h.energies,
		Devices:     h.devices,
		DeadLetters: letterUseCases(h, h.ingest.next),
		Imports:     h.imports, Jobs: h.jobs, Spool: h.spooled, Zones: h.settings, Sheet: workbook,
		Settings: h.settings,
		Live:     h.hub, LiveRefresh: h.refreshLive(),
		Idempotency: sqldb.NewIdempotency(h.db), Sealer: h.sealer,
		Webhook: webhook.New(webhook.Config{}, webhook.Deps{
			Gate: noticedGate{countedGate{h.gate, a.metrics}, h.noticer}, Ingest: noticedIngest{h.ingest, h.noticer}, Log: a.log,
		}),
		Internal: a.internalRoutes(h),
		Clock:    systemClock(), Random: rand.Reader, Log: a.log, Ready: a.Ready, Metrics: a.metrics.Handler(),
		Observe: func(o httpapi.Observation) { a.metrics.Request(o.Method, o.Route, o.Status, o.Took) },
	})
	if err != nil {
		return err
	}
	a.parts.add("HTTP", 20*time.Second, func(ctx context.Context) error { return server.Run(ctx, a.http) })
	return nil
}
