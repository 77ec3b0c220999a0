package bootstrap

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"ampra/adapters/httpapi"
	"ampra/adapters/kafka"
	"ampra/adapters/mqttbroker"
	"ampra/adapters/sqldb"
	"ampra/adapters/tracing"
	"ampra/core/telemetry"
)

// readyInterval is how often the parts are looked at for the metrics.
const readyInterval = 10 * time.Second

// wireTracing makes traces where the settings, or the standard variables of
// OpenTelemetry, say where to send them.
func (a *App) wireTracing(ctx context.Context, version string) error {
	if !a.cfg.Traced(os.Getenv) {
		return nil
	}
	host, _ := os.Hostname()
	traces, err := tracing.New(ctx, tracing.Config{
		Endpoint: a.cfg.OTLPEndpoint, Ratio: a.cfg.TraceRatio, Service: "ampra", Version: version,
		Instance: fmt.Sprintf("%s:%d", host, os.Getpid()),
	}, tracing.Deps{Exporter: nil})
	if err != nil {
		return &SettingError{Setting: "otlp-endpoint", Got: Masked(a.cfg.OTLPEndpoint), Want: err.Error()}
	}
	a.traces = traces
	a.parts.add("traces", 8*time.Second, traces.Run)
	return nil
}

// journaled is a journal with its metrics and traces.
func (a *App) journaled(next telemetry.Journal) telemetry.Journal {
	counted := a.metrics.Journal(next)
	if a.traces == nil {
		return counted
	}
	return a.traces.Journal(counted)
}

// archived is an archive with its metrics and traces.
func (a *App) archived(next telemetry.Archive) telemetry.Archive {
	counted := a.metrics.Archive(next)
	if a.traces == nil {
		return counted
	}
	return a.traces.Archive(counted)
}

// logged is a journal's reading end with its metrics and traces.
func (a *App) logged(next *kafka.Log) telemetry.Log {
	a.metrics.Gauge("ampra_writer_lag_records", "Records in this writer's partitions that are not committed.", func() float64 {
		return float64(next.Stats().Lag)
	})
	a.metrics.Gauge("ampra_writer_lag_worst_partition_records", "The same for the partition that is behind most.", func() float64 {
		return float64(next.Stats().Worst)
	})
	a.metrics.Gauge("ampra_writer_partitions", "Partitions that this writer has.", func() float64 { return float64(next.Stats().Partitions) })
	counted := a.metrics.Log(next)
	if a.traces == nil {
		return counted
	}
	return a.traces.Log(counted)
}

// observeQueue shows what waits in a journal. bytes may be nil.
func (a *App) observeQueue(records, bytes func() int) {
	a.metrics.Gauge("ampra_journal_queued_records", "Records taken that are not durable yet.", func() float64 { return float64(records()) })
	if bytes != nil {
		a.metrics.Gauge("ampra_journal_queued_bytes", "Bytes of the records taken that are not durable yet.", func() float64 { return float64(bytes()) })
	}
}

func (a *App) observeFeed(feed *sqldb.Feed) {
	a.metrics.Gauge("ampra_feed_trusted", "1 while this process hears of changes in time, 0 while it trusts nothing that it remembers.", func() float64 {
		if feed.Trusted() {
			return 1
		}
		return 0
	})
	a.metrics.Gauge("ampra_feed_age_seconds", "How long ago this process last asked for changes and got an answer.", func() float64 {
		return feed.Age().Seconds()
	})
	a.metrics.Gauge("ampra_feed_position", "The number of the last change that this process has applied: it differs between processes by what one is behind.", func() float64 {
		return float64(feed.Position())
	})
}

func (a *App) observeBroker(broker *mqttbroker.Broker) {
	a.metrics.Gauge("ampra_mqtt_sessions", "Devices connected by MQTT.", func() float64 { return float64(broker.Stats().Sessions) })
	a.metrics.Counter("ampra_mqtt_connections_refused_total", "Connections that ended before they were sessions.", func() float64 {
		return float64(broker.Stats().Refused)
	})
	for qos := range 3 {
		for i, result := range mqttbroker.Results() {
			labels := map[string]string{"qos": strconv.Itoa(qos), "result": result}
			a.metrics.CounterOf("ampra_mqtt_publishes_total", "Publishes of devices, by what became of them.", labels, func() float64 {
				return float64(broker.Publishes(qos, i))
			})
		}
	}
}

// observeParts shows, now and then, which parts answer.
func (a *App) observeParts() {
	look := func(ctx context.Context) error {
		for name, err := range a.Ready(ctx) {
			a.metrics.Part(name, err == nil)
		}
		return nil
	}
	again := every(readyInterval, a.log, "looking at the parts", look)
	a.parts.add("readiness", 5*time.Second, func(ctx context.Context) error {
		_ = look(ctx)
		return again(ctx)
	})
}

// unlessSpared is the check of the archive: a process that only takes readings in
// does without it, since they wait in the journal.
func (a *App) unlessSpared(ping func(ctx context.Context) error) func(ctx context.Context) error {
	if a.cfg.Has(RoleAPI) || a.cfg.Has(RoleWriter) {
		return ping
	}
	return func(ctx context.Context) error {
		if err := ping(ctx); err != nil {
			return httpapi.Spared{Cause: err}
		}
		return nil
	}
}
