package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"ampra/core/live"
)

var _ live.Tail = (*Tail)(nil)

// lookTime is how often a tail looks which broker leads which partition.
const lookTime = 10 * time.Second

// Tail reads the journal beside the writers' group: it commits nothing, and takes
// nothing from anybody.
type Tail struct {
	cluster *Cluster
	outage  *outage
}

// Tail returns a reader of what becomes durable from now on.
func (c *Cluster) Tail() *Tail {
	return &Tail{cluster: c, outage: &outage{log: c.log, what: "tail"}}
}

// Follow implements live.Tail. Where Kafka has lost what comes next, it goes on at
// the oldest that is left and says so.
func (t *Tail) Follow(ctx context.Context, began func(live.Position), take func(live.Part)) error {
	at, ok := t.end(ctx)
	if !ok {
		return nil
	}
	began(slices.Clone(at))
	r := &tailing{tail: t, next: at, take: take}
	for failures := 0; ctx.Err() == nil; {
		err := r.turn(ctx)
		if err == nil || ctx.Err() != nil {
			failures = 0
			continue
		}
		t.outage.failed(ctx, err)
		pause(ctx, backoff(failures))
		failures++
	}
	return nil
}

// end finds where the journal ends, as soon as Kafka says.
func (t *Tail) end(ctx context.Context) (live.Position, bool) {
	for failures := 0; ; failures++ {
		at, err := t.cluster.ends(ctx)
		if err == nil {
			return at, true
		}
		if ctx.Err() == nil {
			t.outage.failed(ctx, err)
		}
		if !pause(ctx, backoff(failures)) {
			return nil, false
		}
	}
}

// ends returns the offset behind the last record of each partition.
func (c *Cluster) ends(ctx context.Context) (live.Position, error) {
	leaders, err := c.leaders(ctx, c.topic())
	if err != nil {
		return nil, err
	}
	asked := make([]kafka.OffsetRequest, len(leaders))
	for p := range leaders {
		asked[p] = kafka.LastOffsetOf(p)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	answer, err := c.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{c.topic(): asked}})
	if err != nil {
		return nil, fmt.Errorf("finding the journal's end: %w", unavailable(err))
	}
	at := make(live.Position, len(leaders))
	found := 0
	for _, one := range answer.Topics[c.topic()] {
		if one.Error != nil {
			return nil, fmt.Errorf("finding the end of partition %d: %w", one.Partition, unavailable(one.Error))
		}
		if one.Partition < len(at) {
			at[one.Partition] = one.LastOffset
			found++
		}
	}
	if found != len(at) {
		return nil, fmt.Errorf("finding the journal's end: %d of %d partitions answered", found, len(at))
	}
	return at, nil
}

