package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"ampra/test/stack"
)

// Bounds of a round.
const (
	// patience bounds a single request or step.
	patience = 60 * time.Second
	// readyTime is how long a process may take to be ready once all has healed.
	readyTime = 90 * time.Second
	// drainTime is how long, after that, readings may stay without an answer.
	drainTime = 90 * time.Second
	// findTime is how long readings may take to be found then.
	findTime = 60 * time.Second
)

// result is what a round, or a scenario, came to.
type result struct {
	name   string
	seed   uint64
	faults int
	took   time.Duration
	verdict
	// wrong is what broke beside the counts.
	wrong []string
	notes []string
}

func (r *result) broken() bool { return r.verdict.broken() || len(r.wrong) > 0 }

// complain adds what broke.
func (r *result) complain(err error) {
	if err != nil {
		r.wrong = append(r.wrong, strings.ReplaceAll(err.Error(), "\n", "\n      "))
	}
}

// targets are what of the house can be hit.
func (h *house) targets() targets {
	var on targets
	for _, p := range h.processes {
		on.processes = append(on.processes, p.name)
	}
	on.links = slices.Sorted(maps.Keys(h.links))
	if h.profile != embedded {
		on.servers = []string{stack.OwnKafka, stack.OwnMongo, stack.OwnPostgres}
	}
	if h.profile == mosquitto {
		on.servers = append(on.servers, stack.OwnMosquitto)
	}
	return on
}

// chaos brings a plan about.
type chaos struct {
	house *house
	began time.Time
	say   func(string)

	mu     sync.Mutex
	failed error
	// busy are the targets that have not come back: a server's start takes a while.
	busy    map[string]bool
	brought int
	running sync.WaitGroup
	// forgive is until when an outside broker may have lost what it acknowledged.
	forgive time.Time
}

// run brings the plan about and returns when all has healed.
func (c *chaos) run(ctx context.Context, plan []fault) error {
	for _, f := range plan {
		if pause(ctx, time.Until(c.began.Add(f.at))) != nil {
			break
		}
		if !c.take(f.target) {
			c.say(f.String() + ": left out, it is not back yet")
			continue
		}
		c.say(f.String())
		c.running.Go(func() {
			defer c.release(f.target)
			if err := c.bring(ctx, f); err != nil {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.failed = errors.Join(c.failed, fmt.Errorf("%s %s: %w", f.act, f.target, err))
			}
		})
	}
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// take reports whether a target can be hit, and keeps it.
func (c *chaos) take(target string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[target] {
		return false
	}
	if c.busy == nil {
		c.busy = map[string]bool{}
	}
	c.busy[target] = true
	c.brought++
	return true
}

func (c *chaos) release(target string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, target)
}

// bring brings one fault about, and heals it. What is hit heals also when ctx
// ends early.
func (c *chaos) bring(ctx context.Context, f fault) error {
	if l := c.house.links[f.target]; l != nil {
		switch f.act {
		case actReset:
			l.reset()
			return nil
		case actCut:
			l.set(cut, 0)
		case actSlow:
			l.set(slow, f.late)
		case actHold:
			l.set(held, 0)
		default:
			l.set(halfOpen, 0)
		}
		_ = pause(ctx, f.length)
		l.set(passing, 0)
		return nil
	}
	if p := c.house.named(f.target); p != nil {
		if f.act == actKill {
			err := p.kill()
			_ = pause(ctx, f.length)
			return errors.Join(err, p.start())
		}
		err := p.halt()
		_ = pause(ctx, f.length)
		return errors.Join(err, p.proceed())
	}
	return c.strike(ctx, f)
}

// strike hits a server.
func (c *chaos) strike(ctx context.Context, f fault) error {
	s := c.house.servers.own[f.target]
	if s == nil {
		return errors.New("there is no such target")
	}
	if f.act == actStop {
		err := s.Halt()
		_ = pause(ctx, f.length)
		return errors.Join(err, s.Continue())
	}
	err := s.Kill()
	_ = pause(ctx, f.length)
	starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTime)
	defer cancel()
	err = errors.Join(err, s.Restart(starting))
	if f.target == stack.OwnMosquitto && err == nil {
		err = c.resubscribed(starting)
		c.mu.Lock()
		c.forgive = time.Now()
		c.mu.Unlock()
	}
	return err
}

