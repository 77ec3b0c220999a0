package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/kafka"
	"ampra/adapters/sqldb"
	"ampra/core/telemetry"
)

// limitsCase measures what the parts of MQTT's way do alone.
func (b *bench) limitsCase(ctx context.Context) error {
	for _, p := range []plan{b.paced(flatOutDevices), b.flatOut(flatOutDevices)} {
		for _, part := range []string{brokerPart, mochiPart} {
			if err := b.brokerAlone(ctx, part, p); err != nil {
				return err
			}
		}
	}
	if err := b.journalAlone(ctx); err != nil {
		return err
	}
	if err := b.mongoAlone(ctx, row{name: "insert into MongoDB alone", ack: "w: majority, journaled"}, b.opt.insert); err != nil {
		return err
	}
	return b.sqliteAlone(ctx)
}

// brokerAlone is the product's broker with an ack after 5 ms, or another that does
// the same.
func (b *bench) brokerAlone(ctx context.Context, part string, p plan) (err error) {
	r := row{name: part + " alone", limit: true, devices: flatOutDevices, ack: ackAlone}
	b.say(r.name, r.devices)
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	broker, err := start(part, part, b.profile(part+"-alone"), nil, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broker.stop()) }()
	if err := broker.await(ctx, listens(address)); err != nil {
		return err
	}
	sources := make([]source, r.devices)
	for i := range sources {
		sources[i].id = uuid.New()
	}
	before := memoryOf(families(), broker.process())
	f, err := dial(ctx, address, sources, openLogin, nil)
	if err != nil {
		return err
	}
	defer f.close()
	idle := memoryOf(families(), broker.process())
	done, err := b.measure(ctx, measured{
		row: r, sender: f, meter: &f.meter, plan: p, processes: []process{broker.process()}, close: func() {
			busy := memoryOf(families(), broker.process())
			r.note += fmt.Sprintf("memory of a session %.1f KB after sign-in, %.1f KB at the end (with garbage not yet collected); ",
				kilobytes(idle-before, r.devices), kilobytes(busy-before, r.devices))
			b.noteBroken(f, &r)
			f.close()
		},
	})
	done.note += r.note
	b.add(done, err)
	return err
}

// rows are n readings of so many sources, a second apart each, in the order in
// which Kafka's partitions would give them: batches of one partition's sources.
func rows(n, sources int) ([]telemetry.Placed, error) {
	const partitions = 12
	ids := make([]uuid.UUID, sources)
	for i := range ids {
		ids[i] = uuid.New()
	}
	each := (n + sources - 1) / sources
	begin := time.Now().Add(-time.Duration(each) * time.Second).UnixMilli()
	all := make([]telemetry.Placed, 0, n)
	var offsets [partitions]int64
	const turn = writeBatch * partitions
	for first := 0; len(all) < n; first += max(1, turn/sources) {
		for part := range partitions {
			for number := first; number < min(each, first+max(1, turn/sources)); number++ {
				for s := part; s < sources && len(all) < n; s += partitions {
					r, err := decoded(ids[s], begin+int64(number)*1000, number)
					if err != nil {
						return nil, err
					}
					offsets[part]++
					all = append(all, telemetry.Placed{Reading: r, Position: telemetry.Position{Partition: int32(part), Offset: offsets[part]}})
				}
			}
		}
		if first >= each {
			break
		}
	}
	return all, nil
}

// writeBatch is the writer's.
const writeBatch = 5000

// store writes rows in batches and fills in the line of the table.
func (b *bench) store(ctx context.Context, r row, archive telemetry.Archive, n int, processes []process) (row, error) {
	all, err := rows(n, flatOutDevices)
	if err != nil {
		return r, err
	}
	stop, err := startProfile(b.profile("insert"))
	if err != nil {
		return r, err
	}
	defer stop()
	debug.FreeOSMemory()
	w := begin(ctx, append([]process{myself("writer (here)")}, processes...))
	began := time.Now()
	for at := 0; at < len(all) && err == nil; at += writeBatch {
		for _, one := range archive.Write(ctx, all[at:min(len(all), at+writeBatch)]) {
			err = errors.Join(err, one)
		}
	}
	r.length = time.Since(began)
	r.used, r.others = w.end()
	r.limit, r.devices, r.readings, r.payload = true, flatOutDevices, len(all), payloadBytes()
	r.counts.sent, r.counts.acknowledged = len(all), len(all)
	r.rate = float64(len(all)) / r.length.Seconds()
	return r, err
}

