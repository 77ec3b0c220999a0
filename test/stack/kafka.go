package stack

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
)

//go:embed kafka.pom.xml
var kafkaPOM []byte

// kafkaCluster is any valid cluster id: the data live as long as the server.
const kafkaCluster = "5L6g3nShT-eMCtK--X86sw"

// kafkaBroker is Kafka 4.1 as a single node, broker and controller in one.
type kafkaBroker struct {
	// advertised is what clients are told to dial, "" for where it listens.
	advertised string
}

func (kafkaBroker) name() string     { return "Kafka" }
func (kafkaBroker) variable() string { return "AMPRA_TEST_KAFKA_BROKERS" }

// settings are server.properties for both ways. The listeners' addresses are
// where the server binds, advertised is what clients dial.
func (kafkaBroker) settings(listener, controller, voter, advertised string) map[string]string {
	return map[string]string{
		"process.roles":                                    "broker,controller",
		"node.id":                                          "1",
		"controller.quorum.voters":                         "1@" + voter,
		"listeners":                                        "PLAINTEXT://" + listener + ",CONTROLLER://" + controller,
		"advertised.listeners":                             "PLAINTEXT://" + advertised,
		"controller.listener.names":                        "CONTROLLER",
		"listener.security.protocol.map":                   "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"inter.broker.listener.name":                       "PLAINTEXT",
		"auto.create.topics.enable":                        "false",
		"group.initial.rebalance.delay.ms":                 "0",
		"offsets.topic.num.partitions":                     "4",
		"offsets.topic.replication.factor":                 "1",
		"transaction.state.log.num.partitions":             "2",
		"transaction.state.log.min.isr":                    "1",
		"transaction.state.log.replication.factor":         "1",
		"share.coordinator.state.topic.num.partitions":     "1",
		"share.coordinator.state.topic.min.isr":            "1",
		"share.coordinator.state.topic.replication.factor": "1",
		"log.cleaner.dedupe.buffer.size":                   "16777216", // of a small heap
	}
}

func (k kafkaBroker) inDocker(ctx context.Context, e *engine) (instance, error) {
	port, err := freePort() // known before the start, since Kafka itself tells it to clients
	if err != nil {
		return instance{}, err
	}
	address := e.host + ":" + strconv.Itoa(port)
	env := map[string]string{"CLUSTER_ID": kafkaCluster, "KAFKA_HEAP_OPTS": "-Xms64m -Xmx512m"}
	for key, value := range k.settings(":9092", ":9093", "localhost:9093", address) {
		env["KAFKA_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))] = value
	}
	stop, err := e.start(ctx, image{
		name: "apache/kafka:4.1.0", env: env, inside: 9092, outside: port,
	}, answersKafka(address))
	return instance{address: address, stop: stop}, err
}

func (k kafkaBroker) asProgram(ctx context.Context, h *host) (instance, error) {
	java, libs, err := k.program(ctx, h)
	if err != nil {
		return instance{}, err
	}
	port, err := freePort()
	if err != nil {
		return instance{}, err
	}
	controller, err := freePort()
	if err != nil {
		return instance{}, err
	}
	data, err := h.folder("kafka", nil)
	if err != nil {
		return instance{}, err
	}
	address := loopback(port)
	set := k.settings(address, loopback(controller), loopback(controller), cmp.Or(k.advertised, address))
	set["log.dirs"] = data
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(set)) {
		fmt.Fprintf(&text, "%s=%s\n", key, set[key])
	}
	config := data + ".properties"
	if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
		return instance{}, err
	}
	options := []string{
		"-Xms64m", "-Xmx512m", "-XX:+UseSerialGC",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", filepath.Join(libs, "*"),
	}
	format := append(slices.Clone(options), "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "-t", kafkaCluster, "-c", config)
	if err := run(ctx, java, format...); err != nil {
		return instance{}, fmt.Errorf("formatting Kafka's storage: %w", err)
	}
	running, err := h.start(ctx, process{
		name: "kafka", path: java, args: append(options, "kafka.Kafka", config), dir: data,
	}, answersKafka(address))
	running.address = address
	return running, err
}

