package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// How a leader is asked. It answers when it has minFetchBytes, or after
// fetchWait with what there is: a trickle of readings costs few requests so, and
// is read within fetchWait all the same.
const (
	minFetchBytes          = 64 << 10
	fetchWait              = 100 * time.Millisecond
	maxFetchBytes          = 2 << 20
	maxPartitionFetchBytes = 512 << 10
)

// fetcher reads the partitions of a session and puts what it reads into the
// log's channel.
type fetcher struct {
	log     *Log
	session *session

	mu   sync.Mutex
	next map[int32]int64 // by partition, the offset to read; FirstOffset: not known yet
}

func newFetcher(l *Log, s *session, assigned []kafka.PartitionAssignment) *fetcher {
	f := &fetcher{log: l, session: s, next: map[int32]int64{}}
	for _, a := range assigned {
		f.next[int32(a.ID)] = a.Offset //nolint:gosec // partitions are few
	}
	return f
}

// run reads until ctx ends. Each turn asks for the leaders, and reads from each
// at its own pace until something is wrong with one.
func (f *fetcher) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		if len(f.next) == 0 {
			<-ctx.Done() // there are more members than partitions
			return
		}
		if err := f.turn(ctx); err != nil && ctx.Err() == nil {
			f.log.outage.failed(ctx, err)
			pause(ctx, backoff(failures))
			failures++
		} else {
			failures = 0
		}
	}
}

// turn reads from all leaders until one fails.
func (f *fetcher) turn(ctx context.Context) error {
	byLeader, err := f.leaders(ctx)
	if err != nil {
		return err
	}
	if err := f.begin(ctx); err != nil {
		return err
	}
	// The others finish what they are at: a dead broker does not stop them.
	stale := make(chan struct{})
	var once sync.Once
	var first error
	var readers sync.WaitGroup
	for _, partitions := range byLeader {
		readers.Go(func() {
			if err := f.read(ctx, partitions, stale); err != nil {
				once.Do(func() {
					first = err
					close(stale)
				})
			}
		})
	}
	readers.Wait()
	return first
}

// leaders groups the partitions by their leader.
func (f *fetcher) leaders(ctx context.Context) (map[int32][]int32, error) {
	leaders, err := f.log.cluster.leaders(ctx, f.session.topic)
	if err != nil {
		return nil, err
	}
	byLeader := map[int32][]int32{}
	for partition := range f.next {
		if int(partition) >= len(leaders) || leaders[partition] < 0 {
			err = fmt.Errorf("partition %d of %s: %w", partition, f.session.topic, kafka.LeaderNotAvailable)
			continue
		}
		leader := leaders[partition]
		byLeader[leader] = append(byLeader[leader], partition)
	}
	if len(byLeader) == 0 {
		return nil, err
	}
	if err != nil {
		f.log.outage.failed(ctx, err) // the others are read
	}
	return byLeader, nil
}

// begin finds the first offsets of partitions of which none was committed.
func (f *fetcher) begin(ctx context.Context) error {
	for partition, offset := range f.next {
		if offset >= 0 {
			continue
		}
		first, err := f.first(ctx, partition)
		if err != nil {
			return err
		}
		f.next[partition] = first
	}
	return nil
}

func (f *fetcher) first(ctx context.Context, partition int32) (int64, error) {
	answer, err := f.log.cluster.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{f.session.topic: {kafka.FirstOffsetOf(int(partition))}},
	})
	if err != nil {
		return 0, fmt.Errorf("finding the first offset of partition %d: %w", partition, err)
	}
	for _, found := range answer.Topics[f.session.topic] {
		if found.Partition == int(partition) {
			return found.FirstOffset, found.Error
		}
	}
	return 0, fmt.Errorf("finding the first offset of partition %d: no answer", partition)
}

// read reads partitions of one leader until ctx ends, another reader made the
// turn stale, or with an error.
func (f *fetcher) read(ctx context.Context, partitions []int32, stale <-chan struct{}) error {
	for n := 0; ; n++ {
		select {
		case <-stale:
			return nil
		case <-ctx.Done():
			return nil
		default:
		}
		n %= len(partitions)
		answer, err := f.ask(ctx, append(partitions[n:len(partitions):len(partitions)], partitions[:n]...))
		if err != nil {
			return err
		}
		f.log.outage.worked(ctx)
		for _, topic := range answer.Topics {
			for i := range topic.Partitions {
				if err := f.deliver(ctx, &topic.Partitions[i]); err != nil {
					return err
				}
			}
		}
	}
}

