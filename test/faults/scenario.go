package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"ampra/test/stack"
)

// scenario is a situation with a name that has to be arranged.
type scenario struct {
	name, about string
	run         func(ctx context.Context, t *trial, r *result, random *rand.Rand) error
}

// scenarios are all of them.
func scenarios() []scenario {
	return []scenario{
		{"rebalance", "writers come and go in order while readings flow", rebalance},
		{"zombie", "a writer that stood still beyond its session goes on beside its successor", zombie},
		{"mover", "rows move on into the time series every second while writers and MongoDB are hit", mover},
		{"kafka-away", "no PUBACK, 503, flat memory, then recovery", kafkaAway},
		{"postgres-away", "what goes on without the records, and that nothing acknowledged is lost", postgresAway},
		{"mongo-away", "readings are taken without the archive and are found once it is back", mongoAway},
		{"disk-full", "embedded: a clear error, no acknowledgement, recovery without a restart", diskFull},
		{"clock", "the clocks of processes jump by hours, forwards and back (on each --profile)", clockSteps},
	}
}

// scenario runs one. An error says that it could not be arranged.
func (t *trial) scenario(ctx context.Context, s scenario) (result, error) {
	fmt.Fprintf(t.out, "%s  scenario %s, seed %d\n", time.Now().Format(time.TimeOnly), s.name, t.o.seed)
	r := result{name: s.name, seed: t.o.seed}
	err := s.run(ctx, t, &r, rand.New(rand.NewPCG(t.o.seed, 0))) //nolint:gosec // not a secret
	return r, err
}

// paced is how a scenario's fleet sends.
func (o options) paced() pace {
	return pace{mqtt: o.devices, hooks: o.hooks, every: o.every, corrections: 0.1}
}

// inHouse lets a fleet send in a house of the profile while act goes on.
func (t *trial) inHouse(ctx context.Context, profile string, more map[string]string, r *result, random *rand.Rand, p pace,
	act func(ctx context.Context, h *house, f *fleet) error,
) error {
	h, err := t.house(ctx, profile, more)
	if err != nil {
		return err
	}
	h.play(ctx, r, random, p, func(ctx context.Context, f *fleet) (time.Time, error) {
		if err := pause(ctx, quiet); err != nil {
			return time.Time{}, err
		}
		return time.Time{}, act(ctx, h, f)
	})
	r.complain(h.close())
	return nil
}

