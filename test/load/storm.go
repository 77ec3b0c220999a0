package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"ampra/bootstrap"
	"ampra/core/sunsource"
)

// idleTime is how long devices stay silent before a session's memory is taken.
const idleTime = 5 * time.Second

// stormCase: all devices sign in at once, each for the first time since the
// broker's start, and then stay silent.
func (b *bench) stormCase(ctx context.Context) (err error) {
	h, err := b.scaleHouse(ctx)
	if err != nil {
		return err
	}
	n := b.opt.storm
	r := row{name: "sign-ins, all at once", devices: n, ack: "CONNACK"}
	b.say(r.name, n)
	line, err := b.newPipeline(ctx, "storm")
	if err != nil {
		return err
	}
	defer line.close()
	broker, err := h.run(ctx, "broker", "broker", line.settings(nil))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broker.stop()) }()
	before := memoryOf(families(), broker.process())
	debug.FreeOSMemory()
	w := begin(ctx, []process{myself("generator"), broker.process(), b.postgresProcess()})
	began := time.Now()
	r.acks = &histogram{}
	f, err := dial(ctx, broker.mqtt, h.devices[:n], ownLogin, r.acks)
	if err != nil {
		w.end()
		return err
	}
	defer f.close()
	r.length = time.Since(began)
	r.rate = float64(n) / r.length.Seconds()
	r.readings = n
	signedIn := memoryOf(families(), broker.process())
	if err := pause(ctx, idleTime); err != nil {
		return err
	}
	idle := memoryOf(families(), broker.process())
	r.used, r.others = w.end()
	r.note = fmt.Sprintf("%.2f s for all; memory of a session %.1f KB after sign-in, %.1f KB %s later (with garbage not yet collected)",
		r.length.Seconds(), kilobytes(signedIn-before, n), kilobytes(idle-before, n), idleTime)
	b.add(r, nil)
	return nil
}

func kilobytes(bytes int64, n int) float64 { return float64(bytes) / 1000 / float64(n) }

// growthCase: the list of sources for users who have few and many.
func (b *bench) growthCase(ctx context.Context) (err error) {
	h, err := b.scaleHouse(ctx)
	if err != nil {
		return err
	}
	line, err := b.newPipeline(ctx, "growth")
	if err != nil {
		return err
	}
	defer line.close()
	api, err := h.run(ctx, "api", "api", line.settings(nil))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, api.stop()) }()
	for _, n := range b.opt.growth {
		if err := b.list(ctx, h, api, n); err != nil {
			return err
		}
	}
	return nil
}

// list measures GET /api/sunsources of a user with n sources, one at a time.
func (b *bench) list(ctx context.Context, h *house, api *server, n int) error {
	r := row{name: fmt.Sprintf("GET /api/sunsources of %d", n), ack: "200"}
	b.say(r.name, 0)
	email, err := h.userWith(ctx, n)
	if err != nil {
		return err
	}
	user, err := signIn(ctx, api.url(), email)
	if err != nil {
		return err
	}
	const path = "/api/sunsources"
	body, err := get(ctx, user.http, api.url()+path)
	if err != nil {
		return err
	}
	r.payload, r.acks = len(body), &histogram{}
	debug.FreeOSMemory()
	w := begin(ctx, []process{myself("generator"), api.process(), b.postgresProcess()})
	began := time.Now()
	for time.Since(began) < b.opt.duration/2 && err == nil {
		one := time.Now()
		_, err = get(ctx, user.http, api.url()+path)
		r.acks.add(time.Since(one))
		r.readings++
	}
	r.length = time.Since(began)
	r.used, r.others = w.end()
	r.rate = float64(r.readings) / r.length.Seconds()
	r.counts.sent, r.counts.acknowledged = r.readings, r.readings
	r.note = fmt.Sprintf("%d requests; CPU is per million of them", r.readings)
	b.add(r, err)
	return err
}

// userWith makes a user with n sources and returns the e-mail address.
func (h *house) userWith(ctx context.Context, n int) (string, error) {
	box, err := bootstrap.Keys(h.records, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	db, err := bootstrap.Records(h.records) //nolint:contextcheck // opening has none
	if err != nil {
		return "", err
	}
	defer db.Close()
	email := fmt.Sprintf("load-%d@example.org", n)
	owner, err := addUser(ctx, h.records, db, email)
	if err != nil {
		return "", err
	}
	_, err = addSources(ctx, db, box, owner, sunsource.MQTT, n)
	return email, err
}
