package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
)

// message is what becomes a record. trace goes into a header, if there is one.
type message struct {
	key, value []byte
	trace      string
}

// size is what a message takes in a batch, about, before compression.
func (m message) size() int { return len(m.key) + len(m.value) + len(m.trace) + 16 }

// outgoing are messages of one partition that go out in one batch.
type outgoing struct {
	partition int32
	messages  []message
}

// produce brings batches of several partitions to their leaders, in one request
// a leader: a request costs client and broker about the same whatever is in it.
// answer is called once for each batch, with nil when all in-sync replicas have
// it. An error says that it is not known whether they have.
func (c *Cluster) produce(ctx context.Context, topic string, batches []outgoing, answer func(i int, took time.Duration, err error)) {
	begun := time.Now()
	leaders, err := c.leaders(ctx, topic)
	if err != nil {
		for i := range batches {
			answer(i, time.Since(begun), err)
		}
		return
	}
	byLeader := map[int32][]int{}
	for i, batch := range batches {
		if int(batch.partition) >= len(leaders) || leaders[batch.partition] < 0 {
			answer(i, time.Since(begun), fmt.Errorf("partition %d of %s: %w", batch.partition, topic, kafka.LeaderNotAvailable))
			continue
		}
		leader := leaders[batch.partition]
		byLeader[leader] = append(byLeader[leader], i)
	}
	var requests sync.WaitGroup
	for _, group := range byLeader {
		requests.Go(func() { c.request(ctx, topic, batches, group, answer) })
	}
	requests.Wait()
}

// request sends the batches of a group, which have one leader.
func (c *Cluster) request(ctx context.Context, topic string, batches []outgoing, group []int, answer func(int, time.Duration, error)) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	partitions := make([]produce.RequestPartition, len(group))
	for n, i := range group {
		partitions[n] = produce.RequestPartition{
			Partition: batches[i].partition,
			RecordSet: protocol.RecordSet{Attributes: protocol.Snappy, Records: &recordReader{messages: batches[i].messages}},
		}
	}
	begun := time.Now()
	response, err := c.transport.RoundTrip(ctx, c.addr, &produce.Request{
		Acks: int16(kafka.RequireAll),
		// Replicas have less time than we wait: so it is they who tell of a delay.
		Timeout: int32(c.cfg.RequestTimeout.Milliseconds() / 2), //nolint:gosec // seconds
		Topics:  []produce.RequestTopic{{Topic: topic, Partitions: partitions}},
	})
	took := time.Since(begun)
	results := map[int32]error{}
	if err == nil {
		results, err = resultsOf(response)
	}
	for _, i := range group {
		result, told := results[batches[i].partition]
		switch {
		case err != nil:
			result = err
		case !told:
			result = errors.New("the answer does not speak of the partition")
		}
		if result != nil {
			result = fmt.Errorf("partition %d of %s: %w", batches[i].partition, topic, result)
		}
		answer(i, took, result)
	}
}

// resultsOf reads what a response says of each partition.
func resultsOf(response protocol.Message) (map[int32]error, error) {
	answer, ok := response.(*produce.Response)
	if !ok {
		return nil, fmt.Errorf("a strange answer of %T", response)
	}
	results := map[int32]error{}
	for _, topic := range answer.Topics {
		for _, p := range topic.Partitions {
			results[p.Partition] = answered(p.ErrorCode)
		}
	}
	return results, nil
}

// recordReader shows messages to the protocol's encoder, one after the other,
// without a copy. Each attempt has its own: one that was given up may still be
// reading.
type recordReader struct {
	messages []message
	next     int
	record   protocol.Record
	key, val byteReader
}

func (r *recordReader) ReadRecord() (*protocol.Record, error) {
	if r.next == len(r.messages) {
		return nil, io.EOF
	}
	m := r.messages[r.next]
	r.next++
	r.key.Reset(m.key)
	r.val.Reset(m.value)
	r.record = protocol.Record{Key: &r.key, Value: &r.val, Headers: traceHeaders(m.trace)}
	return &r.record, nil
}

type byteReader struct{ bytes.Reader }

func (*byteReader) Close() error { return nil }
