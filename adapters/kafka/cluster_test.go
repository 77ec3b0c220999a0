package kafka_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"go.uber.org/goleak"

	"ampra/adapters/kafka"
	"ampra/core/telemetry"
	"ampra/test/contract"
	"ampra/test/stack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newCluster returns a cluster with topics of its own.
func newCluster(t testing.TB, configure func(*kafka.Config)) *kafka.Cluster {
	t.Helper()
	brokers, prefix := stack.Kafka(t)
	cfg := kafka.Config{Brokers: brokers, TopicPrefix: prefix, Partitions: 3}
	if configure != nil {
		configure(&cfg)
	}
	c := open(t, cfg)
	if err := c.Setup(t.Context()); err != nil {
		t.Fatalf("setting up: %v", err)
	}
	return c
}

func open(t testing.TB, cfg kafka.Config) *kafka.Cluster {
	t.Helper()
	c, err := kafka.New(cfg, kafka.Deps{Log: slog.New(slog.DiscardHandler), Observer: nil})
	if err != nil {
		t.Fatalf("making a cluster: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// background runs a part until stop is called or the test ends.
func background(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var done sync.WaitGroup
	done.Go(func() {
		if err := run(ctx); err != nil {
			t.Errorf("a part ended with %v", err)
		}
	})
	stop = func() {
		cancel()
		done.Wait()
	}
	t.Cleanup(stop)
	return stop
}

func openLog(t *testing.T, c *kafka.Cluster) (*kafka.Log, func()) {
	t.Helper()
	log := c.Log()
	return log, background(t, log.Run)
}

func TestAJournalKeepsItsContract(t *testing.T) {
	t.Parallel()
	contract.Journal(t, func(t *testing.T, _ telemetry.Archive) contract.JournalRig {
		var cfg kafka.Config
		c := newCluster(t, func(own *kafka.Config) { cfg = *own })
		journal := c.Journal()
		return contract.JournalRig{
			Journal: journal,
			Run:     journal.Run,
			OpenLog: func(t *testing.T) (telemetry.Log, func()) { return openLog(t, c) },
			Garble: func(t *testing.T, record []byte) {
				writeRaw(t, cfg, 1, record)
			},
		}
	})
}

// writeRaw puts a record of any bytes into the telemetry topic.
func writeRaw(t *testing.T, cfg kafka.Config, partition int, value []byte) {
	t.Helper()
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafkago.Client{Addr: kafkago.TCP(cfg.Brokers...), Transport: transport}
	eventually(t, 10*time.Second, "a record is written", func() bool { // a new topic's leader may not know it yet
		answer, err := client.Produce(t.Context(), &kafkago.ProduceRequest{
			Topic: cfg.TopicPrefix + ".telemetry", Partition: partition, RequiredAcks: kafkago.RequireAll,
			Records: kafkago.NewRecordReader(kafkago.Record{Value: kafkago.NewBytes(value)}),
		})
		return err == nil && answer.Error == nil
	})
}
