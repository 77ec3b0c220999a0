package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"

	"ampra/adapters/mongodb"
	"ampra/adapters/sqldb"
	"ampra/core/credential"
)

// What the table says of when the ack is sent.
const (
	ackKafka   = "QoS 1, once Kafka has it (acks=all)"
	ackOutside = "QoS 1, Mosquitto's own"
	ackSQLite  = "QoS 1, once SQLite has committed"
	ackAlone   = "QoS 1, after 5 ms"
	ackPost    = "202, once Kafka has it (acks=all)"
)

// paced is the plan that sends at the rate of --rate.
func (b *bench) paced(devices int) plan {
	if b.opt.rate == 0 {
		return b.flatOut(devices)
	}
	return plan{rate: b.opt.rate, warmup: b.opt.warmup, length: b.opt.duration}
}

// flatOut is the plan that sends as fast as is acknowledged, with about 2,000
// readings under way.
func (b *bench) flatOut(devices int) plan {
	return plan{depth: max(1, 2000/devices), warmup: b.opt.warmup, length: b.opt.duration}
}

// flatOutDevices is how many devices send flat out.
const flatOutDevices = 1000

// planned calls act for each number of devices at the rate, and once flat out.
func (b *bench) planned(act func(devices int, p plan) error) error {
	for _, n := range b.opt.devices {
		if err := act(n, b.paced(n)); err != nil {
			return err
		}
	}
	if b.opt.rate == 0 {
		return nil
	}
	return act(flatOutDevices, b.flatOut(flatOutDevices))
}

// mqttCase: the broker role to Kafka to Mongo.
func (b *bench) mqttCase(ctx context.Context) error {
	h, err := b.scaleHouse(ctx)
	if err != nil {
		return err
	}
	return b.planned(func(devices int, p plan) error {
		r := row{name: "MQTT, own broker", devices: devices, ack: ackKafka}
		if devices > perProcess && p.rate > 0 {
			return b.convoyed(ctx, h, r, p)
		}
		return b.scaled(ctx, r, func(line *pipeline) (setup, error) {
			broker, err := h.run(ctx, "broker", "broker", line.settings(nil))
			if err != nil {
				return setup{}, err
			}
			return setup{intake: broker, address: broker.mqtt, login: ownLogin, sources: h.devices[:devices], plan: p}, nil
		})
	})
}

// setup is what a case adds to the writer.
type setup struct {
	intake  *server
	address string
	login   login
	sources []source
	plan    plan
	others  []process
}

// scaled measures a fleet on a pipeline of its own.
func (b *bench) scaled(ctx context.Context, r row, intake func(line *pipeline) (setup, error)) (err error) {
	b.say(r.name, r.devices)
	line, err := b.newPipeline(ctx, r.name)
	if err != nil {
		return err
	}
	defer line.close()
	writer, err := b.scale.run(ctx, "writer", "writer", line.settings(nil))
	if err != nil {
		return err
	}
	running := servers{writer}
	defer func() { err = errors.Join(err, running.stop()) }()
	in, err := intake(line)
	if in.intake != nil {
		running = append(running, in.intake)
	}
	if err != nil {
		return err
	}
	archive, err := openMongo(ctx, line)
	if err != nil {
		return err
	}
	defer archive.Close(ctx)
	f, err := dial(ctx, in.address, in.sources, in.login, nil)
	if err != nil {
		return err
	}
	defer f.close()
	done, err := b.measure(ctx, measured{
		row: r, sender: f, meter: &f.meter, plan: in.plan,
		processes: append(append(running.processes(), b.kafkaProcess(), b.mongoProcess(), b.postgresProcess()), in.others...),
		find:      archive.History, written: archived(writer.url()), settle: moved(archive), close: func() { b.noteBroken(f, &r); f.close() },
		after: func(context.Context) (finder, error) { return archive.History, nil },
	})
	done.note += r.note
	b.add(done, err)
	return err
}

// noteBroken says which connections ended early.
func (b *bench) noteBroken(f *fleet, r *row) {
	if n, first := f.broken(); n > 0 {
		r.note += fmt.Sprintf("%d connections ended early (%v); ", n, first)
	}
}

