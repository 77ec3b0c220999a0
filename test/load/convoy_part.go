package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Generator is one process of a convoy, as the convoy calls it.
type Generator struct {
	ctx   context.Context //nolint:containedctx // calls bring none
	fleet *fleet

	stop    context.CancelFunc
	sending sync.WaitGroup
}

// Span is the time that is measured, in Unix nanoseconds.
type Span struct{ From, To int64 }

// Sighted is a reading that was just sent; Due is in Unix nanoseconds.
type Sighted struct {
	Source uuid.UUID
	Stamp  int64
	Due    int64
}

// Book is a ledger on its way.
type Book struct {
	Stamps []int64
	Marks  []byte
}

// Report is what a generator came to.
type Report struct {
	Books         map[uuid.UUID]Book
	Acks, Late    []int64
	InSpan, Total int64
	Broken        int
	First         string
}

// serveGenerator signs the devices of a job in, and then obeys until ctx ends.
func serveGenerator(ctx context.Context, path string) error {
	text, err := os.ReadFile(path) //nolint:gosec // our own file
	if err != nil {
		return err
	}
	var told job
	if err := json.Unmarshal(text, &told); err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	sources := make([]source, len(told.Devices))
	for i, d := range told.Devices {
		sources[i] = source{id: d.ID, key: d.Key}
	}
	f, err := dial(ctx, told.Broker, sources, ownLogin, nil)
	if err != nil {
		return err
	}
	defer f.close()
	server := rpc.NewServer()
	if err := server.Register(&Generator{ctx: ctx, fleet: f}); err != nil {
		return err
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", told.Control)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	server.Accept(l)
	return nil
}

// Begin lets the devices send so many readings a second.
func (g *Generator) Begin(rate int, done *bool) error {
	var ctx context.Context
	ctx, g.stop = context.WithCancel(g.ctx)
	began := time.Now()
	for w := range senders {
		g.sending.Go(func() { g.fleet.schedule(ctx, rate, began, w) })
	}
	*done = true
	return nil
}

// Measure tells which time counts.
func (g *Generator) Measure(span Span, done *bool) error {
	g.fleet.begin(time.Unix(0, span.From), time.Duration(span.To-span.From))
	*done = true
	return nil
}

// Total is how many readings are acknowledged.
func (g *Generator) Total(_ bool, total *int64) error {
	*total = g.fleet.total.Load()
	return nil
}

// Sight waits for the next reading that is sent.
func (g *Generator) Sight(_ bool, seen *Sighted) error {
	give := make(chan sighting, 1)
	select {
	case g.fleet.wanted <- give:
		s := <-give
		*seen = Sighted{Source: s.source, Stamp: s.stamp, Due: s.due.UnixNano()}
		return nil
	case <-time.After(foundTime):
		return errors.New("nothing is sent")
	}
}

// End ends the sending, waits for the last answers, and reports.
func (g *Generator) End(_ bool, report *Report) error {
	g.stop()
	g.sending.Wait()
	err := g.fleet.settle(g.ctx)
	n, first := g.fleet.broken()
	g.fleet.close()
	*report = Report{Books: map[uuid.UUID]Book{}, InSpan: g.fleet.inSpan.Load(), Total: g.fleet.total.Load(), Broken: n}
	if first != nil {
		report.First = first.Error()
	}
	for id, book := range g.fleet.books() {
		report.Books[id] = Book{Stamps: book.stamps, Marks: book.marks}
	}
	report.Acks, report.Late = g.fleet.acks.all(), g.fleet.late.all()
	return err
}

// all are the counts of all buckets.
func (h *histogram) all() []int64 {
	counts := make([]int64, len(h.counts))
	for i := range h.counts {
		counts[i] = h.counts[i].Load()
	}
	return counts
}
