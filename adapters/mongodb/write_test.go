package mongodb_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/mongodb"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/test/contract"
	"ampra/test/fake"
	"ampra/test/stack"
)

func noon() time.Time { return time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC) }

// place is a reading of a source, so many seconds after noon.
func place(source uuid.UUID, second int, watts float64) telemetry.Placed {
	at := noon().Add(time.Duration(second) * time.Second)
	r := telemetry.Reading{SourceID: source, Timestamp: at, ReceivedAt: at}
	r.Values.Set(telemetry.SolarPowerWatts, watts)
	return telemetry.Placed{Reading: r, Position: telemetry.Position{Offset: int64(second)}}
}

func history(t *testing.T, archive telemetry.Archive, source uuid.UUID) []telemetry.Reading {
	t.Helper()
	found, err := archive.History(t.Context(), telemetry.Span{SourceID: source, Order: telemetry.OldestFirst, Limit: 100_000})
	if err != nil {
		t.Fatalf("reading history: %v", err)
	}
	return found
}

func TestAReadingThatIsTooLargeIsRefusedAlone(t *testing.T) {
	t.Parallel()
	archive := newArchive(t, nil)
	source := uuid.New()
	batch := []telemetry.Placed{place(source, 0, 1), place(source, 1, 2), place(source, 2, 3)}
	batch[1].Extra = map[string]float64{strings.Repeat("x", 2<<20): 1}
	errs := archive.Write(t.Context(), batch)
	if len(errs) != 3 || errs[0] != nil || !fault.Is(errs[1], fault.TooLarge) || errs[2] != nil {
		t.Fatalf("answered with %v", errs)
	}
	if found := history(t, archive, source); len(found) != 2 {
		t.Errorf("%d readings are stored, want 2", len(found))
	}
}

// Rows of several hundred KB are more than one command can hold, long before
// there are 5,000 of them.
func TestAWriteOfManyMegabytesIsCutIntoInserts(t *testing.T) {
	t.Parallel()
	archive := newArchive(t, nil)
	source := uuid.New()
	var batch []telemetry.Placed
	for i := range 60 {
		p := place(source, i, float64(i))
		p.Extra = map[string]float64{strings.Repeat("x", 400<<10): 1}
		batch = append(batch, p)
	}
	if errs := archive.Write(t.Context(), batch); errs != nil {
		t.Fatalf("answered with %v", errs[0])
	}
	if found := history(t, archive, source); len(found) != 60 {
		t.Errorf("%d readings are stored, want 60", len(found))
	}
}

func TestNamesAndNumbersOfAnyKindComeBack(t *testing.T) {
	t.Parallel()
	archive := newArchive(t, nil)
	source := uuid.New()
	text := "zero \x00 and ünïcode"
	batch := []telemetry.Placed{place(source, 0, math.Inf(1)), place(source, 1, math.Copysign(0, -1)), place(source, 2, math.SmallestNonzeroFloat64)}
	batch[0].Extra = map[string]float64{"a.b": 1, "$set": 2, "": 3, "nul\x00": 4, "plain": math.MaxFloat64}
	batch[1].Extra = map[string]float64{"ünïcode": -1, "_id": 2, "meta": 3, "timestamp": 4}
	batch[2].Status = &telemetry.Status{Text: &text}
	if errs := archive.Write(t.Context(), batch); errs != nil {
		t.Fatalf("answered with %v", errs)
	}
	found := history(t, archive, source)
	if len(found) != len(batch) {
		t.Fatalf("%d readings are found", len(found))
	}
	for i := range batch {
		if d := contract.Difference(found[i], batch[i].Reading); d != "" {
			t.Errorf("reading %d: %s", i, d)
		}
	}
}

func TestAServerThatGoesAwayFailsWritesAsPassingAndHeals(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*fake.Wire){"cut": (*fake.Wire).Cut, "silent": (*fake.Wire).Silence} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, database := stack.Mongo(t)
			address, options, ok := strings.Cut(strings.TrimPrefix(url, "mongodb://"), "/")
			if !ok || strings.Contains(address, "@") || strings.Contains(address, ",") {
				t.Skipf("the server's URL can't be led through a wire: options %s", options)
			}
			wire := fake.NewWire(t, address)
			archive := onDatabase(t, "mongodb://"+wire.Address()+"/?directConnection=true", database, func(cfg *mongodb.Config) {
				cfg.Timeout = 700 * time.Millisecond
			})
			source := uuid.New()
			write(t, archive, place(source, 0, 1))

			fail(wire)
			begun := time.Now()
			errs := archive.Write(t.Context(), []telemetry.Placed{place(source, 1, 2), place(source, 2, 3)})
			if len(errs) != 2 || !fault.Is(errs[0], fault.Unavailable) || !fault.Is(errs[1], fault.Unavailable) {
				t.Errorf("a write is answered with %v", errs)
			}
			if _, err := archive.Latest(t.Context(), source); !fault.Is(err, fault.Unavailable) {
				t.Errorf("a query is answered with %v", err)
			}
			if err := archive.Ping(t.Context()); !fault.Is(err, fault.Unavailable) {
				t.Errorf("a ping is answered with %v", err)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("three calls with a timeout of 0.7 s took %s", took)
			}
			wire.Heal()
			deadline := time.Now().Add(30 * time.Second)
			for {
				errs := archive.Write(t.Context(), []telemetry.Placed{place(source, 1, 2), place(source, 2, 3)})
				if errs == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("it does not heal: %v", errs)
				}
			}
			if found := history(t, archive, source); len(found) != 3 {
				t.Errorf("%d readings are found, want 3", len(found))
			}
		})
	}
}

func write(t *testing.T, archive telemetry.Archive, readings ...telemetry.Placed) {
	t.Helper()
	if errs := archive.Write(t.Context(), readings); errs != nil {
		t.Fatalf("writing: %v", errs)
	}
}

func TestWritersWaitForEachOtherNoLongerThanTheirContext(t *testing.T) {
	t.Parallel()
	archive := newArchive(t, nil)
	errs := make(chan []error, 20)
	for i := range 20 {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
			defer cancel()
			var batch []telemetry.Placed
			for second := range 500 {
				batch = append(batch, place(uuid.New(), second, 1))
			}
			errs <- archive.Write(ctx, batch)
		}()
	}
	for range 20 {
		for _, err := range <-errs {
			if err != nil && !fault.Is(err, fault.Unavailable) {
				t.Errorf("answered with %v", err)
			}
		}
	}
	write(t, archive, place(uuid.New(), 0, 1)) // the token is there
}
