package kafka_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ampra/adapters/kafka"
	"ampra/core/fault"
	"ampra/test/stack"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestSeveralProcessesSetUpAtOnce(t *testing.T) {
	t.Parallel()
	brokers, prefix := stack.Kafka(t)
	var processes sync.WaitGroup
	for range 6 {
		c := open(t, kafka.Config{Brokers: brokers, TopicPrefix: prefix, Partitions: 4})
		processes.Go(func() {
			for range 2 {
				if err := c.Setup(t.Context()); err != nil {
					t.Errorf("setting up: %v", err)
				}
			}
		})
	}
	processes.Wait()
}

func TestSetupSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	brokers, prefix := stack.Kafka(t)
	if err := open(t, kafka.Config{Brokers: brokers, TopicPrefix: prefix, Partitions: 2}).Setup(t.Context()); err != nil {
		t.Fatalf("setting up: %v", err)
	}
	if err := open(t, kafka.Config{Brokers: brokers, TopicPrefix: prefix, Partitions: 1}).Setup(t.Context()); err != nil {
		t.Errorf("more partitions than the setting says: %v", err)
	}
	for name, c := range map[string]struct {
		cfg  kafka.Config
		says []string
	}{
		"fewer partitions than the setting says": {
			kafka.Config{Brokers: brokers, TopicPrefix: prefix, Partitions: 3},
			[]string{prefix + ".telemetry", "has 2 partitions", "says 3"},
		},
		"more replicas than brokers": {
			kafka.Config{Brokers: brokers, TopicPrefix: prefix + "r", Replication: 5},
			[]string{prefix + "r.telemetry", "5 brokers"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := open(t, c.cfg).Setup(ctx)
			if err == nil {
				t.Fatal("set up")
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestAClusterThatIsAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	c := open(t, kafka.Config{Brokers: []string{"127.0.0.1:1"}, TopicPrefix: "nowhere", RequestTimeout: time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := c.Ping(ctx); !fault.Is(err, fault.Unavailable) {
		t.Errorf("pinging gives %v", err)
	}
	if err := c.Setup(ctx); !fault.Is(err, fault.Unavailable) {
		t.Errorf("setting up gives %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := c.Ping(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("pinging with an ended context gives %v", err)
	}
}

func TestAClusterThatIsThereAnswersPings(t *testing.T) {
	t.Parallel()
	brokers, prefix := stack.Kafka(t)
	if err := open(t, kafka.Config{Brokers: brokers, TopicPrefix: prefix}).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	t.Parallel()
	for says, cfg := range map[string]kafka.Config{
		"no Kafka broker":        {TopicPrefix: "a"},
		`"here" is no address`:   {Brokers: []string{"here"}, TopicPrefix: "a"},
		`"here:" is no address`:  {Brokers: []string{"here:"}, TopicPrefix: "a"},
		`"" is no prefix`:        {Brokers: []string{"here:1"}},
		`"a b" is no prefix`:     {Brokers: []string{"here:1"}, TopicPrefix: "a b"},
		"partitions is below 0":  {Brokers: []string{"here:1"}, TopicPrefix: "a", Partitions: -1},
		"queue bytes is below 0": {Brokers: []string{"here:1"}, TopicPrefix: "a", QueueBytes: -1},
	} {
		_, err := kafka.New(cfg, kafka.Deps{Log: slog.New(slog.DiscardHandler), Observer: nil})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("the error %v does not say %s", err, says)
		}
	}
}