// resubscribed waits until the processes that read Mosquitto do so again: before
// that it has nobody to keep readings for.
func (c *chaos) resubscribed(ctx context.Context) error {
	for _, p := range c.house.processes {
		if !strings.HasPrefix(p.name, "ingest") {
			continue
		}
		for {
			_, text, err := p.ask(ctx, "/readyz")
			if err == nil && strings.Contains(text, `"broker":"ok"`) {
				break
			}
			if waited := pause(ctx, 50*time.Millisecond); waited != nil {
				return fmt.Errorf("%s did not subscribe again: %w", p.name, waited)
			}
		}
	}
	return nil
}

// play lets a fleet send while act goes on, lets everything heal and drain, and
// judges. act brings the faults about and returns when they have healed, and until
// when an outside broker is forgiven.
func (h *house) play(ctx context.Context, r *result, random *rand.Rand, p pace, act func(ctx context.Context, f *fleet) (time.Time, error)) {
	began := time.Now()
	defer func() { r.took = time.Since(began) }()
	f, err := h.newFleet(ctx, random, p)
	if err != nil {
		r.complain(fmt.Errorf("making the sources: %w", err))
		return
	}
	sending, stopSending := context.WithCancel(ctx)
	defer stopSending()
	working, stopWorking := context.WithCancel(ctx)
	defer stopWorking()
	var devices, producing sync.WaitGroup
	for _, d := range f.devices {
		producing.Add(1)
		devices.Go(func() { d.play(sending, working, producing.Done) })
	}
	forgive, err := act(ctx, f)
	r.complain(err)
	for _, p := range h.processes {
		if p.fell() {
			r.complain(fmt.Errorf("%s ended by itself with code %d: %s", p.name, p.running().State.ExitCode(), p.said(10)))
			r.complain(p.start())
		}
		r.complain(p.awaitReady(ctx))
	}
	_ = pause(ctx, time.Second) // what comes after the faults counts too
	stopSending()
	within(ctx, drainTime, &producing)
	for deadline := time.Now().Add(drainTime); f.open() > 0 && time.Now().Before(deadline); {
		if pause(ctx, 50*time.Millisecond) != nil {
			break
		}
	}
	if open := f.open(); open > 0 {
		r.complain(fmt.Errorf("%d readings had no answer %s after everything had healed", open, drainTime))
	}
	stopWorking()
	devices.Wait()
	for _, text := range f.troubles.complaints() {
		r.wrong = append(r.wrong, text)
		if len(r.wrong) >= 2*named {
			break
		}
	}
	r.verdict, err = h.reader.find(ctx, f.books, forgive)
	r.complain(err)
	r.notes = append(r.notes, fmt.Sprintf("devices met %d passing errors, %d answers 503, %d answers 429",
		f.troubles.passing.Load(), f.troubles.unavailable.Load(), f.troubles.slowed.Load()))
}

// within waits for a group, no longer than the limit.
func within(ctx context.Context, limit time.Duration, group *sync.WaitGroup) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	go func() {
		group.Wait()
		cancel()
	}()
	<-ctx.Done()
}

// round is one round of random faults.
func (h *house) round(ctx context.Context, seed uint64, o options, say func(string)) result {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // not a secret
	plan := draw(random, h.targets(), o.length, o.faults)
	r := result{name: h.profile, seed: seed}
	h.play(ctx, &r, random, pace{mqtt: o.devices, hooks: o.hooks, every: o.every, corrections: 0.05}, func(ctx context.Context, _ *fleet) (time.Time, error) {
		c := &chaos{house: h, began: time.Now(), say: say}
		err := c.run(ctx, plan)
		r.faults = c.brought
		return c.forgive, err
	})
	if r.broken() {
		r.notes = append(r.notes, "the plan:\n"+describe(plan))
	}
	return r
}
