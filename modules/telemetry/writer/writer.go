package writer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Config bounds the writer's batches.
type Config struct {
	// Batch is how many readings are written at once, Linger how long the first
	// waits for more. While many come it waits for Window, if that is longer: few
	// and large writes cost the archive least.
	Batch          int
	Linger, Window time.Duration
	// RetryMin and RetryMax bound the wait between attempts.
	RetryMin, RetryMax time.Duration
}

// Deps are what the writer stands on.
type Deps struct {
	Log         telemetry.Log
	Store       *Store
	DeadLetters telemetry.DeadLetters
	Clock       clock.Clock
	// Failed is told of each attempt that failed and will be repeated, also of
	// several at the same time.
	Failed func(error)
}

// Writer brings the journal's log into the archive. It commits a batch only
// after all of it is stored, so nothing is lost by a crash; what comes twice
// changes nothing.
type Writer struct {
	cfg   Config
	d     Deps
	guard guard
}

// New returns a writer.
func New(cfg Config, d Deps) *Writer { return &Writer{cfg: cfg, d: d} }

// Run writes until ctx ends. A batch under way then is given up: it comes again.
// An error is a broken promise of a part, after which going on would lose
// readings, or a *Halt. While one batch is stored the next is read and the last is
// committed; what is in hand and not stored is one batch more, then.
func (w *Writer) Run(ctx context.Context) error {
	reading, end := context.WithCancel(ctx)
	batches, stored := make(chan telemetry.Batch), make(chan telemetry.Batch, 1)
	var helpers sync.WaitGroup
	helpers.Go(func() { w.fetch(reading, batches) })
	helpers.Go(func() { w.commit(ctx, stored) })
	defer helpers.Wait()
	defer close(stored)
	defer end()
	for {
		var batch telemetry.Batch
		select {
		case batch = <-batches:
		case <-ctx.Done():
			return nil
		}
		if err := w.store(telemetry.WithTraces(ctx, batch.Traces...), batch); err != nil {
			if ctx.Err() != nil {
				return nil // whoever ends the context wants the end, not its error
			}
			return err
		}
		batch.Readings, batch.Undecodable = nil, nil
		stored <- batch
	}
}

// busy is from how many readings in a batch on the next one has the longer time.
const busy = 8

// fetch reads batch after batch until ctx ends.
func (w *Writer) fetch(ctx context.Context, to chan<- telemetry.Batch) {
	wait, linger := w.cfg.RetryMin, w.cfg.Linger
	for ctx.Err() == nil {
		batch, err := w.d.Log.Fetch(ctx, w.cfg.Batch, linger)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.d.Failed(fmt.Errorf("reading the journal: %w", err))
			pause(ctx, wait)
			wait = min(2*wait, w.cfg.RetryMax)
			continue
		}
		wait, linger = w.cfg.RetryMin, w.cfg.Linger
		if len(batch.Readings) >= busy {
			linger = max(linger, w.cfg.Window)
		}
		select {
		case to <- batch:
		case <-ctx.Done():
			return
		}
	}
}

// commit notes that batches are done, in their order. What is stored and not
// committed comes again, or is committed by the next.
func (w *Writer) commit(ctx context.Context, stored <-chan telemetry.Batch) {
	for batch := range stored {
		if err := batch.Commit(ctx); err != nil && ctx.Err() == nil {
			w.d.Failed(fmt.Errorf("committing a batch: %w", err))
		}
	}
}

// store writes a batch until every reading of it is stored or buried.
func (w *Writer) store(ctx context.Context, batch telemetry.Batch) error {
	letters := batch.Undecodable
	rest := batch.Readings
	for wait := w.cfg.RetryMin; len(rest) > 0; wait = min(2*wait, w.cfg.RetryMax) {
		errs := w.d.Store.write(ctx, rest)
		if errs == nil {
			break
		}
		if len(errs) != len(rest) {
			return errLost
		}
		var again []telemetry.Placed
		var passing error
		for i, err := range errs {
			switch {
			case err == nil:
			case fault.Passing(err) || ctx.Err() != nil:
				again, passing = append(again, rest[i]), err
			default:
				letters = append(letters, w.letter(rest[i], err))
			}
		}
		rest = again
		if len(rest) > 0 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			w.d.Failed(fmt.Errorf("writing %d readings: %w", len(rest), passing))
			pause(ctx, wait)
		}
	}
	if err := w.guard.watch(w.d.Clock.Now(), batch, letters); err != nil {
		return err
	}
	return w.bury(ctx, letters)
}

// bury puts letters away, again and again until it works: a batch is not done
// before.
func (w *Writer) bury(ctx context.Context, letters []telemetry.DeadLetter) error {
	for wait := w.cfg.RetryMin; len(letters) > 0; wait = min(2*wait, w.cfg.RetryMax) {
		err := w.d.DeadLetters.Put(ctx, letters...)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.d.Failed(fmt.Errorf("storing %d dead letters: %w", len(letters), err))
		pause(ctx, wait)
	}
	return nil
}

// letter is what becomes of a reading that the archive refuses for good. When its
// batch comes again, it is the same letter.
func (w *Writer) letter(p telemetry.Placed, reason error) telemetry.DeadLetter {
	raw := telemetry.AppendEntry(nil, telemetry.Entry{SourceID: p.SourceID, Readings: []telemetry.Reading{p.Reading}})
	letter := telemetry.DeadLetter{
		SourceID: p.SourceID, At: w.d.Clock.Now(), Origin: telemetry.FromJournal,
		Topic: fmt.Sprintf("partition %d, offset %d, reading %d", p.Position.Partition, p.Position.Offset, p.Position.Index),
		Kind:  telemetry.LetterUnstorable, Reason: reason.Error(), Raw: raw, Size: len(raw),
	}
	letter.ID = letter.Identity()
	return letter
}

func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
