package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/rpc"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// perProcess is how many devices one process has at the most, of ours and of the
// broker: many machines let a process have 20,000 files.
const perProcess = 17_000

// convoy is a fleet that is too large for one process: each of several generators
// has a part of the devices, and a broker of its own to send to.
type convoy struct {
	meter
	parts   []*part
	clients []*rpc.Client
	ledgers map[uuid.UUID]*ledger
	// broken is how many connections ended early, first why one of them did.
	broken int
	first  string
}

// job is what a generator is told at its start.
type job struct {
	// Broker is where to send, Control where to listen for the convoy.
	Broker, Control string
	Devices         []jobDevice
}

type jobDevice struct {
	ID  uuid.UUID
	Key string
}

// muster starts a generator for each broker and waits until all its devices have
// signed in.
func (b *bench) muster(ctx context.Context, brokers []string, sources []source) (*convoy, error) {
	c := &convoy{meter: meter{wanted: make(chan chan sighting)}, ledgers: map[uuid.UUID]*ledger{}}
	each := (len(sources) + len(brokers) - 1) / len(brokers)
	number := 0
	for some := range slices.Chunk(sources, each) {
		if err := b.enlist(ctx, c, number, brokers[number], some); err != nil {
			return nil, errors.Join(err, c.dismiss())
		}
		number++
	}
	return c, nil
}

func (b *bench) enlist(ctx context.Context, c *convoy, number int, broker string, sources []source) error {
	control, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	told := job{Broker: broker, Control: control, Devices: make([]jobDevice, len(sources))}
	for i, s := range sources {
		told.Devices[i] = jobDevice{s.id, s.key}
	}
	text, err := json.Marshal(told)
	if err != nil {
		return err
	}
	path := filepath.Join(b.folder, fmt.Sprintf("generator-%d.json", number))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	p, err := start(generatorPart, "generator", b.profile(fmt.Sprintf("generator-%d", number)), nil, path)
	if err != nil {
		return err
	}
	c.parts = append(c.parts, p)
	if err := p.await(ctx, listens(control)); err != nil {
		return err
	}
	client, err := rpc.Dial("tcp", control)
	if err != nil {
		return fmt.Errorf("reaching generator %d: %w", number, err)
	}
	c.clients = append(c.clients, client)
	return nil
}

// processes are the generators.
func (c *convoy) processes() []process {
	all := make([]process, len(c.parts))
	for i, p := range c.parts {
		all[i] = p.process()
	}
	return all
}

// run is fleet.run with a rate.
func (c *convoy) run(ctx context.Context, p plan, warm func() error) error {
	relaying, stop := context.WithCancel(ctx)
	var relay sync.WaitGroup
	defer relay.Wait()
	defer stop()
	if err := c.all("Begin", func(int) any { return max(1, p.rate/len(c.clients)) }, func(int) any { return new(bool) }); err != nil {
		return err
	}
	relay.Go(func() { c.relay(relaying) })
	err := pause(ctx, p.warmup)
	if err == nil {
		err = c.count()
	}
	if err == nil {
		err = warm()
	}
	if err == nil {
		c.begin(time.Now(), p.length)
		err = c.all("Measure", func(int) any { return Span{From: c.from.Load(), To: c.to.Load()} }, func(int) any { return new(bool) })
	}
	if err == nil {
		err = pause(ctx, p.length)
	}
	return errors.Join(err, c.finish())
}

// all calls every generator at the same time.
func (c *convoy) all(method string, ask, answer func(i int) any) error {
	errs := make([]error, len(c.clients))
	var calls sync.WaitGroup
	for i, client := range c.clients {
		calls.Go(func() {
			if err := client.Call("Generator."+method, ask(i), answer(i)); err != nil {
				errs[i] = fmt.Errorf("generator %d: %w", i, err)
			}
		})
	}
	calls.Wait()
	return errors.Join(errs...)
}

// count asks how many readings are acknowledged.
func (c *convoy) count() error {
	totals := make([]int64, len(c.clients))
	err := c.all("Total", func(int) any { return false }, func(i int) any { return &totals[i] })
	sum := int64(0)
	for _, n := range totals {
		sum += n
	}
	c.total.Store(sum)
	return err
}

// relay gives readings that are just sent to who measures when they can be
// queried, from the generators by turns.
func (c *convoy) relay(ctx context.Context) {
	for n := 0; ; n++ {
		select {
		case give := <-c.wanted:
			var seen Sighted
			call := c.clients[n%len(c.clients)].Go("Generator.Sight", false, &seen, make(chan *rpc.Call, 1))
			select {
			case <-call.Done:
			case <-ctx.Done():
				return
			}
			if call.Error == nil {
				give <- sighting{source: seen.Source, stamp: seen.Stamp, due: time.Unix(0, seen.Due)}
			}
		case <-ctx.Done():
			return
		}
	}
}

// finish ends the sending and takes what the generators counted.
func (c *convoy) finish() error {
	reports := make([]Report, len(c.clients))
	err := c.all("End", func(int) any { return false }, func(i int) any { return &reports[i] })
	total := int64(0)
	for _, r := range reports {
		for i, n := range r.Acks {
			c.acks.counts[i].Add(n)
		}
		for i, n := range r.Late {
			c.late.counts[i].Add(n)
		}
		c.inSpan.Add(r.InSpan)
		total += r.Total
		for id, book := range r.Books {
			c.ledgers[id] = &ledger{stamps: book.Stamps, marks: book.Marks}
		}
		if c.broken += r.Broken; c.first == "" {
			c.first = r.First
		}
	}
	c.total.Store(total)
	return err
}

// books are the ledgers by source, to be read after run.
func (c *convoy) books() map[uuid.UUID]*ledger { return c.ledgers }

// dismiss ends the generators.
func (c *convoy) dismiss() error {
	var errs []error
	for _, client := range c.clients {
		errs = append(errs, client.Close())
	}
	for _, p := range c.parts {
		errs = append(errs, p.stop())
	}
	c.clients, c.parts = nil, nil
	return errors.Join(errs...)
}
