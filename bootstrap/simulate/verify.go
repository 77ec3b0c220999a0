package simulate

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	verifyParallel = 4
	followPause    = 500 * time.Millisecond
)

// verify reads every source back by pages and compares with what was sent, until
// all that was acknowledged is found. A reading is lost when a history that was
// asked for patience or more after the beginning does not show it. It returns an
// error when the API could not be read; ctx bounds the whole.
func (f *fleet) verify(ctx context.Context, patience time.Duration) error {
	begun := time.Now()
	err := f.eachSource(func(s *Source) error {
		from, to, any := s.ledger.span()
		if !any {
			return nil
		}
		return f.look(ctx, s, from, to)
	})
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		if err != nil || ctx.Err() != nil {
			return err
		}
		last := time.Since(begun) >= patience
		missing := 0
		err = f.eachSource(func(s *Source) error {
			from, to, n := s.ledger.missing()
			if n == 0 {
				return nil
			}
			if err := f.look(ctx, s, from, to); err != nil {
				return err
			}
			_, _, n = s.ledger.missing()
			f.mu.Lock()
			defer f.mu.Unlock()
			missing += n
			return nil
		})
		if missing == 0 || last {
			return err
		}
		if sleep(ctx, min(pause, max(patience-time.Since(begun), 0))) != nil {
			return ctx.Err()
		}
	}
}

// look reads one span of one source.
func (f *fleet) look(ctx context.Context, s *Source, from, to time.Time) error {
	shown := map[int64]int{}
	if err := f.session.client.history(ctx, s.ID, from, to, func(r Reading) { s.ledger.note(r, shown) }); err != nil {
		return fmt.Errorf("reading %s back: %w", s.Name, err)
	}
	return nil
}

// eachSource calls do for all sources, some at a time, and returns the first
// error.
func (f *fleet) eachSource(do func(*Source) error) error {
	var (
		running sync.WaitGroup
		once    sync.Once
		first   error
		slots   = make(chan struct{}, verifyParallel)
	)
	for _, s := range f.sources {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			if err := do(s); err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	running.Wait()
	return first
}

// follow looks for what was acknowledged while a run is on, so that its line can
// say what is found. What it can't read now is left to verify.
func (f *fleet) follow(ctx context.Context) {
	for sleep(ctx, followPause) == nil {
		err := f.eachSource(func(s *Source) error {
			from, to, n := s.ledger.missing()
			if n == 0 {
				return nil
			}
			return f.look(ctx, s, from, to)
		})
		if err != nil && ctx.Err() == nil {
			f.problem(err)
		}
	}
}

// wrongValues describes the first reading of a source that was found with other
// values than those sent; "" when there is none. The plant is run again for it:
// it gives the same readings for the same moments.
func (s *Source) wrongValues() string {
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts.Wrong == 0 || l.wrongAt < 0 {
		return ""
	}
	plant := NewPlant(s.Site, s.seed, time.UnixMilli(l.times[0]))
	var sent Reading
	for _, ms := range l.times[:l.wrongAt+1] {
		sent = plant.Step(time.UnixMilli(ms))
	}
	return fmt.Sprintf("%s: %d readings were found with other values than those sent; at %s they differ in %s",
		s.Name, l.counts.Wrong, sent.Timestamp.Format(time.RFC3339Nano), strings.Join(differences(sent, l.wrongReading), ", "))
}
