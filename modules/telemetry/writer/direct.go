package writer

import (
	"context"
	"errors"
	"sync"
	"time"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// DirectConfig bounds the direct journal.
type DirectConfig struct {
	// Queue is how many entries may wait, Batch how many readings are committed
	// together.
	Queue, Batch int
	// FlushTime bounds the last flush at the end.
	FlushTime time.Duration
}

// Direct is the journal of the embedded profile: an entry is durable when the
// archive has it. While one commit is under way the next batch gathers, so
// commits are shared as soon as there is load and nobody waits when there is
// none.
type Direct struct {
	cfg   DirectConfig
	store *Store
	queue chan waiting

	closing chan struct{}
	// sending is held for reading while an entry is queued, and for writing once,
	// to know that no more will come.
	sending sync.RWMutex
	closed  bool
}

type waiting struct {
	entry telemetry.Entry
	done  telemetry.Done
}

var _ telemetry.Journal = (*Direct)(nil)

// NewDirect returns a direct journal; it takes entries at once and writes them
// while Run runs.
func NewDirect(cfg DirectConfig, store *Store) *Direct {
	return &Direct{cfg: cfg, store: store, queue: make(chan waiting, cfg.Queue), closing: make(chan struct{})}
}

// Append implements telemetry.Journal.
func (d *Direct) Append(ctx context.Context, entry telemetry.Entry, done telemetry.Done) error {
	d.sending.RLock()
	defer d.sending.RUnlock()
	if d.closed {
		return errStopping()
	}
	select {
	case d.queue <- waiting{entry, done}:
		return nil
	case <-d.closing:
		return errStopping()
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, ctx.Err(), "The server is busy. Send the readings again.")
	}
}

func errStopping() error {
	return fault.Retry(fault.Unavailable, 5*time.Second, "The server is stopping. Send the readings again.")
}

// Queued is how many entries wait to be written, for metrics.
func (d *Direct) Queued() int { return len(d.queue) }

// Run writes until ctx ends, then what is queued, within FlushTime.
func (d *Direct) Run(ctx context.Context) error {
	for {
		select {
		case first := <-d.queue:
			d.commit(context.WithoutCancel(ctx), d.gather(first))
		case <-ctx.Done():
			d.drain(ctx)
			return nil
		}
	}
}

// drain refuses new entries, writes the queued ones, and answers each.
func (d *Direct) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.cfg.FlushTime)
	defer cancel()
	close(d.closing)
	sealed := make(chan struct{})
	go func() {
		d.sending.Lock()
		d.closed = true
		d.sending.Unlock()
		close(sealed)
	}()
	for open := true; open; {
		select {
		case first := <-d.queue:
			d.commit(ctx, d.gather(first))
		case <-sealed:
			open = false
		}
	}
	for {
		select {
		case first := <-d.queue:
			d.commit(ctx, d.gather(first))
		default:
			return
		}
	}
}

// gather takes what waits behind first, up to a batch.
func (d *Direct) gather(first waiting) []waiting {
	batch, count := []waiting{first}, len(first.entry.Readings)
	for count < d.cfg.Batch {
		select {
		case next := <-d.queue:
			batch = append(batch, next)
			count += len(next.entry.Readings)
		default:
			return batch
		}
	}
	return batch
}

// commit writes a batch and answers each entry of it.
func (d *Direct) commit(ctx context.Context, batch []waiting) {
	var readings []telemetry.Placed
	var traces []string
	for _, w := range batch {
		if w.entry.Trace != "" && len(traces) < telemetry.MaxTraces {
			traces = append(traces, w.entry.Trace)
		}
		for _, r := range w.entry.Readings {
			readings = append(readings, telemetry.Placed{Reading: r, Position: telemetry.Position{Partition: telemetry.Direct}})
		}
	}
	errs := d.store.write(telemetry.WithTraces(ctx, traces...), readings)
	if errs != nil && len(errs) != len(readings) {
		errs = all(readings, errLost)
	}
	at := 0
	for _, w := range batch {
		n := len(w.entry.Readings)
		if errs == nil {
			w.done(nil, nil)
			continue
		}
		part := errs[at : at+n]
		at += n
		if err := first(part); err != nil {
			w.done(err, part)
		} else {
			w.done(nil, nil)
		}
	}
}

// first returns an error that may pass before one that stays, so that what can
// still be saved is sent again.
func first(errs []error) error {
	var found error
	for _, err := range errs {
		if err != nil && (found == nil || fault.Passing(err)) {
			found = err
		}
	}
	return found
}

// errLost keeps an archive that breaks its contract from being believed.
var errLost = errors.New("the archive answered for a wrong number of readings")
