package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"runtime"
	"strings"
	"time"

	"ampra/adapters/mongodb"
)

// moveTime bounds the wait for the last readings to reach the time series.
const moveTime = 3 * time.Minute

// moved has the writer move all that is written into the time series and waits
// for it: it is part of what a reading costs.
func moved(archive *mongodb.Archive) func(context.Context) error {
	return func(ctx context.Context) error {
		for deadline := time.Now().Add(moveTime); ; {
			waiting, err := archive.Waiting(ctx)
			if err != nil || waiting == 0 {
				return err
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%d readings were not moved within %s", waiting, moveTime)
			}
			if err := archive.MoveSoon(ctx); err != nil {
				return err
			}
			if err := pause(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
	}
}

// fleetGap is how often a device of the case fleet sends.
const fleetGap = 10 * time.Second

// fleetCase: many devices that each send now and then, as they do in the field. By
// the schedule they begin one after the other.
func (b *bench) fleetCase(ctx context.Context) error {
	h, err := b.scaleHouse(ctx)
	if err != nil {
		return err
	}
	devices := b.opt.fleet
	p := plan{rate: max(1, devices/int(fleetGap/time.Second)), warmup: max(b.opt.warmup, fleetGap), length: b.opt.duration}
	r := row{name: "fleet, a reading each 10 s", devices: devices, ack: ackKafka}
	if devices > perProcess {
		return b.convoyed(ctx, h, r, p)
	}
	return b.scaled(ctx, r, func(line *pipeline) (setup, error) {
		broker, err := h.run(ctx, "broker", "broker", line.settings(nil))
		if err != nil {
			return setup{}, err
		}
		return setup{intake: broker, address: broker.mqtt, login: ownLogin, sources: h.devices[:devices], plan: p}, nil
	})
}

// convoyed measures a fleet of several generators and brokers.
func (b *bench) convoyed(ctx context.Context, h *house, r row, p plan) (err error) {
	b.say(r.name, r.devices)
	line, err := b.newPipeline(ctx, r.name)
	if err != nil {
		return err
	}
	defer line.close()
	var running servers
	defer func() { err = errors.Join(err, running.stop()) }()
	var brokers []string
	for n := range (r.devices+perProcess-1)/perProcess + 1 {
		name, role := fmt.Sprintf("broker#%d", n), "broker"
		if n == 0 {
			name, role = "writer", "writer"
		}
		one, err := h.run(ctx, name, role, line.settings(nil))
		if err != nil {
			return err
		}
		running = append(running, one)
		if n > 0 {
			brokers = append(brokers, one.mqtt)
		}
	}
	archive, err := openMongo(ctx, line)
	if err != nil {
		return err
	}
	defer archive.Close(ctx)
	c, err := b.muster(ctx, brokers, h.devices[:r.devices])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.dismiss()) }()
	done, err := b.measure(ctx, measured{
		row: r, sender: c, meter: &c.meter, plan: p,
		processes: append(append(running.processes(), c.processes()...), b.kafkaProcess(), b.mongoProcess(), b.postgresProcess()),
		find:      archive.History, written: archived(running[0].url()), settle: moved(archive), close: func() {},
		after: func(context.Context) (finder, error) { return archive.History, nil },
	})
	done.note += fmt.Sprintf("%d generators and as many brokers; ", len(brokers))
	if c.broken > 0 {
		done.note += fmt.Sprintf("%d connections ended early (%s); ", c.broken, c.first)
	}
	b.add(done, err)
	return err
}

// ownAddress spreads devices over the loopback network: one address has not the
// ports for 50,000 connections.
func ownAddress(address, clientID string) net.Addr {
	if runtime.GOOS != "linux" || !strings.HasPrefix(address, "127.0.0.1:") {
		return nil
	}
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(clientID))
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+sum.Sum32()%8))}
}
