// Package rollup tries roll-ups with the writer that marks days for them.
package rollup_test

import (
	"bytes"
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ampra/core/change"
	"ampra/core/energy"
	"ampra/core/rollup"
	"ampra/core/series"
	"ampra/core/telemetry"
	service "ampra/modules/telemetry/rollup"
	"ampra/modules/telemetry/writer"
	"ampra/test/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const slot = 15 * time.Minute

// begin is a midnight in UTC; the rig's day.
func begin() time.Time { return time.Date(2026, 6, 14, 0, 0, 0, 0, time.UTC) }

// rig is a writer, a roller and the service on stores in memory.
type rig struct {
	archive fake.Archive
	store   fake.Rollups
	clock   *fake.Clock
	steady  *fake.Clock
	writer  *writer.Store
	roller  *service.Roller
	service *service.Service

	mu     sync.Mutex
	rolled []service.Rolled
	dead   map[uuid.UUID]bool
	err    error
}

func newRig() *rig {
	r := &rig{clock: fake.NewClock(begin()), steady: fake.NewClock(begin()), dead: map[uuid.UUID]bool{}}
	r.store.Clock = r.clock
	r.writer = r.newWriter()
	r.roller = service.NewRoller(service.RollerConfig{
		Every: slot, Poll: time.Second, Batch: 100, Lease: time.Minute, Workers: 3,
	}, service.RollerDeps{
		Store: &r.store, Archive: &r.archive, Sources: r, Clock: r.clock,
		Failed: func(err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.err = err
		},
		Rolled: func(one service.Rolled) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.rolled = append(r.rolled, one)
		},
	})
	r.service = service.New(service.Config{Budget: 60_000, Memory: 50}, service.Deps{Store: &r.store, Archive: &r.archive, Sources: nil, Groups: nil, Zones: nil, Clock: r.clock})
	return r
}

// newWriter is another process that writes.
func (r *rig) newWriter() *writer.Store {
	return writer.NewStore(&r.archive, r, quiet{}).Marking(writer.NewMarker(slot, &r.store, r.clock, r.steady))
}

// Alive implements the port of writer and roller.
func (r *rig) Alive(_ context.Context, sources []uuid.UUID) ([]bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	alive := make([]bool, len(sources))
	for i, source := range sources {
		alive[i] = !r.dead[source]
	}
	return alive, nil
}

// quiet is a feed without changes.
type quiet struct{}

func (quiet) Settle(context.Context, int64) error            { return nil }
func (quiet) Trusted() bool                                  { return true }
func (quiet) Subscribe(func(context.Context, change.Change)) {}

func (r *rig) advance(d time.Duration) {
	r.clock.Advance(d)
	r.steady.Advance(d)
}

// write stores readings through the direct path of a writer.
func (r *rig) write(t *testing.T, w *writer.Store, readings ...telemetry.Reading) error {
	t.Helper()
	direct := writer.NewDirect(writer.DirectConfig{Queue: len(readings) + 1, Batch: 5000, FlushTime: time.Second}, w)
	var failed error
	for _, reading := range readings {
		err := direct.Append(t.Context(), telemetry.Entry{SourceID: reading.SourceID, Readings: []telemetry.Reading{reading}}, func(err error, _ []error) {
			if err != nil {
				failed = err
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop() // it writes what is queued, and ends
	if err := direct.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return failed
}

func (r *rig) store1(t *testing.T, readings ...telemetry.Reading) {
	t.Helper()
	if err := r.write(t, r.writer, readings...); err != nil {
		t.Fatalf("writing: %v", err)
	}
}

// roll works off all marks that are ripe, and returns what it did.
func (r *rig) roll(t *testing.T) []service.Rolled {
	t.Helper()
	r.mu.Lock()
	r.rolled = nil
	r.mu.Unlock()
	for range 200 {
		n, err := r.roller.Round(t.Context())
		if err != nil {
			t.Fatalf("rolling: %v", err)
		}
		if n == 0 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return slices.Clone(r.rolled)
		}
	}
	t.Fatal("the roller finds no end")
	return nil
}

// settle lets every mark become ripe and rolls them up.
func (r *rig) settle(t *testing.T) []service.Rolled {
	t.Helper()
	r.advance(3 * slot)
	return r.roll(t)
}

// check compares what the service says, and what is stored once nothing is marked,
// with a fold over all raw readings.
func (r *rig) check(t *testing.T, source uuid.UUID) {
	t.Helper()
	want := r.fold(t, source)
	days, incomplete, err := r.service.Days(t.Context(), source, math.MinInt32, math.MaxInt32, rollup.All)
	if err != nil || len(incomplete) != 0 {
		t.Fatalf("asking for days: %v incomplete, %v", incomplete, err)
	}
	compare(t, "answered", days, want)
	marks, err := r.store.Waiting(t.Context(), []uuid.UUID{source}, math.MinInt32, math.MaxInt32)
	if err != nil {
		t.Fatal(err)
	}
	if len(marks) > 0 {
		return
	}
	stored, err := r.store.Load(t.Context(), []uuid.UUID{source}, math.MinInt32, math.MaxInt32, rollup.All)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "stored", stored, want)
}

func compare(t *testing.T, what string, got, want []rollup.Day) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d days are %s, want %d", len(got), what, len(want))
	}
	for i := range want {
		g, w := got[i], want[i]
		if g.Day != w.Day || !bytes.Equal(g.Energy, w.Energy) || !bytes.Equal(g.State, w.State) ||
			!bytes.Equal(g.Minutes, w.Minutes) || !bytes.Equal(g.Hours, w.Hours) {
			t.Errorf("day %d as %s is not what its readings come to", w.Day, what)
		}
	}
}

// fold is what all raw readings come to.
func (r *rig) fold(t *testing.T, source uuid.UUID) []rollup.Day {
	t.Helper()
	readings, err := r.archive.History(t.Context(), telemetry.Span{SourceID: source, Order: telemetry.OldestFirst, Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	var days []rollup.Day
	var state energy.State
	for len(readings) > 0 {
		day := rollup.DayOf(readings[0].Timestamp.UnixMilli())
		folding, tiers := energy.NewFolder(day, state), series.NewFolder(day)
		for len(readings) > 0 && rollup.DayOf(readings[0].Timestamp.UnixMilli()) == day {
			folding.Add(readings[0].EnergySample())
			tiers.Add(readings[0])
			readings = readings[1:]
		}
		row := rollup.Day{SourceID: source, Day: day}
		var digest energy.Day
		digest, state = folding.Result()
		minutes, hours := tiers.Result()
		row.Energy, row.State = encoded(t, digest.AppendBinary), encoded(t, state.AppendBinary)
		row.Minutes, row.Hours = encoded(t, minutes.AppendBinary), encoded(t, hours.AppendBinary)
		days = append(days, row)
	}
	return days
}

func encoded(t *testing.T, appendTo func([]byte) ([]byte, error)) []byte {
	t.Helper()
	data, err := appendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// reading is what a site with 1 kW all day says at a moment.
func reading(source uuid.UUID, at time.Time) telemetry.Reading {
	r := telemetry.Reading{SourceID: source, Timestamp: at, ReceivedAt: at}
	r.Values.Set(telemetry.EnergyTotalKwh, 1000+at.Sub(begin()).Hours())
	r.Values.Set(telemetry.ACPowerWatts, 1000)
	return r
}

// readings are those of a span, one every step.
func readings(source uuid.UUID, from, to time.Time, step time.Duration) []telemetry.Reading {
	var list []telemetry.Reading
	for at := from; at.Before(to); at = at.Add(step) {
		list = append(list, reading(source, at))
	}
	return list
}
