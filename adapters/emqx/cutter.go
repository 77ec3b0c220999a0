package emqx

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/change"
	"ampra/core/clock"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
)

// CutterConfig says where EMQX is. Zero durations and counts stand for the
// defaults named beside them.
type CutterConfig struct {
	// URL is EMQX's REST API, with an API key and its secret: http://key:secret@host:18083.
	URL credential.Secret
	// Timeout bounds one request, 2 s.
	Timeout time.Duration
	// Pause is how long a sign-in that was answered before a change may take until
	// its session is there, 150 ms: after it the client is looked for once more.
	Pause time.Duration
	// Every is how often all connected devices are looked at, 5 min.
	Every time.Duration
	// Page is how many of them are asked for at a time, 1,000.
	Page int
	// Retry is the wait before what failed is tried again, 1 s, doubled up to 30 s.
	Retry time.Duration
}

// CutterDeps are what a cutter stands on.
type CutterDeps struct {
	Sources Sources
	Clock   clock.Clock
	Log     *slog.Logger
}

// Cutter cuts devices off at EMQX. Apply is called in the process that made a
// change, once every process knows it. What it could not do, Run does later; Run
// also cuts off whose key's grace is over, and finds whom a process that died left
// connected.
type Cutter struct {
	cfg  CutterConfig
	d    CutterDeps
	rest *rest
	wake chan struct{}

	mu sync.Mutex
	// due has when a source is to be looked at.
	due map[uuid.UUID]time.Time

	kicked atomic.Int64
	swept  atomic.Int64
}

// maxDue bounds what is remembered: what falls out is found by the look at all.
const maxDue = 100_000

// NewCutter checks the settings.
func NewCutter(cfg CutterConfig, d CutterDeps) (*Cutter, error) {
	setDefault(&cfg.Timeout, 2*time.Second)
	setDefault(&cfg.Pause, 150*time.Millisecond)
	setDefault(&cfg.Every, 5*time.Minute)
	setDefault(&cfg.Page, 1000)
	setDefault(&cfg.Retry, time.Second)
	api, err := newREST(cfg.URL, cfg.Timeout)
	if err != nil {
		return nil, err
	}
	return &Cutter{cfg: cfg, d: d, rest: api, wake: make(chan struct{}, 1), due: map[uuid.UUID]time.Time{}}, nil
}

func setDefault[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// Kicked counts the sessions that were ended; Swept how often all devices were
// looked at.
func (c *Cutter) Kicked() int64 { return c.kicked.Load() }

// Swept counts the looks at all devices that came to their end.
func (c *Cutter) Swept() int64 { return c.swept.Load() }

// Ping asks EMQX for a sign of life.
func (c *Cutter) Ping(ctx context.Context) error {
	_, _, err := c.rest.list(ctx, "sunsource_", 1, 1)
	return err
}

// Apply returns when EMQX holds no session that the change revoked. It waits a
// moment longer than that: EMQX may have been told "allow" just before, and register
// the session just now. Nobody has the new key meanwhile, so whoever is connected
// after a rotation without a grace has an old one. An error says that a device may
// still be connected; it is tried again until it is done.
func (c *Cutter) Apply(ctx context.Context, one change.Change) error {
	err := c.apply(ctx, one)
	if err != nil {
		c.later(one.SourceID, c.d.Clock.Now().Add(c.cfg.Retry))
		return fmt.Errorf("cutting off the device of source %s at EMQX: %w", one.SourceID, err)
	}
	return nil
}

func (c *Cutter) apply(ctx context.Context, one change.Change) error {
	access, err := c.d.Sources.Access(ctx, one.SourceID)
	switch {
	case fault.Is(err, fault.NotFound):
		return c.cut(ctx, one.SourceID)
	case err != nil:
		return err
	case access.Type != sunsource.MQTT:
		return nil
	case !access.Active:
		return c.cut(ctx, one.SourceID)
	case one.Kind != change.CredentialsRotated:
		return nil
	case len(access.Keys) > 1:
		return c.check(ctx, one.SourceID)
	default:
		return c.cut(ctx, one.SourceID)
	}
}

// cut ends the session of a source until there is none, and none comes.
func (c *Cutter) cut(ctx context.Context, source uuid.UUID) error {
	if err := c.rest.forget(ctx); err != nil {
		return err
	}
	for waited := false; ; waited = true {
		there, err := c.rest.kick(ctx, sunsource.ClientID(source))
		if err != nil {
			return err
		}
		if there {
			c.kicked.Add(1)
		} else if waited {
			return nil
		}
		if !wait(ctx, c.cfg.Pause) {
			return ctx.Err()
		}
	}
}

// check ends the session of a source unless it is one of a key that holds. While
// a grace lasts it notes when to look again. Where EMQX does not tell the key, the
// session ends: a device with a good key comes back.
func (c *Cutter) check(ctx context.Context, source uuid.UUID) error {
	access, err := c.d.Sources.Access(ctx, source)
	if fault.Is(err, fault.NotFound) {
		return c.cut(ctx, source)
	}
	if err != nil {
		return err
	}
	now := c.d.Clock.Now()
	for _, key := range access.Keys {
		if key.ValidUntil != nil && key.ValidUntil.After(now) {
			c.later(source, *key.ValidUntil)
		}
	}
	if err := c.rest.forget(ctx); err != nil {
		return err
	}
	client, there, err := c.rest.lookUp(ctx, sunsource.ClientID(source))
	if err != nil || !there || holds(client, access, now, false) {
		return err
	}
	if there, err = c.rest.kick(ctx, sunsource.ClientID(source)); there {
		c.kicked.Add(1)
	}
	return err
}

// holds reports whether a session may go on; unknown is the answer for one of
// which EMQX does not tell the key.
func holds(client seen, access credential.Access, now time.Time, unknown bool) bool {
	key, err := uuid.Parse(client.Attributes[attribute])
	if err != nil {
		return access.Active && unknown
	}
	return access.Holds(key, now)
}

// later notes to look at a source; the earlier of two times stands.
func (c *Cutter) later(source uuid.UUID, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.due[source]; (ok && known.Before(at)) || (!ok && len(c.due) >= maxDue) {
		return
	}
	c.due[source] = at
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// wait reports whether d passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
