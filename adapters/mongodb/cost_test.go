package mongodb

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"ampra/core/credential"
	"ampra/core/telemetry"
	"ampra/test/stack"
)

// BenchmarkCost tells what a reading costs the server, in CPU seconds per million:
// written straight into the time series, and written into hot and moved from there,
// in batches of 5,000 with so many readings of a source. Each source gets 20
// readings in all, 10 s apart, before they are moved. It needs a server of its own
// on this machine, and -benchtime 1x.
func BenchmarkCost(b *testing.B) {
	for _, c := range []struct{ sources, each int }{{10_000, 1}, {10_000, 5}, {10_000, 20}, {50_000, 1}} {
		b.Run(fmt.Sprintf("%d sources, %d a batch", c.sources, c.each), func(b *testing.B) {
			url, name := stack.Mongo(b)
			a, err := New(Config{URL: credential.NewSecret(url), Database: name}, Deps{Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			if err := a.Setup(b.Context()); err != nil {
				b.Fatal(err)
			}
			defer a.Close(b.Context())
			sources := make([]uuid.UUID, c.sources)
			for i := range sources {
				sources[i] = uuid.New()
			}
			cpu := serverCPU(b, a)
			for b.Loop() {
				const turns = 20
				began := cpu()
				if c.sources <= 10_000 {
					batches(sources, c.each, turns/2, func(batch []telemetry.Placed) {
						ins := &inserter{}
						ins.begin(a.db.Load(), batch, &answers{n: len(batch)})
						for i, r := range batch {
							from := len(ins.rows)
							ins.rows = appendRow(ins.rows, &r)
							ins.spans = append(ins.spans, span{from, len(ins.rows), []place{{index: i}}})
						}
						ins.into = collection
						if ins.insert(b.Context(), ins.spans); ins.result.errs != nil {
							b.Fatal(ins.result.errs)
						}
					})
					b.ReportMetric((cpu()-began)*1e6/float64(c.sources*turns/2), "straight-s/M")
				}
				for i := range sources { // others: the series has had those
					sources[i] = uuid.New()
				}
				began = cpu()
				batches(sources, c.each, turns, func(batch []telemetry.Placed) {
					if errs := a.Write(b.Context(), batch); errs != nil {
						b.Fatal(errs)
					}
				})
				written := cpu()
				if err := a.mover.move(b.Context(), a.db.Load()); err != nil {
					b.Fatal(err)
				}
				rows := float64(c.sources * turns)
				b.ReportMetric((written-began)*1e6/rows, "write-s/M")
				b.ReportMetric((cpu()-written)*1e6/rows, "move-s/M")
				b.ReportMetric((cpu()-began)*1e6/rows, "together-s/M")
			}
		})
	}
}

// batches gives turns readings of each source, each so many a batch.
func batches(sources []uuid.UUID, each, turns int, give func([]telemetry.Placed)) {
	const size = 5000
	begin := time.Now().Truncate(slotLength)
	var batch []telemetry.Placed
	for turn := 0; turn < turns; turn += each {
		for s, source := range sources {
			for i := turn; i < min(turn+each, turns); i++ {
				at := begin.Add(time.Duration(i)*10*time.Second + time.Duration(s%9973)*time.Millisecond)
				p := telemetry.Placed{Reading: telemetry.Reading{SourceID: source, Timestamp: telemetry.Truncate(at), ReceivedAt: telemetry.Truncate(at)}}
				p.Position.Offset = int64(i*len(sources) + s)
				for f := range telemetry.Field(12) {
					p.Values.Set(f, float64((i+3)*(s+int(f))%5000)/10)
				}
				batch = append(batch, p)
			}
			if len(batch) >= size {
				give(batch)
				batch = batch[:0]
			}
		}
	}
	if len(batch) > 0 {
		give(batch)
	}
}

// serverCPU reads the CPU seconds that the server has used.
func serverCPU(b *testing.B, a *Archive) func() float64 {
	b.Helper()
	var status struct {
		PID int64 `bson:"pid"`
	}
	if err := a.db.Load().Client().Database("admin").RunCommand(b.Context(), bson.D{{Key: "serverStatus", Value: 1}}).Decode(&status); err != nil {
		b.Fatal(err)
	}
	return func() float64 {
		const ticks = 100 // a second, on every Linux
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", status.PID))
		if err != nil {
			b.Skipf("the server is not on this machine: %v", err)
		}
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+2:])
		user, err1 := strconv.Atoi(string(fields[11]))
		system, err2 := strconv.Atoi(string(fields[12]))
		if err1 != nil || err2 != nil {
			b.Fatalf("reading %s", text)
		}
		return float64(user+system) / ticks
	}
}
