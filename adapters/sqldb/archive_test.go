package sqldb

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/rollup"
	"ampra/core/telemetry"
	"ampra/test/contract"
)

func archiveAt(t testing.TB, path string) *Archive {
	t.Helper()
	a, err := OpenArchive(path)
	if err != nil {
		t.Fatalf("opening the archive: %v", err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("closing the archive: %v", err)
		}
	})
	return a
}

func newArchive(t testing.TB) *Archive {
	t.Helper()
	return archiveAt(t, filepath.Join(t.TempDir(), "telemetry.db"))
}

// day is a day's readings of a source, one every interval.
func day(source uuid.UUID, begin time.Time, interval time.Duration) []telemetry.Placed {
	var readings []telemetry.Placed
	for at := time.Duration(0); at < 24*time.Hour; at += interval {
		readings = append(readings, measured(source, begin.Add(at)))
	}
	return readings
}

// measured is a believable reading of a household's inverter.
func measured(source uuid.UUID, at time.Time) telemetry.Placed {
	r := telemetry.Reading{SourceID: source, Timestamp: at, ReceivedAt: at.Add(850 * time.Millisecond)}
	second := float64(at.Unix() % 86400)
	power := math.Round(max(0, 8000*math.Sin((second-21600)/43200*math.Pi))*10) / 10
	for f, v := range map[telemetry.Field]float64{
		telemetry.SolarPowerWatts:             power,
		telemetry.ACPowerWatts:                math.Round(power*9.7) / 10,
		telemetry.GridPowerWatts:              math.Round((500-power)*10) / 10,
		telemetry.LoadPowerWatts:              500.3,
		telemetry.BatteryPowerWatts:           -120.5,
		telemetry.BatteryStateOfChargePercent: 76,
		telemetry.GridVoltageVolts:            231.4,
		telemetry.GridFrequencyHertz:          49.98,
		telemetry.InverterTemperatureCelsius:  41.2,
		telemetry.EnergyTotalKwh:              math.Round(second/10) / 100,
	} {
		r.Values.Set(f, v)
	}
	return telemetry.Placed{Reading: r, Position: telemetry.Position{Partition: telemetry.Direct}}
}

func store(t testing.TB, a *Archive, readings ...telemetry.Placed) {
	t.Helper()
	for i, err := range a.Write(t.Context(), readings) {
		if err != nil {
			t.Fatalf("writing reading %d: %v", i, err)
		}
	}
}

func stored(t testing.TB, a *Archive, source uuid.UUID) []telemetry.Reading {
	t.Helper()
	found, err := a.History(t.Context(), telemetry.Span{SourceID: source, Limit: 100_000})
	if err != nil {
		t.Fatalf("reading history: %v", err)
	}
	return found
}

func TestTheArchiveKeepsItsContract(t *testing.T) {
	t.Parallel()
	contract.Archive(t, func(t *testing.T) telemetry.Archive { return newArchive(t) })
}

func TestWhatTheArchiveHasIsThereWhenItIsOpenedAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "telemetry.db")
	source := uuid.New()
	want := measured(source, time.Now())
	first, err := OpenArchive(path)
	if err != nil {
		t.Fatal(err)
	}
	store(t, first, want)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again := archiveAt(t, path)
	later := measured(source, want.Timestamp.Add(time.Second))
	store(t, again, later)
	found := stored(t, again, source)
	if len(found) != 2 || contract.Difference(found[0], later.Reading) != "" || contract.Difference(found[1], want.Reading) != "" {
		t.Errorf("found %+v", found)
	}
}

func TestManyWritersAndReadersShareAnArchive(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	var all sync.WaitGroup
	sources := make([]uuid.UUID, 8)
	for i := range sources {
		sources[i] = uuid.New()
		all.Go(func() {
			for part := range 10 {
				begin := time.Date(2026, 1, 1+part, 0, 0, 0, 0, time.UTC)
				for j, err := range a.Write(t.Context(), day(sources[i], begin, 10*time.Minute)) {
					if err != nil {
						t.Errorf("writing reading %d: %v", j, err)
					}
				}
				if _, err := a.Latest(t.Context(), sources[i]); err != nil {
					t.Errorf("reading the latest: %v", err)
				}
			}
		})
	}
	all.Wait()
	for _, source := range sources {
		if n := len(stored(t, a, source)); n != 1440 {
			t.Errorf("%d readings of a source, want 1440", n)
		}
	}
}

