package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

// drainCase fills Kafka while no writer runs, then lets one write it all, and
// inserts the same rows from memory.
func (b *bench) drainCase(ctx context.Context) (err error) {
	h, err := b.scaleHouse(ctx)
	if err != nil {
		return err
	}
	r := row{name: "writer drains a backlog", devices: flatOutDevices, ack: "-", payload: payloadBytes()}
	b.say(fmt.Sprintf("%s of %d readings", r.name, b.opt.backlog), r.devices)
	line, err := b.newPipeline(ctx, "drain")
	if err != nil {
		return err
	}
	defer line.close()
	books, n, err := b.fill(ctx, line, h)
	if err != nil {
		return err
	}
	writer, err := h.run(ctx, "writer", "writer", line.settings(nil))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, writer.stop()) }()
	written := archived(writer.url())
	first, err := reach(ctx, written, 1) // a new member of a group takes seconds until it reads
	if err != nil {
		return err
	}
	archive, err := openMongo(ctx, line)
	if err != nil {
		return err
	}
	defer archive.Close(ctx)
	w := begin(ctx, []process{writer.process(), b.kafkaProcess(), b.mongoProcess(), b.postgresProcess()})
	began := time.Now()
	last, err := reach(ctx, written, n)
	r.length = time.Since(began)
	if err == nil {
		err = moved(archive)(ctx)
	}
	r.used, r.others = w.end()
	if err != nil {
		return err
	}
	r.readings = last - first
	r.rate = float64(r.readings) / r.length.Seconds()
	r.counts, err = verify(ctx, archive.History, books)
	r.checked = err == nil
	b.add(r, err)
	if err != nil {
		return err
	}
	return b.mongoAlone(ctx, row{name: "insert of as many rows from memory", ack: "-"}, n)
}

// fill appends the backlog: readings of 1,000 sources by turns, a second apart.
func (b *bench) fill(ctx context.Context, line *pipeline, h *house) (map[uuid.UUID]*ledger, int, error) {
	journal, stop, err := journalOf(ctx, line)
	if err != nil {
		return nil, 0, err
	}
	sources := h.devices[:min(flatOutDevices, len(h.devices))]
	turns := (b.opt.backlog + len(sources) - 1) / len(sources)
	from := time.Now().Add(-time.Duration(turns) * time.Second).UnixMilli()
	books := map[uuid.UUID]*ledger{}
	for _, s := range sources {
		books[s.id] = &ledger{}
	}
	all := make([]telemetry.Placed, 0, len(sources))
	for turn := range turns {
		all = all[:0]
		for _, s := range sources {
			number, stamp := books[s.id].begin(from + int64(turn)*1000)
			r, err := decoded(s.id, stamp, number)
			if err != nil {
				return nil, 0, errors.Join(err, stop())
			}
			all = append(all, telemetry.Placed{Reading: r})
		}
		if err := appendAll(ctx, journal, all, nil); err != nil {
			return nil, 0, errors.Join(err, stop())
		}
		for _, s := range sources {
			books[s.id].acknowledge(turn)
		}
	}
	return books, turns * len(sources), stop()
}

// drainTime bounds the drain.
const drainTime = 10 * time.Minute

// reach waits until as many readings are written.
func reach(ctx context.Context, written func(ctx context.Context) (int, error), n int) (int, error) {
	for deadline := time.Now().Add(drainTime); ; {
		now, err := written(ctx)
		if err != nil || now >= n {
			return now, err
		}
		if time.Now().After(deadline) {
			return now, fmt.Errorf("%d of %d readings were written within %s", now, n, drainTime)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil { // asking costs the writer
			return now, err
		}
	}
}
