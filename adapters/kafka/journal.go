package kafka

import (
	"context"
	"errors"
	"sync"
	"time"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

var _ telemetry.Journal = (*Journal)(nil)

// What one round of requests takes, and how many rounds run at once. A partition
// is in one at most, so that its records stay in order.
const (
	maxRounds     = 4
	maxRoundBytes = 8 << 20
	// fullBatch is from how many bytes on a partition waits for no more.
	fullBatch = 256 << 10
)

// Journal makes readings durable in the telemetry topic: what is answered with
// nil is on all in-sync replicas. A source's readings are in one partition, in the
// order in which they were appended. There is no idempotent producer: a request
// whose answer got lost is sent again, so that a reading may be there twice, and,
// when the first request was delayed on the way, behind a later one.
type Journal struct {
	cluster  *Cluster
	outage   *outage
	wake     chan struct{}
	encoders sync.Pool

	mu       sync.Mutex
	room     room
	queues   []queue   // one a partition, none before Run knows how many there are
	rounds   int       // of requests, under way
	first    int       // the partition that begins the next round
	paced    time.Time // before it a round has to be full
	started  bool
	stopped  bool
	stopping chan struct{} // closed when nothing is taken any more
}

// Journal returns the writing end. One is enough for a process.
func (c *Cluster) Journal() *Journal {
	return &Journal{
		cluster: c, outage: &outage{log: c.log, what: "journal"},
		wake: make(chan struct{}, 1), stopping: make(chan struct{}),
		room: newRoom(c.cfg.QueueRecords, c.cfg.QueueBytes),
	}
}

// Append hands an entry over, as telemetry.Journal says. It waits while the queue
// is full, and until Run has found the topic. Entries that wait are let in one
// after the other; a passing failure answers each reading of an entry that is not
// durable after Config.DeliveryTimeout.
func (j *Journal) Append(ctx context.Context, entry telemetry.Entry, done telemetry.Done) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(entry.Readings) == 0 {
		return fault.New(fault.Invalid, "The entry has no reading.")
	}
	d := j.encode(entry, done)
	if len(d.parts) == 0 {
		go d.answer() // no reading of it fits into a record
		return nil
	}
	return j.enter(ctx, d)
}

func (j *Journal) encode(entry telemetry.Entry, done telemetry.Done) *delivery {
	e, ok := j.encoders.Get().(*encoder)
	if !ok {
		e = &encoder{}
	}
	defer j.encoders.Put(e)
	return e.delivery(entry, done, time.Now())
}

// enter puts a delivery into its queue once there is room.
func (j *Journal) enter(ctx context.Context, d *delivery) error {
	j.mu.Lock()
	if j.stopped {
		j.mu.Unlock()
		return stopping()
	}
	w := j.room.take(len(d.parts), d.bytes)
	if w == nil {
		j.push(d)
		j.mu.Unlock()
		return nil
	}
	j.mu.Unlock()
	return j.wait(ctx, d, w)
}

// wait stands in line and puts the delivery into its queue.
func (j *Journal) wait(ctx context.Context, d *delivery, w *waiter) error {
	var err error
	select {
	case <-w.granted:
	case <-ctx.Done():
		err = ctx.Err()
	case <-j.stopping:
		err = stopping()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil && j.stopped {
		err = stopping()
	}
	if err != nil {
		if !j.room.leave(w) {
			j.room.free(w.records, w.bytes)
		}
		return err
	}
	now := time.Now()
	for i := range d.parts {
		d.parts[i].since = now
	}
	j.push(d)
	return nil
}

// push queues a delivery, with the lock, and wakes Run when it may have to act
// earlier than it meant to.
func (j *Journal) push(d *delivery) {
	p := partitionOf(d.source, len(j.queues))
	q := &j.queues[p]
	before := q.bytes
	for _, part := range d.parts {
		q.push(part)
	}
	if before == 0 || before < fullBatch && q.bytes >= fullBatch {
		j.nudge()
	}
}

func (j *Journal) nudge() {
	select {
	case j.wake <- struct{}{}:
	default: // it has been
	}
}

// Queued is what was taken and is not answered, for metrics.
func (j *Journal) Queued() (records, bytes int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.room.maxRecords - j.room.records, j.room.maxBytes - j.room.bytes
}

// Run brings what is appended to Kafka until ctx ends, and then what was taken
// before, within Config.FlushTimeout. When it returns, everything is answered and
// Append refuses. It can run once.
func (j *Journal) Run(ctx context.Context) error {
	j.mu.Lock()
	again := j.started
	j.started = true
	j.mu.Unlock()
	if again {
		return errors.New("the journal runs already, or has stopped")
	}
	if n, ok := j.findTopic(ctx); ok {
		j.mu.Lock()
		j.queues = make([]queue, n)
		j.room.open()
		j.mu.Unlock()
		j.work(ctx)
	}
	j.stop()
	return nil
}

// findTopic waits for the topic and returns how many partitions it has, or false
// when ctx ends first.
func (j *Journal) findTopic(ctx context.Context) (int, bool) {
	for failures := 0; ctx.Err() == nil; failures++ {
		leaders, err := j.cluster.leaders(ctx, j.cluster.topic())
		if err == nil && len(leaders) > 0 {
			j.outage.worked(ctx)
			return len(leaders), true
		}
		if ctx.Err() == nil {
			j.outage.failed(ctx, err)
		}
		pause(ctx, backoff(failures))
	}
	return 0, false
}

// stop refuses from now on, also those in line.
func (j *Journal) stop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.stopped {
		j.stopped = true
		close(j.stopping)
	}
}
