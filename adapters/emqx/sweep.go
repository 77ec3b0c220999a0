package emqx

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/sunsource"
)

// Run looks at the sources that are due, and at all devices at once and now and
// then, until ctx ends; it returns nil.
func (c *Cutter) Run(ctx context.Context) error {
	defer c.rest.close()
	sweep := c.d.Clock.Now()
	retry, said, known := c.cfg.Retry, "", false
	for ctx.Err() == nil {
		now := c.d.Clock.Now()
		if err := c.overdue(ctx, now, retry); err == nil && !now.Before(sweep) {
			err = c.sweep(ctx, now)
			sweep = now.Add(c.cfg.Every)
			if err != nil {
				sweep = now.Add(retry)
			}
			said, retry = c.said(ctx, said, retry, err)
			if err == nil && !known {
				known = c.tellOld(ctx)
			}
		} else if err != nil {
			said, retry = c.said(ctx, said, retry, err)
		}
		c.pause(ctx, sweep)
	}
	return nil
}

// said logs a problem once for as long as it stays the same, and returns it with
// the next wait.
func (c *Cutter) said(ctx context.Context, before string, retry time.Duration, err error) (string, time.Duration) {
	if err == nil {
		return "", c.cfg.Retry
	}
	if ctx.Err() == nil && err.Error() != before {
		c.d.Log.WarnContext(ctx, "looking after the devices at EMQX failed, it will be tried again", "error", err)
	}
	return err.Error(), min(2*retry, 30*time.Second)
}

// pause waits until something is due.
func (c *Cutter) pause(ctx context.Context, next time.Time) {
	c.mu.Lock()
	for _, at := range c.due {
		if at.Before(next) {
			next = at
		}
	}
	c.mu.Unlock()
	timer := time.NewTimer(max(next.Sub(c.d.Clock.Now()), 10*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.wake:
	case <-ctx.Done():
	}
}

// overdue looks at the sources whose time has come.
func (c *Cutter) overdue(ctx context.Context, now time.Time, retry time.Duration) error {
	var come []uuid.UUID
	c.mu.Lock()
	for source, at := range c.due {
		if !at.After(now) {
			come = append(come, source)
			delete(c.due, source)
		}
	}
	c.mu.Unlock()
	var failed []error
	for _, source := range come {
		if err := c.check(ctx, source); err != nil {
			c.later(source, now.Add(retry))
			failed = append(failed, fmt.Errorf("source %s: %w", source, err))
			if len(failed) > 3 { // EMQX is away: the others are tried when it is back
				for _, left := range come {
					c.later(left, now.Add(retry))
				}
				break
			}
		}
	}
	return errors.Join(failed...)
}

// sweep looks at all devices that are connected. Whom it ends, it may shift out of
// the page after it: the next sweep sees them.
func (c *Cutter) sweep(ctx context.Context, now time.Time) error {
	for page, more := 1, true; more; page++ {
		var clients []seen
		var err error
		if clients, more, err = c.rest.list(ctx, "sunsource_", page, c.cfg.Page); err != nil {
			return err
		}
		for _, client := range clients {
			if err := c.look(ctx, client, now); err != nil {
				return err
			}
		}
	}
	c.swept.Add(1)
	return nil
}

// look ends a session that may not go on.
func (c *Cutter) look(ctx context.Context, client seen, now time.Time) error {
	if _, ours := sunsource.ParseClientID(client.ClientID); !ours {
		return nil
	}
	access, err := c.d.Sources.AccessByClient(ctx, client.ClientID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err == nil && holds(client, access, now, true) {
		return nil
	}
	if err := c.rest.forget(ctx); err != nil {
		return err
	}
	there, err := c.rest.kick(ctx, client.ClientID)
	if there {
		c.kicked.Add(1)
	}
	return err
}
