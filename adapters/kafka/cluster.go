// Package kafka is the journal on Apache Kafka: it makes readings durable, gives
// them to the writers in order, and keeps what could not be read. What a record
// holds is said in core/telemetry; storing readings for queries is the archive's.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
)

// Config are the settings of a Cluster. What is 0 has the default.
type Config struct {
	// Brokers are addresses (host:port) to begin with; the others are learned.
	Brokers []string
	// TopicPrefix begins the names of the topics, <prefix>.telemetry and
	// <prefix>.telemetry.dead, and of the writers' group, <prefix>-writer.
	TopicPrefix string
	// Partitions of the telemetry topic, 12 by default: the most writers that share
	// the work. It can grow later; a source then moves to another partition.
	Partitions int
	// Replication is how many brokers keep each topic, 1 by default. From 3 on two
	// must have a reading before it counts as durable.
	Replication int
	// Retention is how long Kafka keeps readings, 7 days by default. A writer that
	// is away longer loses what it did not see. Dead letters are kept four times
	// as long. It, and Replication, are given to topics that are made; those that
	// are there stay as they are.
	Retention time.Duration

	// QueueRecords and QueueBytes bound what the journal has taken and not yet
	// brought to Kafka: 50,000 and 64 MiB by default.
	QueueRecords, QueueBytes int
	// DeliveryTimeout is how long a reading is tried, 10 s by default. The answer
	// may take a request's time more.
	DeliveryTimeout time.Duration
	// RequestTimeout bounds one request, 5 s by default.
	RequestTimeout time.Duration
	// FlushTimeout is how long a stop may take to bring out what was taken, 10 s by
	// default.
	FlushTimeout time.Duration
	// Linger is how long a record waits for others, 2 ms by default. While a
	// request is under way it is up to five times as long.
	Linger time.Duration

	// Dial connects to an address, as net.Dialer.DialContext by default.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Deps is what a Cluster needs of others.
type Deps struct {
	Log *slog.Logger
	// Observer may be nil.
	Observer Observer
}

// Observer hears what happens, for metrics. Its methods must not block.
type Observer interface {
	// Produced is called for each batch of one partition that Kafka answered, or
	// did not.
	Produced(Produced)
	// Fetched is called for each part of a partition that was read.
	Fetched(Fetched)
}

// Produced is the fate of a batch.
type Produced struct {
	Topic string
	// Bytes are those of keys and values, before compression.
	Records, Readings, Bytes int
	// Took is the time that the request took.
	Took time.Duration
	// Err is nil when all is durable; else the batch is tried again, or given up.
	Err error
}

// Fetched is a part of a partition.
type Fetched struct {
	Partition      int32
	Records, Bytes int
	// Behind is how many records of the partition are still to come.
	Behind int64
}

// silent is the Observer of whoever wants none.
type silent struct{}

func (silent) Produced(Produced) {}
func (silent) Fetched(Fetched)   {}

// Cluster is a Kafka cluster and the topics of one installation. It is safe for
// concurrent use, and so are several processes on the same topics.
type Cluster struct {
	cfg       Config
	log       *slog.Logger
	observer  Observer
	addr      net.Addr
	transport *kafka.Transport
	client    *kafka.Client
}

// metadataTime is within how much the leaders of partitions are learned anew.
const metadataTime = 2 * time.Second

// New checks the settings. It does not connect: see Setup.
func New(cfg Config, d Deps) (*Cluster, error) {
	cfg.Brokers = slices.Clone(cfg.Brokers)
	cfg.Partitions = orDefault(cfg.Partitions, 12)
	cfg.Replication = orDefault(cfg.Replication, 1)
	cfg.Retention = orDefault(cfg.Retention, 7*24*time.Hour)
	cfg.QueueRecords = orDefault(cfg.QueueRecords, 50_000)
	cfg.QueueBytes = orDefault(cfg.QueueBytes, 64<<20)
	cfg.DeliveryTimeout = orDefault(cfg.DeliveryTimeout, 10*time.Second)
	cfg.RequestTimeout = orDefault(cfg.RequestTimeout, 5*time.Second)
	cfg.FlushTimeout = orDefault(cfg.FlushTimeout, 10*time.Second)
	cfg.Linger = orDefault(cfg.Linger, 2*time.Millisecond)
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{}).DialContext
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, log: d.Log, observer: d.Observer, addr: kafka.TCP(cfg.Brokers...)}
	if c.observer == nil {
		c.observer = silent{}
	}
	c.transport = &kafka.Transport{
		Dial: cfg.Dial, DialTimeout: cfg.RequestTimeout, ClientID: "ampra",
		MetadataTTL: metadataTime, MetadataTopics: []string{c.topic(), c.deadTopic()},
	}
	c.client = &kafka.Client{Addr: c.addr, Transport: c.transport, Timeout: cfg.RequestTimeout}
	return c, nil
}

func orDefault[T ~int | ~int64](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

// A topic's name has at most 249 characters, of which 15 are ours.
var prefixPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`)

func (c Config) check() error {
	if len(c.Brokers) == 0 {
		return errors.New("no Kafka broker is named")
	}
	for _, broker := range c.Brokers {
		if _, port, err := net.SplitHostPort(broker); err != nil || port == "" {
			return fmt.Errorf("%q is no address of a Kafka broker, expected host:port", broker)
		}
	}
	if !prefixPattern.MatchString(c.TopicPrefix) {
		return fmt.Errorf("%q is no prefix for Kafka topics, expected 1 to 200 letters, digits, '.', '_' or '-'", c.TopicPrefix)
	}
	for name, value := range map[string]int64{
		"partitions": int64(c.Partitions), "replication": int64(c.Replication), "retention": int64(c.Retention),
		"queue records": int64(c.QueueRecords), "queue bytes": int64(c.QueueBytes), "delivery timeout": int64(c.DeliveryTimeout),
		"request timeout": int64(c.RequestTimeout), "flush timeout": int64(c.FlushTimeout), "linger": int64(c.Linger),
	} {
		if value < 0 {
			return fmt.Errorf("the setting for Kafka's %s is below 0", name)
		}
	}
	return nil
}

func (c *Cluster) topic() string     { return c.cfg.TopicPrefix + ".telemetry" }
func (c *Cluster) deadTopic() string { return c.cfg.TopicPrefix + ".telemetry.dead" }
func (c *Cluster) group() string     { return c.cfg.TopicPrefix + "-writer" }

// Ping reports whether a broker answers, as a fault Unavailable if not.
func (c *Cluster) Ping(ctx context.Context) error {
	answer, err := c.client.ApiVersions(ctx, &kafka.ApiVersionsRequest{})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return fmt.Errorf("pinging Kafka: %w", unavailable(err))
	}
	return nil
}

// Close ends the connections that nobody uses. To be called when the journal and
// the logs have stopped; it waits for nothing.
func (c *Cluster) Close() { c.transport.CloseIdleConnections() }