// program finds Java and the folder of Kafka's jars: in the cache, beside a
// kafka-server-start on the path, or by installing them.
func (kafkaBroker) program(ctx context.Context, h *host) (java, libs string, err error) {
	const kept = "kafka-4.1.0"
	cached := filepath.Join(h.programs.folder, kept)
	if _, err := os.Stat(cached); err != nil {
		if libs = kafkaOnPath(); libs == "" && !mayInstall() {
			return "", "", missing("Kafka is neither on the path nor in %s (it is installed only as root on Debian)", h.programs.folder)
		}
	}
	java, err = h.programs.need(ctx, h.say, "java", func() string {
		return onPath([]string{"java"}, filepath.Join(os.Getenv("JAVA_HOME"), "bin"))
	}, "default-jre-headless")
	if err != nil || libs != "" {
		return java, libs, err
	}
	libs, err = h.programs.keep(kept, func(dir string) error {
		maven, err := h.programs.need(ctx, h.say, "mvn", func() string { return onPath([]string{"mvn"}) }, "maven")
		if err != nil {
			return err
		}
		h.say("installing Kafka 4.1.0 from Maven Central (org.apache.kafka:kafka_2.13, 43 MB)")
		pom := filepath.Join(dir, "pom.xml")
		if err := os.WriteFile(pom, kafkaPOM, 0o600); err != nil {
			return err
		}
		if err := run(ctx, maven, "-q", "-B", "-Dstyle.color=never", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir); err != nil {
			return missing("Kafka cannot be fetched: %v", err)
		}
		return nil
	})
	return java, libs, err
}

// kafkaOnPath returns the jars' folder of a Kafka whose scripts are on the path.
func kafkaOnPath() string {
	script, err := filepath.EvalSymlinks(onPath([]string{"kafka-server-start.sh", "kafka-server-start"}))
	if err != nil {
		return ""
	}
	for _, dir := range []string{"../libs", "../libexec/libs"} {
		libs := filepath.Join(filepath.Dir(script), dir)
		if _, err := os.Stat(libs); err == nil {
			return libs
		}
	}
	return ""
}

// answersKafka tells whether the broker has joined its own cluster: before that it
// answers with no brokers.
func answersKafka(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		return onKafka([]string{address}, func(client *kafka.Client) error {
			found, err := client.Metadata(ctx, &kafka.MetadataRequest{})
			if err == nil && len(found.Brokers) == 0 {
				err = errors.New("no broker has registered yet")
			}
			return err
		})
	}
}

// onKafka acts with a client whose connections are closed after.
func onKafka(brokers []string, act func(*kafka.Client) error) error {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	return act(&kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport, Timeout: cleanupTime})
}

func freshKafka(t testing.TB, address string) ([]string, string) {
	t.Helper()
	brokers, prefix := strings.Split(address, ","), ownName(t, "-")+"-"
	afterTest(t, "deleting the test's topics", func(ctx context.Context) error {
		return onKafka(brokers, func(client *kafka.Client) error { return deleteTopics(ctx, client, prefix) })
	})
	return brokers, prefix
}

func deleteTopics(ctx context.Context, client *kafka.Client, prefix string) error {
	found, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return fmt.Errorf("listing topics: %w", err)
	}
	var mine []string
	for _, topic := range found.Topics {
		if strings.HasPrefix(topic.Name, prefix) {
			mine = append(mine, topic.Name)
		}
	}
	if len(mine) == 0 {
		return nil
	}
	gone, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: mine})
	if err != nil {
		return fmt.Errorf("deleting topics: %w", err)
	}
	for topic, err := range gone.Errors {
		if err != nil && !errors.Is(err, kafka.UnknownTopicOrPartition) {
			return fmt.Errorf("deleting topic %s: %w", topic, err)
		}
	}
	return nil
}
