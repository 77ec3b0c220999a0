package kafka

import (
	"context"
	"slices"
	"time"

	"ampra/core/fault"
)

// work sends what is in the queues, until ctx has ended and they are empty.
func (j *Journal) work(ctx context.Context) {
	// Requests outlive ctx: what was taken is brought out. They end with the flush.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	ended := ctx.Done()
	var giveUp <-chan time.Time
	for {
		wait, idle := j.step(base, giveUp != nil)
		if idle {
			return
		}
		timer.Reset(wait)
		select {
		case <-j.wake:
		case <-timer.C:
		case <-ended:
			ended = nil
			j.stop()
			flush := time.NewTimer(j.cluster.cfg.FlushTimeout)
			defer flush.Stop()
			giveUp = flush.C
		case <-giveUp:
			cancel()
			j.abandon()
			giveUp = make(chan time.Time) // what still flies lands soon
		}
	}
}

// step gives up what is too old and begins a round of requests if there is
// something to send. It returns when to look again, and, when flushing, whether
// nothing is left.
func (j *Journal) step(base context.Context, flushing bool) (wait time.Duration, idle bool) {
	now := time.Now()
	j.mu.Lock()
	expired := j.expire(now)
	sizes, batches := j.gather(now, flushing)
	if len(batches) > 0 {
		j.rounds++
		j.pace(now, batches)
	}
	wait = j.nextLook(now, flushing)
	idle = flushing && j.rounds == 0 && !slices.ContainsFunc(j.queues, func(q queue) bool { return len(q.parts) > 0 })
	j.mu.Unlock()
	j.settle(expired, unavailable(errTooOld))
	if len(batches) > 0 {
		go j.round(base, sizes, batches)
	}
	return wait, idle
}

type deliveryError string

func (e deliveryError) Error() string { return string(e) }

const (
	errTooOld   = deliveryError("not delivered in time")
	errStopping = deliveryError("not delivered before the journal stopped")
)

// expire takes what is too old out of the queues. Called with the lock.
func (j *Journal) expire(now time.Time) []part {
	var expired []part
	for i := range j.queues {
		expired = append(expired, j.queues[i].expire(now.Add(-j.cluster.cfg.DeliveryTimeout))...)
	}
	return expired
}

// abandon takes everything that is in no request out of the queues.
func (j *Journal) abandon() {
	j.mu.Lock()
	var left []part
	for i := range j.queues {
		q := &j.queues[i]
		if q.flying == 0 {
			left = append(left, q.shift(len(q.parts))...)
		}
	}
	j.mu.Unlock()
	j.settle(left, unavailable(errStopping))
}

// gather takes what may go out, if there is a reason to send now. Called with
// the lock.
func (j *Journal) gather(now time.Time, flushing bool) (sizes []int, batches []outgoing) {
	if j.rounds == maxRounds || !slices.ContainsFunc(j.queues, func(q queue) bool { return j.ripe(&q, now, flushing) }) {
		return nil, nil
	}
	// One reason is enough for all: the others ride along.
	n := len(j.queues)
	bytes := 0
	for k := range n {
		p := (j.first + k) % n
		q := &j.queues[p]
		if !q.free(now) || bytes >= maxRoundBytes {
			continue
		}
		messages := q.take(maxBatchBytes)
		size := 0
		for _, m := range messages {
			size += m.size()
		}
		bytes += size
		sizes = append(sizes, size)
		batches = append(batches, outgoing{partition: int32(p), messages: messages}) //nolint:gosec // partitions are few
	}
	j.first = (j.first + 1) % n
	return sizes, batches
}

// ripe reports whether a queue is a reason to send.
func (j *Journal) ripe(q *queue, now time.Time, flushing bool) bool {
	return q.free(now) && (flushing || q.bytes >= fullBatch || !now.Before(j.dueAt(q)))
}

// dueAt is when the first record of a queue has waited for long enough.
func (j *Journal) dueAt(q *queue) time.Time {
	due := q.parts[0].since.Add(j.linger())
	if due.Before(j.paced) {
		due = j.paced
	}
	return due
}

// crowd is from how many records in a round on the next one begins no earlier than
// roundGap after it.
const (
	crowd    = 3
	roundGap = 10 * time.Millisecond
)

