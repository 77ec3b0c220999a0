package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// senderOf is a fleet of either kind.
type senderOf interface {
	run(ctx context.Context, p plan, warm func() error) error
	books() map[uuid.UUID]*ledger
}

// measured is what is to be measured of a running installation.
type measured struct {
	row    row
	sender senderOf
	meter  *meter
	plan   plan
	// processes beside the generator's own.
	processes []process
	// find asks for readings while devices send; nil where nothing is kept.
	find finder
	// written tells how many readings have reached the archive; nil where they are
	// there when they are acknowledged.
	written func(ctx context.Context) (int, error)
	// settle is called after that: what is left to do with them belongs to the cost;
	// nil where there is nothing.
	settle func(ctx context.Context) error
	// close ends the senders, before what they sent is counted.
	close func()
	// after is called before the readings are looked for, and gives what finds them.
	after func(ctx context.Context) (finder, error)
}

// probers is how many readings are followed at the same time until they are
// found.
const probers = 2

// measure runs a plan and fills in the row.
func (b *bench) measure(ctx context.Context, m measured) (row, error) {
	r := m.row
	r.payload, r.offered, r.length = orElse(r.payload, payloadBytes()), m.plan.rate, m.plan.length
	var p *probes
	if m.find != nil {
		p = startProbes(ctx, probers, m.meter, m.find)
		defer p.end()
	}
	stopProfile, err := startProfile(b.profile("generator-" + r.name))
	if err != nil {
		return r, err
	}
	defer stopProfile()
	var w *watch
	var base int64
	err = m.sender.run(ctx, m.plan, func() error {
		if p != nil {
			if err := p.awaitFirst(ctx); err != nil {
				return err
			}
		}
		debug.FreeOSMemory() // what was needed before is none of this case's
		base = m.meter.total.Load()
		w = begin(ctx, append([]process{myself("generator")}, m.processes...))
		return nil
	})
	if w != nil {
		if err == nil {
			err = drained(ctx, m.written, m.meter)
		}
		if err == nil && m.settle != nil {
			err = m.settle(ctx)
		}
		r.used, r.others = w.end()
	}
	if err != nil {
		return r, err
	}
	if p != nil {
		p.end()
		r.shown = &p.times
		if n := p.missed.Load(); n > 0 {
			r.note += fmt.Sprintf("%d not found within %s; ", n, foundTime)
		}
	}
	m.close()
	r.acks = &m.meter.acks
	r.rate = float64(m.meter.inSpan.Load()) / r.length.Seconds()
	r.readings = int(m.meter.total.Load() - base)
	if late := m.meter.late.at(0.99); late > 10*time.Millisecond {
		r.note += fmt.Sprintf("the generator sent up to %s late (p99); ", late.Round(time.Millisecond))
	}
	return b.check(ctx, m, r)
}

// check looks for the readings.
func (b *bench) check(ctx context.Context, m measured, r row) (row, error) {
	books := m.sender.books()
	if m.after == nil {
		for _, book := range books {
			r.counts.add(book.counts())
		}
		return r, nil
	}
	find, err := m.after(ctx)
	if err != nil {
		return r, err
	}
	r.counts, err = verify(ctx, find, books)
	r.checked = err == nil
	return r, err
}

// awaitFirst waits until a first reading was found: a new member of a group of
// readers takes seconds, which are none of the pipeline's.
func (p *probes) awaitFirst(ctx context.Context) error {
	select {
	case <-p.found:
		return nil
	case <-time.After(foundTime):
		return errors.New("no reading could be found in the warm-up")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drained waits until the archive has what was acknowledged.
func drained(ctx context.Context, written func(ctx context.Context) (int, error), m *meter) error {
	if written == nil {
		return nil
	}
	for deadline := time.Now().Add(foundTime); time.Now().Before(deadline); {
		n, err := written(ctx)
		if err != nil {
			return err
		}
		if int64(n) >= m.total.Load() {
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil // what is missing is counted later
}

// archived reads a writer's metrics: how many readings it has stored.
func archived(base string) func(ctx context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		text, err := get(ctx, http.DefaultClient, base+"/metrics")
		if err != nil {
			return 0, err
		}
		return parseMetric(text, `ampra_archive_readings_total{result="ok"}`), nil
	}
}

// parseMetric finds a sample in Prometheus' text format; 0 when it is not there.
func parseMetric(text []byte, name string) int {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if rest, found := strings.CutPrefix(lines.Text(), name+" "); found {
			if v, err := strconv.ParseFloat(rest, 64); err == nil {
				return int(v)
			}
		}
	}
	return 0
}

func orElse(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}