// Replay implements live.Tail.
func (t *Tail) Replay(ctx context.Context, from, until live.Position, take func(live.Part)) error {
	next := make(live.Position, len(until))
	copy(next, from)
	r := &tailing{tail: t, next: next, until: until, take: take}
	for !r.done() {
		if err := r.turn(ctx); err != nil {
			return fmt.Errorf("reading the journal again: %w", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// tailing reads from a position on.
type tailing struct {
	tail  *Tail
	until live.Position // nil without an end

	mu   sync.Mutex // also makes one order of what is taken
	next live.Position
	take func(live.Part)
}

// done reports whether everything is read.
func (r *tailing) done() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.until {
		if r.next[p] < r.until[p] {
			return false
		}
	}
	return r.until != nil
}

// turn reads from all leaders until one fails, or for a while.
func (r *tailing) turn(ctx context.Context) error {
	byLeader, err := r.leaders(ctx)
	if err != nil {
		return err
	}
	reading, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	var readers sync.WaitGroup
	errs := make(chan error, len(byLeader))
	for _, partitions := range byLeader {
		readers.Go(func() {
			if err := r.read(ctx, reading, partitions); err != nil {
				errs <- err
				cancel()
			}
		})
	}
	readers.Wait()
	close(errs)
	return <-errs
}

// leaders groups the partitions that are still to be read by their leader. A
// partition that was added is read from its beginning.
func (r *tailing) leaders(ctx context.Context) (map[int32][]int32, error) {
	leaders, err := r.tail.cluster.leaders(ctx, r.tail.cluster.topic())
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.until == nil && len(r.next) < len(leaders) {
		r.next = append(r.next, 0)
	}
	byLeader := map[int32][]int32{}
	for p, leader := range leaders {
		switch {
		case p >= len(r.next) || r.until != nil && r.next[p] >= r.until[p]:
		case leader < 0:
			err = fmt.Errorf("partition %d: %w", p, kafka.LeaderNotAvailable)
		default:
			byLeader[leader] = append(byLeader[leader], int32(p))
		}
	}
	if err != nil && (r.until != nil || len(byLeader) == 0) {
		return nil, err
	}
	return byLeader, nil
}

// read reads partitions of one leader until the turn is over: a request under way
// is waited for, since its connection would be lost.
func (r *tailing) read(ctx, turn context.Context, partitions []int32) error {
	for n := 0; turn.Err() == nil; n++ {
		asked := r.asked(partitions, n)
		if len(asked) == 0 {
			return nil
		}
		answer, err := r.tail.cluster.fetch(ctx, asked)
		if err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // whoever ends the context wants the end, not its error
			}
			return err
		}
		r.tail.outage.worked(ctx)
		for _, topic := range answer.Topics {
			for i := range topic.Partitions {
				if err := r.deliver(ctx, &topic.Partitions[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// asked is what to ask for next, beginning with another partition each time.
func (r *tailing) asked(partitions []int32, turn int) []fetch.RequestPartition {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := make([]fetch.RequestPartition, 0, len(partitions))
	for i := range partitions {
		p := partitions[(i+turn)%len(partitions)]
		if r.until != nil && r.next[p] >= r.until[p] {
			continue
		}
		asked = append(asked, fetch.RequestPartition{
			Partition: p, CurrentLeaderEpoch: -1, FetchOffset: r.next[p], LogStartOffset: -1, PartitionMaxBytes: maxPartitionFetchBytes,
		})
	}
	return asked
}

// fetch asks the leader of partitions for what comes next there.
func (c *Cluster) fetch(ctx context.Context, asked []fetch.RequestPartition) (*fetch.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchWait+c.cfg.RequestTimeout)
	defer cancel()
	response, err := c.transport.RoundTrip(ctx, c.addr, &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(fetchWait / time.Millisecond), MinBytes: minFetchBytes, MaxBytes: maxFetchBytes,
		SessionEpoch: -1, Topics: []fetch.RequestTopic{{Topic: c.topic(), Partitions: asked}},
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", c.topic(), err)
	}
	answer, ok := response.(*fetch.Response)
	if !ok {
		return nil, fmt.Errorf("reading %s: a strange answer of %T", c.topic(), response)
	}
	if err := answered(answer.ErrorCode); err != nil {
		return nil, fmt.Errorf("reading %s: %w", c.topic(), err)
	}
	return answer, nil
}

// deliver hands on what was read of one partition.
func (r *tailing) deliver(ctx context.Context, p *fetch.ResponsePartition) error {
	r.mu.Lock()
	next := r.next[p.Partition]
	r.mu.Unlock()
	err := answered(p.ErrorCode)
	if errors.Is(err, kafka.OffsetOutOfRange) {
		return r.skip(ctx, p.Partition)
	}
	if err != nil {
		return fmt.Errorf("reading partition %d: %w", p.Partition, err)
	}
	var c chunk
	after, err := c.read(p.RecordSet.Records, next)
	if err != nil {
		return fmt.Errorf("reading partition %d: %w", p.Partition, err)
	}
	if after == next {
		return nil
	}
	part := live.Part{Partition: p.Partition, Records: make([]live.Record, 0, len(c.records)), Next: after}
	for _, one := range c.records {
		if r.until != nil && one.offset >= r.until[p.Partition] {
			break
		}
		part.Records = append(part.Records, live.Record{
			Partition: p.Partition, Offset: one.offset, SourceID: one.source, Value: c.data[one.from:one.to:one.to],
		})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next[p.Partition] = after
	r.take(part)
	return nil
}

// skip goes on at the oldest record that is left, or, where that is not what was
// asked for, gives up.
func (r *tailing) skip(ctx context.Context, partition int32) error {
	if r.until != nil {
		return fmt.Errorf("partition %d: %w", partition, kafka.OffsetOutOfRange)
	}
	first, err := r.tail.cluster.firstOffset(ctx, partition)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next[partition] = first
	r.take(live.Part{Partition: partition, Next: first, Gap: true})
	return nil
}

// firstOffset is that of the oldest record that a partition has.
func (c *Cluster) firstOffset(ctx context.Context, partition int32) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	answer, err := c.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{c.topic(): {kafka.FirstOffsetOf(int(partition))}},
	})
	if err != nil {
		return 0, fmt.Errorf("finding the first offset of partition %d: %w", partition, err)
	}
	for _, found := range answer.Topics[c.topic()] {
		if found.Partition == int(partition) {
			return found.FirstOffset, found.Error
		}
	}
	return 0, fmt.Errorf("finding the first offset of partition %d: no answer", partition)
}