// mongoAlone inserts rows from memory.
func (b *bench) mongoAlone(ctx context.Context, r row, n int) error {
	b.say(r.name, flatOutDevices)
	line, err := b.newPipeline(ctx, "insert")
	if err != nil {
		return err
	}
	defer line.close()
	archive, err := openMongo(ctx, line)
	if err != nil {
		return err
	}
	defer archive.Close(ctx)
	r, err = b.store(ctx, r, archive, n, []process{b.mongoProcess()})
	b.add(r, err)
	return err
}

// sqliteAlone inserts rows from memory.
func (b *bench) sqliteAlone(ctx context.Context) error {
	r := row{name: "insert into SQLite alone", ack: "committed"}
	b.say(r.name, flatOutDevices)
	folder, err := os.MkdirTemp(b.folder, "sqlite-")
	if err != nil {
		return err
	}
	archive, err := sqldb.OpenArchive(filepath.Join(folder, "telemetry.db")) //nolint:contextcheck // opening has none
	if err != nil {
		return err
	}
	r, err = b.store(ctx, r, archive, b.opt.insert, nil)
	b.add(r, err)
	return errors.Join(err, archive.Close())
}

// journalOf opens a pipeline's journal, which runs until stop is called.
func journalOf(ctx context.Context, line *pipeline) (journal telemetry.Journal, stop func() error, err error) {
	cluster, err := kafka.New(kafka.Config{Brokers: line.brokers, TopicPrefix: line.prefix}, kafka.Deps{Log: slog.New(slog.DiscardHandler)}) //nolint:exhaustruct_v5 // the observer may be nil
	if err != nil {
		return nil, nil, err
	}
	if err := cluster.Setup(ctx); err != nil {
		return nil, nil, err
	}
	j := cluster.Journal()
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- j.Run(ctx) }()
	return j, func() error {
		cancel()
		err := <-ended
		cluster.Close()
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		return err
	}, nil
}

// journalAlone appends readings, decoded before, as fast as they are taken.
func (b *bench) journalAlone(ctx context.Context) (err error) {
	r := row{name: "append to the journal alone", limit: true, devices: flatOutDevices, ack: "once Kafka has it (acks=all)", payload: payloadBytes()}
	b.say(r.name, r.devices)
	line, err := b.newPipeline(ctx, "append")
	if err != nil {
		return err
	}
	defer line.close()
	journal, stop, err := journalOf(ctx, line)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	all, err := rows(b.opt.insert, r.devices)
	if err != nil {
		return err
	}
	// The order of devices that send by turns, and a first part unmeasured.
	warm := len(all) / 10
	if err := appendAll(ctx, journal, all[:warm], nil); err != nil {
		return err
	}
	stopProfile, err := startProfile(b.profile("append"))
	if err != nil {
		return err
	}
	defer stopProfile()
	all = all[warm:]
	r.acks = &histogram{}
	debug.FreeOSMemory()
	w := begin(ctx, []process{myself("appender (here)"), b.kafkaProcess()})
	began := time.Now()
	err = appendAll(ctx, journal, all, r.acks)
	r.length = time.Since(began)
	r.used, r.others = w.end()
	r.readings, r.counts.sent, r.counts.acknowledged = len(all), len(all), len(all)
	r.rate = float64(len(all)) / r.length.Seconds()
	b.add(r, err)
	return err
}

// appendAll appends one reading an entry and waits until all are durable. With
// more than appendWindow under way it waits, as the broker's sessions do.
func appendAll(ctx context.Context, journal telemetry.Journal, all []telemetry.Placed, took *histogram) error {
	var answered sync.WaitGroup
	var mu sync.Mutex
	var failed error
	room := make(chan struct{}, appendWindow)
	for _, r := range all {
		room <- struct{}{}
		answered.Add(1)
		began := time.Now()
		err := journal.Append(ctx, telemetry.Entry{SourceID: r.SourceID, Readings: []telemetry.Reading{r.Reading}}, func(err error, _ []error) {
			if took != nil {
				took.add(time.Since(began))
			}
			if err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
			<-room
			answered.Done()
		})
		if err != nil {
			return fmt.Errorf("appending: %w", err)
		}
	}
	answered.Wait()
	return failed
}

const appendWindow = 4000