// pace keeps rounds apart while records come by the dozen: a request costs client
// and broker about the same whatever is in it. Who sends one record after the
// other, each when the last is answered, does not wait for that.
func (j *Journal) pace(now time.Time, batches []outgoing) {
	records := 0
	for _, batch := range batches {
		records += len(batch.messages)
	}
	j.paced = time.Time{}
	if records >= crowd {
		j.paced = now.Add(roundGap)
	}
}

// linger is how long a record waits for others. While a request is under way
// its answer is the better moment: what gathers until then goes out at once.
func (j *Journal) linger() time.Duration {
	if j.rounds > 0 {
		return 5 * j.cluster.cfg.Linger
	}
	return j.cluster.cfg.Linger
}

// nextLook is how long nothing changes by time alone. Called with the lock.
func (j *Journal) nextLook(now time.Time, flushing bool) time.Duration {
	wait := time.Hour
	for i := range j.queues {
		q := &j.queues[i]
		if len(q.parts) == 0 || q.flying > 0 {
			continue // an answer wakes
		}
		until := j.dueAt(q)
		if flushing {
			until = now
		}
		if until.Before(q.retryAt) {
			until = q.retryAt
		}
		if j.rounds == maxRounds {
			until = q.parts[0].since.Add(j.cluster.cfg.DeliveryTimeout)
		}
		wait = min(wait, max(until.Sub(now), 100*time.Microsecond))
	}
	return wait
}

// round sends batches and deals with their answers.
func (j *Journal) round(ctx context.Context, sizes []int, batches []outgoing) {
	j.cluster.produce(ctx, j.cluster.topic(), batches, func(i int, took time.Duration, err error) {
		readings := j.land(ctx, batches[i], err)
		j.cluster.observer.Produced(Produced{
			Topic: j.cluster.topic(), Records: len(batches[i].messages), Readings: readings, Bytes: sizes[i], Took: took, Err: err,
		})
	})
	j.mu.Lock()
	j.rounds--
	j.mu.Unlock()
	j.nudge()
}

// land deals with the answer for one batch, and returns how many readings it
// held.
func (j *Journal) land(ctx context.Context, batch outgoing, err error) int {
	j.mu.Lock()
	q := &j.queues[batch.partition]
	readings := 0
	for _, p := range q.parts[:q.flying] {
		readings += p.to - p.from
	}
	var gone []part
	var answer error
	switch {
	case err == nil:
		gone = q.land(true)
		q.failures, q.limit = 0, min(2*q.limit, maxBatchRecords)
	case ofRecord(err) && len(batch.messages) > 1:
		q.land(false)
		q.failures, q.limit = 0, len(batch.messages)/2
	case ofRecord(err):
		gone, answer = q.land(true), fault.Wrap(fault.TooLarge, err, "The journal refuses the reading.")
		q.failures = 0
	default:
		q.land(false)
		q.retryAt = time.Now().Add(backoff(q.failures))
		q.failures++
		if ctx.Err() != nil { // the flush has ended
			gone, answer = q.shift(len(q.parts)), unavailable(errStopping)
		}
	}
	// A leader that moves costs an attempt, which is nothing to speak of; and as
	// long as one partition fails, the outage is not over.
	lasts := q.failures > 2
	over := q.failures == 0 && !slices.ContainsFunc(j.queues, func(q queue) bool { return len(q.parts) > 0 && q.failures > 0 })
	j.mu.Unlock()
	switch {
	case over:
		j.outage.worked(ctx)
	case lasts && ctx.Err() == nil:
		j.outage.failed(ctx, err)
	}
	j.settle(gone, answer)
	j.nudge()
	return readings
}

// settle answers for parts that have left the queues, with nil when they are
// durable, and gives their room back.
func (j *Journal) settle(parts []part, err error) {
	if len(parts) == 0 {
		return
	}
	var complete []*delivery
	j.mu.Lock()
	for _, p := range parts {
		if err != nil {
			p.delivery.refuse(p.from, p.to, err)
		}
		if p.delivery.left--; p.delivery.left == 0 {
			complete = append(complete, p.delivery)
		}
	}
	for _, d := range complete {
		j.room.free(len(d.parts), d.bytes)
	}
	j.mu.Unlock()
	for _, d := range complete {
		d.answer()
	}
}