// ask sends one request. Partitions that stand first get their share first.
func (f *fetcher) ask(ctx context.Context, partitions []int32) (*fetch.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchWait+f.log.cluster.cfg.RequestTimeout)
	defer cancel()
	asked := make([]fetch.RequestPartition, len(partitions))
	f.mu.Lock()
	for i, partition := range partitions {
		asked[i] = fetch.RequestPartition{
			Partition: partition, CurrentLeaderEpoch: -1, FetchOffset: f.next[partition], LogStartOffset: -1,
			PartitionMaxBytes: maxPartitionFetchBytes,
		}
	}
	f.mu.Unlock()
	response, err := f.log.cluster.transport.RoundTrip(ctx, f.log.cluster.addr, &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(fetchWait / time.Millisecond), MinBytes: minFetchBytes, MaxBytes: maxFetchBytes,
		SessionEpoch: -1, Topics: []fetch.RequestTopic{{Topic: f.session.topic, Partitions: asked}},
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.session.topic, err)
	}
	answer, ok := response.(*fetch.Response)
	if !ok {
		return nil, fmt.Errorf("reading %s: a strange answer of %T", f.session.topic, response)
	}
	if err := answered(answer.ErrorCode); err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.session.topic, err)
	}
	return answer, nil
}

// deliver hands on what was read of one partition.
func (f *fetcher) deliver(ctx context.Context, p *fetch.ResponsePartition) error {
	f.mu.Lock()
	next := f.next[p.Partition]
	f.mu.Unlock()
	err := answered(p.ErrorCode)
	if errors.Is(err, kafka.OffsetOutOfRange) {
		return f.skip(ctx, p.Partition, next)
	}
	if err != nil {
		return fmt.Errorf("reading partition %d of %s: %w", p.Partition, f.session.topic, err)
	}
	f.session.saw(p.Partition, next, p.HighWatermark)
	c := &chunk{session: f.session, partition: p.Partition}
	after, err := c.read(p.RecordSet.Records, next)
	if err != nil {
		return fmt.Errorf("reading partition %d of %s: %w", p.Partition, f.session.topic, err)
	}
	if len(c.records) > 0 {
		told := Fetched{
			Partition: p.Partition, Records: len(c.records), Bytes: len(c.data), Behind: max(p.HighWatermark-after, 0),
		}
		select {
		case f.log.chunks <- c: // which is the reader's from now on
		case <-ctx.Done():
			return nil
		}
		f.log.cluster.observer.Fetched(told)
	}
	f.mu.Lock()
	f.next[p.Partition] = after
	f.mu.Unlock()
	return nil
}

// skip goes on at the oldest record that is left. The offset is out of range when
// the readings after it were kept for too short a time, or when Kafka itself lost
// its newest.
func (f *fetcher) skip(ctx context.Context, partition int32, from int64) error {
	first, err := f.first(ctx, partition)
	if err != nil {
		return err
	}
	f.log.cluster.log.ErrorContext(ctx, "journal has a gap, going on at its oldest record",
		"partition", partition, "wanted", from, "oldest", first)
	f.mu.Lock()
	f.next[partition] = first
	f.mu.Unlock()
	return nil
}

// read takes the records from the offset next on, and returns the offset behind
// the last. A batch is given whole: the first may begin before next.
func (c *chunk) read(from protocol.RecordReader, next int64) (int64, error) {
	sets := []protocol.RecordReader{from}
	if stream, ok := from.(*protocol.RecordStream); ok {
		sets = stream.Records
	}
	for _, set := range sets {
		_, control := set.(*protocol.ControlBatch)
		for set != nil {
			r, err := set.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return next, err
			}
			err = c.take(r, r.Offset >= next && !control)
			if err != nil {
				return next, err
			}
			next = max(next, r.Offset+1)
		}
	}
	return next, nil
}

// take copies a record if it is wanted, and frees it.
func (c *chunk) take(r *protocol.Record, wanted bool) error {
	if r.Key != nil {
		defer r.Key.Close()
	}
	if r.Value != nil {
		defer r.Value.Close()
	}
	if !wanted {
		return nil
	}
	one := record{offset: r.Offset, at: r.Time.UTC(), from: len(c.data), to: len(c.data), trace: traceOf(r.Headers)}
	if r.Key != nil && r.Key.Len() == len(uuid.UUID{}) {
		if _, err := io.ReadFull(r.Key, one.source[:]); err != nil {
			return fmt.Errorf("the key at offset %d: %w", r.Offset, err)
		}
	}
	if r.Value != nil {
		one.to += r.Value.Len()
		c.data = append(c.data, make([]byte, r.Value.Len())...)
		if _, err := io.ReadFull(r.Value, c.data[one.from:]); err != nil {
			return fmt.Errorf("the value at offset %d: %w", r.Offset, err)
		}
	}
	c.records = append(c.records, one)
	return nil
}