// openMongo opens a case's archive as the API does.
func openMongo(ctx context.Context, line *pipeline) (*mongodb.Archive, error) {
	archive, err := mongodb.New(mongodb.Config{URL: credential.NewSecret(line.mongo), Database: line.database},
		mongodb.Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return archive, archive.Setup(ctx)
}

// embeddedCase: everything in one process, with SQLite.
func (b *bench) embeddedCase(ctx context.Context) error {
	return b.planned(func(devices int, p plan) error {
		r := row{name: "MQTT, embedded", devices: devices, ack: ackSQLite}
		b.say(r.name, devices)
		h, err := b.embeddedHouse(ctx, devices)
		if err != nil {
			return err
		}
		server, err := h.run(ctx, "ampra", "", nil)
		if err != nil {
			return err
		}
		stopped := false
		stop := func() error {
			if stopped {
				return nil
			}
			stopped = true
			return server.stop()
		}
		user, err := signIn(ctx, server.url(), ownerEmail)
		if err != nil {
			return errors.Join(err, stop())
		}
		f, err := dial(ctx, server.mqtt, h.devices, ownLogin, nil)
		if err != nil {
			return errors.Join(err, stop())
		}
		var archive *sqldb.Archive
		done, err := b.measure(ctx, measured{
			row: r, sender: f, meter: &f.meter, plan: p, processes: []process{server.process()}, find: user.find,
			close: func() { b.noteBroken(f, &r); f.close() },
			after: func(context.Context) (finder, error) { // the file is free once the process has ended
				if err := stop(); err != nil {
					return nil, err
				}
				var err error
				if archive, err = sqldb.OpenArchive(filepath.Join(h.records.Data, "telemetry.db")); err != nil { //nolint:contextcheck // opening has none
					return nil, err
				}
				return archive.History, nil
			},
		})
		f.close()
		if archive != nil {
			err = errors.Join(err, archive.Close())
		}
		done.note += r.note
		b.add(done, err)
		return errors.Join(err, stop())
	})
}

// mosquittoCase: an outside Mosquitto to ingest to Kafka to Mongo.
func (b *bench) mosquittoCase(ctx context.Context) error {
	h, err := b.scaleHouse(ctx)
	if err != nil {
		return err
	}
	address, err := b.lease.mosquitto() //nolint:contextcheck // the lease has it
	if err != nil {
		return err
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("Mosquitto's address is no URL") //nolint:staticcheck // a name
	}
	guest, err := admit(ctx, u)
	if err != nil {
		return err
	}
	defer guest.leave(context.WithoutCancel(ctx))
	server := process{name: "mosquitto", pid: listener(u.Host)}
	return b.planned(func(devices int, p plan) error {
		return b.scaled(ctx, row{name: "MQTT, Mosquitto", devices: devices, ack: ackOutside}, func(line *pipeline) (setup, error) {
			ingest, err := h.run(ctx, "ingest", "ingest", line.settings(map[string]string{
				"AMPRA_MQTT_URL": guest.Reader(), "AMPRA_MQTT_GROUP": guest.Name,
			}))
			if err != nil {
				return setup{}, err
			}
			return setup{
				intake: ingest, address: u.Host, login: guest.login, sources: h.devices[:devices], plan: p, others: []process{server},
			}, nil
		})
	})
}

// webhookCase: POSTs of one reading and of 100, to Kafka to Mongo, and the bare
// route.
func (b *bench) webhookCase(ctx context.Context) error {
	h, err := b.scaleHouse(ctx)
	if err != nil {
		return err
	}
	for _, each := range []int{1, 100} {
		if err := b.hooked(ctx, h, each); err != nil {
			return err
		}
		if err := b.bareRoute(ctx, h, each); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) hookPlan() plan {
	return plan{rate: b.opt.hookRate, warmup: b.opt.warmup, length: b.opt.duration}
}

func (b *bench) hooked(ctx context.Context, h *house, each int) (err error) {
	r := row{name: fmt.Sprintf("webhook, %d a POST", each), devices: len(h.hooks), ack: ackPost, payload: each * payloadBytes()}
	b.say(r.name, r.devices)
	line, err := b.newPipeline(ctx, r.name)
	if err != nil {
		return err
	}
	defer line.close()
	var running servers
	defer func() { err = errors.Join(err, running.stop()) }()
	for _, role := range []string{"writer", "api"} {
		s, err := h.run(ctx, role, role, line.settings(nil))
		if err != nil {
			return err
		}
		running = append(running, s)
	}
	archive, err := openMongo(ctx, line)
	if err != nil {
		return err
	}
	defer archive.Close(ctx)
	f := newHookFleet(running[1].http, h.hooks, each)
	done, err := b.measure(ctx, measured{
		row: r, sender: f, meter: &f.meter, plan: b.hookPlan(),
		processes: append(running.processes(), b.kafkaProcess(), b.mongoProcess(), b.postgresProcess()),
		find:      archive.History, written: archived(running[0].url()), settle: moved(archive), close: func() {},
		after: func(context.Context) (finder, error) { return archive.History, nil },
	})
	b.add(done, err)
	return err
}

// bareRoute is the limit of webhooks.
func (b *bench) bareRoute(ctx context.Context, h *house, each int) (err error) {
	r := row{
		name: fmt.Sprintf("Fiber, one HMAC, %d a POST", each), limit: true, devices: len(h.hooks), ack: "202, at once", payload: each * payloadBytes(),
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	route, err := start(routePart, "route", b.profile("route"), nil, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, route.stop()) }()
	if err := route.await(ctx, listens(address)); err != nil {
		return err
	}
	f := newHookFleet(address, h.hooks, each)
	done, err := b.measure(ctx, measured{
		row: r, sender: f, meter: &f.meter, plan: b.hookPlan(), processes: []process{route.process()}, close: func() {},
	})
	b.add(done, err)
	return err
}

// hostOf is the address in a URL.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "5432")
	}
	return u.Host
}