// rebalance: only writers are disturbed, so that the last correction must stand.
func rebalance(ctx context.Context, t *trial, r *result, random *rand.Rand) error {
	p := t.o.paced()
	p.strict = true
	return t.inHouse(ctx, scale, nil, r, random, p, func(ctx context.Context, h *house, _ *fleet) error {
		if err := h.add(ctx, "writer C", "writer", h.named("writer B").settings); err != nil {
			return err
		}
		writers := []*process{h.named("writer A"), h.named("writer B"), h.processes[len(h.processes)-1]}
		for end := time.Now().Add(t.o.length + 10*time.Second); time.Now().Before(end); r.faults++ {
			w := writers[random.IntN(len(writers))]
			if w.running() != nil && w.running().Running() {
				t.say(w.name + " leaves")
				if err := w.stop(); err != nil {
					return err
				}
			} else {
				t.say(w.name + " comes")
				if err := w.start(); err != nil {
					return err
				}
			}
			if err := pause(ctx, between(random, 300*time.Millisecond, 5*time.Second)); err != nil {
				return err
			}
		}
		for _, w := range writers {
			if w.running() == nil || !w.running().Running() {
				if err := w.start(); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// sessionTime is what Kafka waits for a silent member of the writers' group.
const sessionTime = 10 * time.Second

// zombie halts each writer in turn until its partitions are another's.
func zombie(ctx context.Context, t *trial, r *result, random *rand.Rand) error {
	p := t.o.paced()
	p.strict, p.corrections = true, 0.3
	return t.inHouse(ctx, scale, nil, r, random, p, func(ctx context.Context, h *house, _ *fleet) error {
		for range 2 {
			for _, name := range []string{"writer A", "writer B"} {
				w := h.named(name)
				if err := pause(ctx, between(random, time.Second, 2*time.Second)); err != nil {
					return err
				}
				length := sessionTime + between(random, 2*time.Second, 4*time.Second)
				t.say(fmt.Sprintf("%s stands still for %s", name, length.Round(time.Millisecond)))
				r.faults++
				err := w.halt()
				_ = pause(ctx, length)
				if err := errors.Join(err, w.proceed()); err != nil {
					return err
				}
				t.say(name + " goes on")
			}
		}
		return pause(ctx, 3*time.Second)
	})
}

// mover hits only what moves rows, so often that some blows fall into a move.
func mover(ctx context.Context, t *trial, r *result, random *rand.Rand) error {
	p := t.o.paced()
	p.strict = true
	often := map[string]string{"AMPRA_MONGO_MOVE_EVERY": "1s", "AMPRA_MONGO_MOVE_ROWS": "500"}
	on := targets{processes: []string{"writer A", "writer B"}, servers: []string{stack.OwnMongo}, links: []string{"ampra-mongodb"}}
	plan := draw(random, on, t.o.length+10*time.Second, 2*t.o.faults)
	return t.inHouse(ctx, scale, often, r, random, p, func(ctx context.Context, h *house, _ *fleet) error {
		c := &chaos{house: h, began: time.Now(), say: t.say}
		err := c.run(ctx, plan)
		r.faults = c.brought
		return err
	})
}

// spell watches what is acknowledged, and what memory takes, while something is
// away.
type spell struct {
	fleet   *fleet
	watched []*process
	before  map[string]int
	peak    map[string]int
}

func newSpell(f *fleet, watched ...*process) *spell {
	s := &spell{fleet: f, watched: watched, before: map[string]int{}, peak: map[string]int{}}
	for _, p := range watched {
		s.before[p.name] = p.memory()
	}
	return s
}

// lasts waits, and returns how many readings were acknowledged meanwhile.
func (s *spell) lasts(ctx context.Context, length time.Duration) int {
	before := s.acked()
	for end := time.Now().Add(length); time.Now().Before(end) && pause(ctx, 200*time.Millisecond) == nil; {
		for _, p := range s.watched {
			s.peak[p.name] = max(s.peak[p.name], p.memory())
		}
	}
	return s.acked() - before
}

func (s *spell) acked() int {
	n := 0
	for _, d := range s.fleet.devices {
		n += d.book.acked()
	}
	return n
}

// growth is how much memory may grow in a spell, in MB.
const growth = 64

// judge complains of memory that grew.
func (s *spell) judge(r *result) {
	for _, p := range s.watched {
		r.notes = append(r.notes, fmt.Sprintf("memory of %s: %d MB before, at most %d MB meanwhile", p.name, s.before[p.name], s.peak[p.name]))
		if s.peak[p.name] > s.before[p.name]+growth {
			r.complain(fmt.Errorf("the memory of %s grew by more than %d MB", p.name, growth))
		}
	}
}

// memory is the resident memory of the process in MB; 0 where it can't be seen.
func (p *process) memory() int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.running().Process.Pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kilobytes, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return kilobytes >> 10
		}
	}
	return 0
}

// away kills a server, lets act look at what goes on without it, and starts it
// again.
func away(ctx context.Context, h *house, server string, act func() error) error {
	s := h.servers.own[server]
	if err := s.Kill(); err != nil {
		return err
	}
	err := act()
	starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTime)
	defer cancel()
	return errors.Join(err, s.Restart(starting))
}

// says complains unless the process's /readyz names a part as away.
func says(ctx context.Context, r *result, p *process, part string) {
	_, text, err := p.ask(ctx, "/readyz")
	r.complain(err)
	if !strings.Contains(text, `"`+part+`":"away`) {
		r.complain(fmt.Errorf("/readyz of %s does not say that its %s is away: %s", p.name, part, text))
	}
}

// kafkaAway: what was in hand when Kafka went is given up after 10 s; from then on
// nothing may be acknowledged.
func kafkaAway(ctx context.Context, t *trial, r *result, random *rand.Rand) error {
	return t.inHouse(ctx, scale, nil, r, random, t.o.paced(), func(ctx context.Context, h *house, f *fleet) error {
		r.faults = 1
		s := newSpell(f, h.api(), h.named("broker"))
		err := away(ctx, h, stack.OwnKafka, func() error {
			s.lasts(ctx, time.Second) // answers on their way
			if n := s.lasts(ctx, 24*time.Second); n > 0 {
				r.complain(fmt.Errorf("%d readings were acknowledged without a journal", n))
			}
			says(ctx, r, h.api(), "journal")
			says(ctx, r, h.named("broker"), "journal")
			return nil
		})
		s.judge(r)
		if f.troubles.unavailable.Load() == 0 {
			r.complain(errors.New("no webhook was answered with 503"))
		}
		if err == nil && s.lasts(ctx, 15*time.Second) == 0 {
			r.complain(errors.New("nothing was acknowledged within 15 s of Kafka's return"))
		}
		return err
	})
}

// postgresAway: devices that are known go on as long as the lease of their process
// lasts; then nothing is acknowledged until PostgreSQL is back.
func postgresAway(ctx context.Context, t *trial, r *result, random *rand.Rand) error {
	return t.inHouse(ctx, scale, nil, r, random, t.o.paced(), func(ctx context.Context, h *house, f *fleet) error {
		r.faults = 1
		s := newSpell(f, h.api(), h.named("broker"))
		err := away(ctx, h, stack.OwnPostgres, func() error {
			first := s.lasts(ctx, 5*time.Second)
			then := s.lasts(ctx, 15*time.Second)
			r.notes = append(r.notes, fmt.Sprintf("without PostgreSQL: %d readings were acknowledged in the first 5 s, %d in the next 15 s", first, then))
			says(ctx, r, h.api(), "records")
			return nil
		})
		s.judge(r)
		if err == nil && s.lasts(ctx, 15*time.Second) == 0 {
			r.complain(errors.New("nothing was acknowledged within 15 s of PostgreSQL's return"))
		}
		return err
	})
}

// mongoAway: the journal goes on taking readings.
func mongoAway(ctx context.Context, t *trial, r *result, random *rand.Rand) error {
	return t.inHouse(ctx, scale, nil, r, random, t.o.paced(), func(ctx context.Context, h *house, f *fleet) error {
		r.faults = 1
		s := newSpell(f, h.api(), h.named("broker"), h.named("writer A"), h.named("writer B"))
		err := away(ctx, h, stack.OwnMongo, func() error {
			n := s.lasts(ctx, 20*time.Second)
			r.notes = append(r.notes, fmt.Sprintf("without MongoDB %d readings were acknowledged in 20 s", n))
			if n == 0 {
				r.complain(errors.New("nothing was acknowledged without the archive, though the journal was there"))
			}
			says(ctx, r, h.named("writer A"), "archive")
			return nil
		})
		s.judge(r)
		return err
	})
}
