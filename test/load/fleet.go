package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/sunsource"
)

// plan is how a fleet sends.
type plan struct {
	// rate is readings a second of the whole fleet, at moments that are fixed before
	// (an open loop: who is late is not waited for); 0 sends the next when the last
	// is acknowledged.
	rate int
	// depth is how many readings each device keeps under way at rate 0.
	depth          int
	warmup, length time.Duration
}

// fleet is a number of devices that are connected, and what is measured of them.
type fleet struct {
	devices []*device
	reading sync.WaitGroup
	poller  *poller // nil where each device reads for itself
	meter
	full atomic.Bool // at rate 0, until the end
}

// login tells what a device of a source signs in with.
type login func(s source) (clientID, user, password string)

// ownLogin is that of Ampra's own broker.
func ownLogin(s source) (clientID, user, password string) { return sunsource.ClientID(s.id), "", s.key }

// connectors is how many devices sign in at the same time.
const connectors = 64

// dial connects a device for each source.
func dial(ctx context.Context, address string, sources []source, with login, took *histogram) (*fleet, error) {
	f := &fleet{devices: make([]*device, len(sources)), meter: meter{wanted: make(chan chan sighting)}}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var working sync.WaitGroup
	for range min(connectors, len(sources)) {
		working.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(sources)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				began := time.Now()
				id, user, password := with(sources[i])
				conn, err := connect(ctx, address, id, user, password)
				if err != nil {
					cancel(fmt.Errorf("device %d signing in: %w", i, err))
					return
				}
				if took != nil {
					took.add(time.Since(began))
				}
				f.devices[i] = newDevice(f, sources[i], conn)
			}
		})
	}
	working.Wait()
	if err := context.Cause(ctx); err != nil {
		f.close()
		return nil, err
	}
	if err := f.listen(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// listen begins to take answers.
func (f *fleet) listen() error {
	poller, err := newPoller(f.devices)
	switch {
	case err == nil:
		f.poller = poller
		f.reading.Go(poller.run)
	case errors.Is(err, errors.ErrUnsupported):
		for _, d := range f.devices {
			f.reading.Go(d.read)
		}
	default:
		return fmt.Errorf("waiting for the answers of all devices: %w", err)
	}
	return nil
}

// close ends all connections.
func (f *fleet) close() {
	if f.poller != nil {
		// A connection's number may be another's once it is closed.
		f.poller.stop()
		f.reading.Wait()
		defer f.poller.close()
	}
	for _, d := range f.devices {
		if d != nil {
			d.stop()
		}
	}
	f.reading.Wait()
}

func (f *fleet) flatOut() bool { return f.full.Load() }

// run sends as planned. warm is called when the warm-up is over, and everything
// that is due from its return on is measured. It returns when all is answered or
// patience is over.
func (f *fleet) run(ctx context.Context, p plan, warm func() error) error {
	sending, stop := context.WithCancel(ctx)
	defer stop()
	var workers sync.WaitGroup
	if p.rate == 0 {
		f.full.Store(true)
		for _, d := range f.devices {
			for range min(p.depth, window) {
				d.send(time.Now())
			}
		}
	} else {
		began := time.Now()
		for w := range senders {
			workers.Go(func() { f.schedule(sending, p.rate, began, w) })
		}
	}
	err := pause(ctx, p.warmup)
	if err == nil {
		err = warm()
	}
	if err == nil {
		f.begin(time.Now(), p.length)
		err = pause(ctx, p.length)
	}
	f.full.Store(false)
	stop()
	workers.Wait()
	return errors.Join(err, f.settle(ctx))
}

// senders is how many goroutines keep to the schedule.
const senders = 2

// schedule sends every reading of its share at its moment.
func (f *fleet) schedule(ctx context.Context, rate int, began time.Time, worker int) {
	gap := time.Second / time.Duration(rate)
	for i := worker; ; i += senders {
		due := began.Add(time.Duration(i) * gap)
		if wait := time.Until(due); wait > 0 {
			if pause(ctx, wait) != nil {
				return
			}
		} else if i%64 == worker && ctx.Err() != nil {
			return
		}
		f.devices[i%len(f.devices)].send(due)
		if f.counts(due) {
			f.late.add(time.Since(due))
		}
	}
}

// settleTime is how long the last answers may take.
const settleTime = 30 * time.Second

// settle waits until every reading is answered.
func (f *fleet) settle(ctx context.Context) error {
	deadline := time.Now().Add(settleTime)
	for {
		open := 0
		for _, d := range f.devices {
			open += d.open()
		}
		if open == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return nil // they are counted as sent and not acknowledged
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// broken is how many connections ended early, and why the first did.
func (f *fleet) broken() (n int, first error) {
	for _, d := range f.devices {
		d.mu.Lock()
		if d.broken != nil && !errors.Is(d.broken, net.ErrClosed) {
			n++
			if first == nil {
				first = d.broken
			}
		}
		d.mu.Unlock()
	}
	return n, first
}

// books are the ledgers by source, to be read when the fleet is closed.
func (f *fleet) books() map[uuid.UUID]*ledger {
	all := make(map[uuid.UUID]*ledger, len(f.devices))
	for _, d := range f.devices {
		all[d.source.id] = &d.book
	}
	return all
}

// pause waits, or returns the context's error when it ends before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
