// Package rotation rotates keys while devices sign in, publish and stall with
// them, by MQTT 3.1.1 and 5, and measures how long a session of an old key outlives
// the API's answer. It is no test by itself: it is given a broker and the API, see
// test/e2e.
package rotation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Source is a sun source with what its device signs in with.
type Source struct {
	ID, ClientID, Key, Topic string
}

// Config says what is tried. All fields are needed but Seed.
type Config struct {
	// Broker is the address at which devices sign in.
	Broker string
	// Sources take part, each in a goroutine of its own.
	Sources []Source
	// Rotations is how often keys are rotated in all.
	Rotations int
	// Rotate has a source's key replaced by the API and returns the new one.
	Rotate func(ctx context.Context, source string) (key string, err error)
	// Seed draws what the devices do.
	Seed uint64
}

// Limit is how long after the API's answer the end of an old session may come to
// its device.
const Limit = time.Second

// patience is how long is waited for what must come soon: for the end of a
// session, too, so that a late one is measured.
const patience = 15 * time.Second

// Run rotates until it is done or ctx ends. The report says what was seen; an
// error says that something could not be tried.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	r := newReport()
	began := time.Now()
	var all sync.WaitGroup
	errs := make([]error, len(cfg.Sources))
	for i, source := range cfg.Sources {
		share := cfg.Rotations / len(cfg.Sources)
		if i < cfg.Rotations%len(cfg.Sources) {
			share++
		}
		w := &worker{cfg: cfg, source: source, report: r, rand: rand.New(rand.NewPCG(cfg.Seed, uint64(i)))} //nolint:gosec // not a secret
		all.Go(func() {
			for n := range share {
				if errs[i] = w.round(ctx, n); errs[i] != nil || ctx.Err() != nil {
					return
				}
			}
		})
	}
	all.Wait()
	r.Took = time.Since(began)
	return r, errors.Join(errs...)
}

// worker rotates the key of one source again and again.
type worker struct {
	cfg    Config
	source Source
	report *Report
	rand   *rand.Rand
}

// round has devices use the key in one of the ways, rotates it, and sees what
// becomes of them.
func (w *worker) round(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	version := byte(4 + n%2)
	play := plays()[w.rand.IntN(len(plays()))]
	s := &scene{worker: w, version: version, key: w.source.Key, way: play.name, over: make(chan struct{})}
	defer s.close()
	if err := play.begin(ctx, s); err != nil {
		return fmt.Errorf("%s with MQTT version %d: %w", play.name, version, err)
	}
	key, err := w.cfg.Rotate(ctx, w.source.ID)
	answered := time.Now()
	if err != nil {
		return fmt.Errorf("rotating: %w", err)
	}
	if key == "" || key == w.source.Key {
		return errors.New("the API gives no new key")
	}
	w.source.Key = key
	s.answered.Store(&answered)
	if play.after != nil {
		if err := play.after(ctx, s); err != nil {
			return fmt.Errorf("%s with MQTT version %d: %w", play.name, version, err)
		}
	}
	s.judge(answered)
	return w.afterwards(ctx, s)
}

// afterwards sees that the old key opens nothing any more, and the new one does.
func (w *worker) afterwards(ctx context.Context, s *scene) error {
	old, err := dial(ctx, w.cfg.Broker, 0)
	if err != nil {
		return err
	}
	defer old.close()
	if code, err := old.signIn(s.version, w.source.ClientID, s.key); err == nil && code == 0 {
		w.report.wrong(s, "the old key signs in after the answer")
	}
	fresh, err := dial(ctx, w.cfg.Broker, 0)
	if err != nil {
		return err
	}
	defer fresh.close()
	if code, err := fresh.signIn(s.version, w.source.ClientID, w.source.Key); err != nil || code != 0 {
		return fmt.Errorf("the new key is answered with %d: %w", code, err)
	}
	if accepted, err := fresh.publish(w.source.Topic, `{"acPowerWatts": 5}`); err != nil || !accepted {
		return fmt.Errorf("a publish with the new key is accepted: %t: %w", accepted, err)
	}
	fresh.goodbye()
	return nil
}
