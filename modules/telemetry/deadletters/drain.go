package deadletters

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Sources tells whether a source still exists.
type Sources interface {
	// Alive tells for each source whether it exists. It is an error only when that
	// can't be told now.
	Alive(ctx context.Context, sources []uuid.UUID) ([]bool, error)
}

// DrainConfig bounds the drain's batches.
type DrainConfig struct {
	// Batch is how many letters are put at once, Linger how long the first waits
	// for more.
	Batch  int
	Linger time.Duration
	// RetryMin and RetryMax bound the wait between attempts.
	RetryMin, RetryMax time.Duration
}

// DrainDeps are what a drain stands on.
type DrainDeps struct {
	Log     telemetry.LetterLog
	Letters telemetry.DeadLetters
	Sources Sources
	// Failed is told of each attempt that failed and will be repeated.
	Failed func(error)
	// Lost is told of a letter that the store refuses for good.
	Lost func(letter telemetry.DeadLetter, err error)
}

// Drain brings letters from a durable way in to where their owners see them.
// Those of deleted sources it leaves out. What comes twice is one letter, unless
// its owner deleted it in between.
type Drain struct {
	cfg DrainConfig
	d   DrainDeps
}

// NewDrain returns a drain.
func NewDrain(cfg DrainConfig, d DrainDeps) *Drain { return &Drain{cfg: cfg, d: d} }

// Run drains until ctx ends. What is under way then comes again.
func (d *Drain) Run(ctx context.Context) error {
	wait := d.cfg.RetryMin
	for ctx.Err() == nil {
		batch, err := d.d.Log.Fetch(ctx, d.cfg.Batch, d.cfg.Linger)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // whoever ends the context wants the end, not its error
		case err != nil:
			d.d.Failed(fmt.Errorf("reading the way in: %w", err))
			pause(ctx, wait)
			wait = min(2*wait, d.cfg.RetryMax)
			continue
		}
		wait = d.cfg.RetryMin
		if !d.store(ctx, batch.Letters) {
			return nil
		}
		if err := batch.Commit(ctx); err != nil && ctx.Err() == nil {
			d.d.Failed(fmt.Errorf("committing: %w", err))
		}
	}
	return nil
}

// store puts letters until they are kept; false when ctx ended before.
func (d *Drain) store(ctx context.Context, letters []telemetry.DeadLetter) bool {
	for wait := d.cfg.RetryMin; ; wait = min(2*wait, d.cfg.RetryMax) {
		kept, err := d.alive(ctx, letters)
		if err == nil {
			err = putSurely(ctx, d.d.Letters, kept, d.d.Lost)
		}
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			return true
		}
		d.d.Failed(fmt.Errorf("storing %d: %w", len(letters), err))
		pause(ctx, wait)
	}
}

// alive leaves out the letters of sources that are deleted.
func (d *Drain) alive(ctx context.Context, letters []telemetry.DeadLetter) ([]telemetry.DeadLetter, error) {
	var sources []uuid.UUID
	for _, letter := range letters {
		if letter.SourceID != uuid.Nil && !slices.Contains(sources, letter.SourceID) {
			sources = append(sources, letter.SourceID)
		}
	}
	exist := map[uuid.UUID]bool{uuid.Nil: true}
	if len(sources) > 0 {
		answers, err := d.d.Sources.Alive(ctx, sources)
		if err != nil {
			return nil, fmt.Errorf("asking for their sources: %w", err)
		}
		for i, source := range sources {
			exist[source] = answers[i]
		}
	}
	var kept []telemetry.DeadLetter
	for _, letter := range letters {
		if exist[letter.SourceID] {
			kept = append(kept, letter)
		}
	}
	return kept, nil
}

// putSurely puts letters, and tells of those that are refused for good: they hold
// up nothing. An error is a passing one.
func putSurely(ctx context.Context, to telemetry.DeadLetters, letters []telemetry.DeadLetter, lost func(telemetry.DeadLetter, error)) error {
	if len(letters) == 0 {
		return nil
	}
	err := to.Put(ctx, letters...)
	switch {
	case err == nil, fault.Passing(err), ctx.Err() != nil:
		return err
	case len(letters) == 1:
		lost(letters[0], err)
		return nil
	}
	for i := range letters { // which of them?
		if err := putSurely(ctx, to, letters[i:i+1], lost); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
