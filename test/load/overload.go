package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// overloadTime is how long more than the capacity is offered; half of a minute
// and more is also what --duration may say, if it is shorter.
const overloadTime = 2 * time.Minute

// overloadCase finds what the way from devices to MongoDB takes, and then offers
// three times and ten times as much: nothing that was acknowledged may be lost,
// memory has to stay bounded, and the lag has to drain.
func (b *bench) overloadCase(ctx context.Context) error {
	r := row{name: "capacity before overload", devices: flatOutDevices, ack: ackKafka}
	capacity, err := b.overload(ctx, r, plan{depth: 2, warmup: b.opt.warmup, length: min(b.opt.duration, 20*time.Second)})
	if err != nil {
		return err
	}
	length := overloadTime
	if b.opt.duration < 30*time.Second {
		length = b.opt.duration
	}
	for _, factor := range []int{3, 10} {
		r.name = fmt.Sprintf("overload, %d times", factor)
		if _, err := b.overload(ctx, r, plan{rate: max(1, int(capacity)*factor), warmup: b.opt.warmup, length: length}); err != nil {
			return err
		}
	}
	return nil
}

// overload measures one plan on a pipeline of its own and returns its rate.
func (b *bench) overload(ctx context.Context, r row, p plan) (rate float64, err error) {
	b.say(r.name, r.devices)
	h, err := b.scaleHouse(ctx)
	if err != nil {
		return 0, err
	}
	line, err := b.newPipeline(ctx, r.name)
	if err != nil {
		return 0, err
	}
	defer line.close()
	var running servers
	defer func() { err = errors.Join(err, running.stop()) }()
	for _, role := range []string{"writer", "broker"} {
		one, err := h.run(ctx, role, role, line.settings(nil))
		if err != nil {
			return 0, err
		}
		running = append(running, one)
	}
	archive, err := openMongo(ctx, line)
	if err != nil {
		return 0, err
	}
	defer archive.Close(ctx)
	f, err := dial(ctx, running[1].mqtt, h.devices[:r.devices], ownLogin, nil)
	if err != nil {
		return 0, err
	}
	defer f.close()
	crowd := &crowd{fleet: f}
	drain := drainage{written: archived(running[0].url())}
	done, err := b.measure(ctx, measured{
		row: r, sender: crowd, meter: &f.meter, plan: p,
		processes: append(running.processes(), b.kafkaProcess(), b.mongoProcess(), b.postgresProcess()),
		written:   drain.count, close: func() { b.noteBroken(f, &r); f.close() },
		after: func(context.Context) (finder, error) { return archive.History, nil },
	})
	if p.rate > 0 {
		done.note += fmt.Sprintf("%d were due, %d of them waited in the devices for good; ", crowd.due.Load(), crowd.kept.Load())
	}
	done.note += fmt.Sprintf("drained %s after the last answer; ", drain.took.Round(100*time.Millisecond)) + r.note
	if err == nil && done.counts.lost() > 0 {
		err = fmt.Errorf("%d acknowledged readings are lost", done.counts.lost())
	}
	b.add(done, err)
	return done.rate, err
}

// crowd is a fleet that offers more than is taken. What is due while a device has
// its window full stays in the device and is counted: a list of all that never
// came to be sent would be the generator's own memory.
type crowd struct {
	*fleet
	due, kept atomic.Int64
}

// run is fleet.run with that.
func (c *crowd) run(ctx context.Context, p plan, warm func() error) error {
	if p.rate == 0 {
		return c.fleet.run(ctx, p, warm)
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	var workers sync.WaitGroup
	began := time.Now()
	for w := range senders {
		workers.Go(func() { c.press(sending, p.rate, began, w) })
	}
	err := pause(ctx, p.warmup)
	if err == nil {
		err = warm()
	}
	if err == nil {
		c.begin(time.Now(), p.length)
		err = pause(ctx, p.length)
	}
	stop()
	workers.Wait()
	return errors.Join(err, c.settle(ctx))
}

// press offers its share of the rate, a few milliseconds' worth at a time.
func (c *crowd) press(ctx context.Context, rate int, began time.Time, worker int) {
	const beat = 2 * time.Millisecond
	for i := worker; pause(ctx, beat) == nil; {
		now := time.Now()
		for until := int(now.Sub(began).Seconds() * float64(rate)); i < until && ctx.Err() == nil; i += senders {
			c.due.Add(1)
			if !c.devices[i%len(c.devices)].offer(now) {
				c.kept.Add(1)
			}
		}
	}
}

// offer publishes a reading unless the device's window is full.
func (d *device) offer(due time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken != nil || len(d.free) == 0 {
		return false
	}
	d.publish(due)
	return d.broken == nil
}

// drainage notes how long it takes until everything is in the archive.
type drainage struct {
	written func(ctx context.Context) (int, error)
	began   time.Time
	took    time.Duration
}

// count is written; it is asked from the last answer on until nothing is missing.
func (d *drainage) count(ctx context.Context) (int, error) {
	if d.began.IsZero() {
		d.began = time.Now()
	}
	n, err := d.written(ctx)
	d.took = time.Since(d.began)
	return n, err
}
