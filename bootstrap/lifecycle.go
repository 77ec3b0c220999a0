package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// part is something that runs for as long as the process does: a loop, a
// listener, a sweep.
type part struct {
	name string
	run  func(ctx context.Context) error
	// grace is how long it may take to end once its context is over.
	grace time.Duration
}

// parts run together. They start in order, and end one by one in reverse, each
// waited for before the next: first what takes things in, then the pipeline, then
// what they stand on.
type parts struct {
	log  *slog.Logger
	list []part
}

func (p *parts) add(name string, grace time.Duration, run func(ctx context.Context) error) {
	p.list = append(p.list, part{name: name, run: run, grace: grace})
}

type running struct {
	part
	stop  context.CancelFunc
	ended chan struct{}
	err   error
}

// run starts all parts and returns when they have ended: after ctx is over, or
// after one of them ended by itself, which is an error.
func (p *parts) run(ctx context.Context) error {
	failed := make(chan error, len(p.list))
	all := make([]*running, len(p.list))
	for i, one := range p.list {
		// Each has a context of its own: ctx only says when to begin stopping.
		own, stop := context.WithCancel(context.WithoutCancel(ctx))
		r := &running{part: one, stop: stop, ended: make(chan struct{})}
		all[i] = r
		go func() {
			defer close(r.ended)
			r.err = guarded(own, r.part)
			if own.Err() == nil {
				failed <- fmt.Errorf("%s ended: %w", r.name, orUnexpected(r.err))
			}
		}()
	}
	var err error
	select {
	case <-ctx.Done():
		p.log.InfoContext(ctx, "stopping")
	case err = <-failed:
		p.log.ErrorContext(ctx, "a part ended, stopping", "error", err)
	}
	for _, one := range slices.Backward(all) {
		err = errors.Join(err, p.end(one))
	}
	return err
}

// end stops a part and waits for it.
func (p *parts) end(r *running) error {
	r.stop()
	limit := time.NewTimer(r.grace)
	defer limit.Stop()
	select {
	case <-r.ended:
		p.log.Debug("stopped", "part", r.name)
		if r.err != nil && !errors.Is(r.err, context.Canceled) {
			return fmt.Errorf("stopping %s: %w", r.name, r.err)
		}
		return nil
	case <-limit.C:
		return fmt.Errorf("stopping %s: it did not end within %s", r.name, r.grace)
	}
}

// guarded turns a panic of a part into its error, so that the others are stopped
// in order.
func guarded(ctx context.Context, p part) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return p.run(ctx)
}

var errUnexpected = errors.New("it stopped by itself")

func orUnexpected(err error) error {
	if err == nil {
		return errUnexpected
	}
	return err
}

// every calls act at an interval until ctx ends. What it returns is logged.
func every(interval time.Duration, log *slog.Logger, name string, act func(ctx context.Context) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
				if err := act(ctx); err != nil && ctx.Err() == nil {
					log.WarnContext(ctx, "what is done now and then failed, it will be tried again", "act", name, "error", err)
				}
			}
		}
	}
}

// ticking gives a channel of moments to a use case that waits for them.
func ticking(interval time.Duration, run func(ctx context.Context, tick <-chan time.Time) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		return run(ctx, ticker.C)
	}
}
