package kafka_test

import (
	"errors"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"ampra/adapters/kafka"
	"ampra/test/stack"
)

func TestAProcessWhoseClockIsHoursOffCanAppend(t *testing.T) {
	t.Parallel()
	brokers, prefix := stack.Kafka(t)
	if err := open(t, kafka.Config{Brokers: brokers, TopicPrefix: prefix, Partitions: 1}).Setup(t.Context()); err != nil {
		t.Fatalf("setting up: %v", err)
	}
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafkago.Client{Addr: kafkago.TCP(brokers...), Transport: transport, Timeout: 10 * time.Second}
	for _, off := range []time.Duration{-48 * time.Hour, 0, 3 * time.Hour, 48 * time.Hour} {
		produce := func() error {
			answer, err := client.Produce(t.Context(), &kafkago.ProduceRequest{
				Topic: prefix + ".telemetry", Partition: 0, RequiredAcks: kafkago.RequireAll,
				Records: kafkago.NewRecordReader(kafkago.Record{Time: time.Now().Add(off), Value: kafkago.NewBytes([]byte("entry"))}),
			})
			if err != nil {
				return err
			}
			return answer.Error
		}
		err := produce()
		for passing := kafkago.Error(0); errors.As(err, &passing) && passing.Temporary() && t.Context().Err() == nil; {
			err = produce() // the topic is so young that its leader does not know yet
		}
		if err != nil {
			t.Errorf("a record of a clock that is off by %s: %v", off, err)
		}
	}
}