func TestAFullDiskIsSaidAndPasses(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	kept, lost := uuid.New(), uuid.New()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	store(t, a, day(kept, begin, time.Minute)...)
	var pages int
	if err := a.db.write.QueryRowContext(t.Context(), "pragma page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	bound := func(n int) {
		t.Helper()
		if _, err := a.db.write.ExecContext(t.Context(), fmt.Sprintf("pragma max_page_count = %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	bound(pages + 2)
	batch := day(lost, begin, time.Minute)
	for range 3 {
		errs := a.Write(t.Context(), batch)
		if len(errs) != len(batch) {
			t.Fatalf("%d answers for %d readings", len(errs), len(batch))
		}
		for _, err := range errs {
			if !fault.Is(err, fault.Unavailable) {
				t.Fatalf("on a full disk: %v, want a fault Unavailable", err)
			}
		}
	}
	if err := a.Write(t.Context(), batch)[0]; err.Error() == "" || !fault.Passing(err) {
		t.Errorf("on a full disk: %v", err)
	} else if e := fault.CodeOf(err); e != fault.Unavailable {
		t.Errorf("code %s", e)
	}
	if n := len(stored(t, a, lost)); n != 0 {
		t.Errorf("%d readings of a write that failed are found", n)
	}
	if n := len(stored(t, a, kept)); n != 1440 {
		t.Errorf("%d readings are found on a full disk, want 1440", n)
	}
	bound(1 << 20)
	store(t, a, batch...)
	if n := len(stored(t, a, lost)); n != 1440 {
		t.Errorf("%d readings are found once there is room, want 1440", n)
	}
}

func TestAStoreThatCanBeReadButNotWrittenIsSaidToBeAwayUntilItCan(t *testing.T) {
	t.Parallel()
	a, source := newArchive(t), uuid.New()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	store(t, a, day(source, begin, time.Hour)...)
	only := func(mode string) {
		t.Helper()
		if _, err := a.db.write.ExecContext(t.Context(), "pragma query_only = "+mode); err != nil {
			t.Fatal(err)
		}
	}
	only("on")
	if err := a.Ping(t.Context()); err != nil {
		t.Errorf("before a write failed: %v", err)
	}
	if err := a.Write(t.Context(), day(source, begin.AddDate(0, 0, 1), time.Hour))[0]; err == nil {
		t.Fatal("it was written")
	}
	if err := a.Ping(t.Context()); err == nil {
		t.Error("after a write failed it is said to be well")
	}
	only("off")
	if err := a.Ping(t.Context()); err != nil {
		t.Errorf("once it can be written: %v", err)
	}
}

func TestMoreThanOneTransactionDeletesTheReadingsOfADay(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	sources := []uuid.UUID{uuid.New(), uuid.New()}
	for _, source := range sources {
		store(t, a, day(source, begin, 20*time.Second)...)
	}
	number := rollup.DayOf(begin.UnixMilli())
	if deleted, done, err := a.Rollups().Empty(t.Context(), sources[0], number, number); err != nil || !done || deleted != 3*24*60 {
		t.Fatalf("%d readings are deleted, %v, %v", deleted, done, err)
	}
	if _, err := a.Latest(t.Context(), sources[0]); !fault.Is(err, fault.NotFound) {
		t.Errorf("the latest after all are deleted: %v, want a fault NotFound", err)
	}
	if n := len(stored(t, a, sources[1])); n != 3*24*60 {
		t.Errorf("the other source has %d readings", n)
	}
	store(t, a, measured(sources[0], begin))
	if n := len(stored(t, a, sources[0])); n != 1 {
		t.Errorf("%d readings are found after a new one, want 1", n)
	}
}

func TestAnErasedSourceIsGoneAtOnceAndItsRowsAreDeleted(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	gone, other := uuid.New(), uuid.New()
	store(t, a, day(gone, begin, 20*time.Second)...)
	store(t, a, day(other, begin, time.Hour)...)

	// An erasing that was interrupted after its first transaction.
	if err := a.detach(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if n := len(stored(t, a, gone)); n != 0 {
		t.Errorf("%d readings of a source are found that is being erased", n)
	}
	store(t, a, measured(gone, begin)) // it is there anew, as far as the archive knows
	if err := a.Erase(t.Context(), uuid.New()); err != nil {
		t.Fatalf("erasing: %v", err)
	}
	var rows, series int
	err := a.db.read.QueryRowContext(t.Context(),
		"select (select count(*) from readings), (select count(*) from series)").Scan(&rows, &series)
	if err != nil {
		t.Fatal(err)
	}
	if rows != 25 || series != 2 {
		t.Errorf("%d rows of %d series are left, want 25 of 2", rows, series)
	}
}

func TestAnErasingThatIsCutShortSaysSo(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	source := uuid.New()
	store(t, a, measured(source, time.Now()))
	release := hold(t, a)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := a.Erase(ctx, source); !fault.Is(err, fault.Unavailable) {
		t.Errorf("erasing: %v, want a fault Unavailable", err)
	}
	if err := a.Write(ctx, []telemetry.Placed{measured(source, time.Now())})[0]; !fault.Is(err, fault.Unavailable) {
		t.Errorf("writing: %v, want a fault Unavailable", err)
	}
	release()
	if err := a.Erase(t.Context(), source); err != nil {
		t.Errorf("erasing: %v", err)
	}
}

// hold keeps writes out until release is called.
func hold(t *testing.T, a *Archive) (release func()) {
	t.Helper()
	if err := a.lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a.unlock
}

func TestAReadingWhoseStoredRowIsDamagedFailsAlone(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	source := uuid.New()
	now := time.Now()
	store(t, a, measured(source, now))
	if _, err := a.db.write.ExecContext(t.Context(), "update readings set data = x'ff00'"); err != nil {
		t.Fatal(err)
	}
	other := uuid.New()
	errs := a.Write(t.Context(), []telemetry.Placed{measured(other, now), measured(source, now), measured(other, now.Add(time.Second))})
	if len(errs) != 3 || errs[0] != nil || errs[2] != nil {
		t.Fatalf("answers are %v", errs)
	}
	if errs[1] == nil || fault.Passing(errs[1]) {
		t.Errorf("the reading whose row is damaged: %v, want a lasting error", errs[1])
	}
	if n := len(stored(t, a, other)); n != 2 {
		t.Errorf("%d readings of the other source, want 2", n)
	}
	if _, err := a.Latest(t.Context(), source); err == nil {
		t.Error("a damaged row was read")
	}
}

func BenchmarkArchiveWrite(b *testing.B) {
	for _, shape := range []struct{ readings, sources int }{{1000, 100}, {1000, 1000}, {5000, 1000}, {1, 1}, {100, 1}} {
		b.Run(fmt.Sprintf("%d readings of %d sources", shape.readings, shape.sources), func(b *testing.B) {
			a := newArchive(b)
			sources := make([]uuid.UUID, shape.sources)
			for i := range sources {
				sources[i] = uuid.New()
			}
			at := time.Date(2026, 6, 1, 6, 0, 0, 0, time.UTC)
			batch := make([]telemetry.Placed, shape.readings)
			written := 0
			for b.Loop() {
				b.StopTimer()
				for i := range batch {
					batch[i] = measured(sources[i%shape.sources], at.Add(time.Duration(i/shape.sources)*5*time.Second))
				}
				at = at.Add(time.Duration(max(1, shape.readings/shape.sources)) * 5 * time.Second)
				b.StartTimer()
				store(b, a, batch...)
				written += len(batch)
			}
			b.ReportMetric(float64(written)/b.Elapsed().Seconds(), "readings/s")
			var pages float64
			if err := a.db.write.QueryRowContext(b.Context(), "pragma page_count").Scan(&pages); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(pages*4096/float64(written), "bytes/reading")
		})
	}
}
