package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// deadPartitions is enough for what is rare.
const deadPartitions = 1

// deadBytes is how much of the dead letters Kafka keeps: they are drained from
// it, so that this is the room for a long outage of where they go.
const deadBytes = 1 << 30

// Setup makes the topics where they are missing and sees that they are as the
// settings say. It may be called again after an error, and by several processes
// at once. An error says what is wrong with the cluster.
func (c *Cluster) Setup(ctx context.Context) error {
	if err := c.makeTopics(ctx); err != nil {
		return fmt.Errorf("making Kafka's topics: %w", err)
	}
	for {
		err := c.checkTopics(ctx)
		if err == nil {
			return nil
		}
		// A new topic needs a moment until all brokers know it.
		if _, settled := errors.AsType[settingError](err); settled || !pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("looking at Kafka's topics: %w", err)
		}
	}
}

// settingError is an error that waiting does not change.
type settingError struct{ text string }

func (e settingError) Error() string { return e.text }

func (c *Cluster) makeTopics(ctx context.Context) error {
	inSync := 1
	if c.cfg.Replication >= 3 {
		inSync = 2
	}
	settings := func(retention time.Duration) []kafka.ConfigEntry {
		return []kafka.ConfigEntry{
			{ConfigName: "cleanup.policy", ConfigValue: "delete"},
			{ConfigName: "retention.ms", ConfigValue: strconv.FormatInt(retention.Milliseconds(), 10)},
			{ConfigName: "min.insync.replicas", ConfigValue: strconv.Itoa(inSync)},
			// Kafka's own time: by a producer's, one whose clock is an hour ahead could
			// append nothing, and retention would follow whatever clock was wrong.
			{ConfigName: "message.timestamp.type", ConfigValue: "LogAppendTime"},
		}
	}
	answer, err := c.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{
			Topic: c.topic(), NumPartitions: c.cfg.Partitions, ReplicationFactor: c.cfg.Replication,
			ConfigEntries: settings(c.cfg.Retention),
		},
		{
			Topic: c.deadTopic(), NumPartitions: deadPartitions, ReplicationFactor: c.cfg.Replication,
			ConfigEntries: append(settings(4*c.cfg.Retention),
				// A flood does not fill the disk. Whole segments go, so they are small.
				kafka.ConfigEntry{ConfigName: "retention.bytes", ConfigValue: strconv.Itoa(deadBytes)},
				kafka.ConfigEntry{ConfigName: "segment.bytes", ConfigValue: strconv.Itoa(deadBytes / 16)}),
		},
	}})
	if err != nil {
		return unavailable(err)
	}
	for topic, err := range answer.Errors {
		switch {
		case err == nil, errors.Is(err, kafka.TopicAlreadyExists):
		case errors.Is(err, kafka.InvalidReplicationFactor):
			return fmt.Errorf("the topic %s is to be kept by %d brokers, the cluster has fewer: %w", topic, c.cfg.Replication, err)
		case errors.Is(err, kafka.TopicAuthorizationFailed), errors.Is(err, kafka.ClusterAuthorizationFailed):
			return fmt.Errorf("the topic %s is missing and may not be made by us: make it with %d partitions: %w", topic, c.cfg.Partitions, err)
		default:
			return fmt.Errorf("the topic %s: %w", topic, err)
		}
	}
	return nil
}

// checkTopics sees that both topics are there, with a leader for each partition
// and enough partitions.
func (c *Cluster) checkTopics(ctx context.Context) error {
	for topic, want := range map[string]int{c.topic(): c.cfg.Partitions, c.deadTopic(): deadPartitions} {
		leaders, err := c.leaders(ctx, topic)
		if err != nil {
			return err
		}
		if len(leaders) < want {
			return settingError{fmt.Sprintf(
				"the topic %s has %d partitions and the setting says %d: lower the setting, or add partitions with kafka-topics.sh --alter",
				topic, len(leaders), want)}
		}
	}
	return nil
}

// leaders returns the broker that leads each partition of a topic, -1 where there
// is none now. It is as new as metadataTime.
func (c *Cluster) leaders(ctx context.Context, topic string) ([]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	answer, err := c.transport.RoundTrip(ctx, c.addr, &metadata.Request{TopicNames: []string{topic}})
	if err != nil {
		return nil, fmt.Errorf("looking for the topic %s: %w", topic, unavailable(err))
	}
	found, ok := answer.(*metadata.Response)
	if !ok || len(found.Topics) != 1 {
		return nil, fmt.Errorf("looking for the topic %s: a strange answer of %T", topic, answer)
	}
	if err := answered(found.Topics[0].ErrorCode); err != nil {
		return nil, fmt.Errorf("looking for the topic %s: %w", topic, unavailable(err))
	}
	partitions := found.Topics[0].Partitions
	leaders := make([]int32, len(partitions))
	for _, p := range partitions {
		if int(p.PartitionIndex) >= len(leaders) || p.PartitionIndex < 0 {
			return nil, fmt.Errorf("looking for the topic %s: there is no partition between %d and %d", topic, len(leaders), p.PartitionIndex)
		}
		leaders[p.PartitionIndex] = p.LeaderID
	}
	return leaders, nil
}
