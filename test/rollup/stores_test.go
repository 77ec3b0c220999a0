package rollup_test

import (
	"context"
	"log/slog"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/mongodb"
	"ampra/adapters/sqldb"
	"ampra/core/clock"
	"ampra/core/credential"
	"ampra/core/rollup"
	"ampra/core/series"
	"ampra/core/telemetry"
	service "ampra/modules/telemetry/rollup"
	"ampra/test/stack"
)

// storing is the way of readings through real stores, whose time is the machine's.
type storing struct {
	archive telemetry.Archive
	store   rollup.Store
	roller  *service.Roller
	service *service.Service
	keeper  *service.Keeper
}

// everybody says that all sources exist.
type everybody struct{}

func (everybody) Alive(_ context.Context, sources []uuid.UUID) ([]bool, error) {
	alive := make([]bool, len(sources))
	for i := range alive {
		alive[i] = true
	}
	return alive, nil
}

func newStoring(t testing.TB, archive telemetry.Archive, store rollup.Store) *storing {
	t.Helper()
	if err := store.Note(t.Context(), "marked what was there"); err != nil {
		t.Fatal(err)
	}
	now := clock.Func(time.Now)
	failed := func(err error) { t.Error(err) }
	return &storing{
		archive: archive, store: store,
		roller: service.NewRoller(service.RollerConfig{Every: time.Second, Batch: 50, Lease: time.Minute, Workers: 2}, service.RollerDeps{
			Store: store, Archive: archive, Sources: everybody{}, Clock: now, Failed: failed, Rolled: func(service.Rolled) {},
		}),
		service: service.New(service.Config{Budget: 60_000, Memory: 50}, service.Deps{Store: store, Archive: archive, Sources: nil, Groups: nil, Zones: nil, Clock: now}),
		keeper: service.NewKeeper(service.KeeperConfig{Raw: 90 * day, Minutes: 730 * day, Quiet: time.Millisecond, Batch: 2}, service.KeeperDeps{
			Store: store, Clock: now, Failed: failed, Kept: func(service.Kept) {},
		}),
	}
}

// write marks days, stores their readings and rolls them up.
func (s *storing) write(t *testing.T, list []telemetry.Reading) {
	t.Helper()
	placed := make([]telemetry.Placed, len(list))
	for i, r := range list {
		ms := r.Timestamp.UnixMilli()
		if err := s.store.Raise(t.Context(), 0, rollup.Mark{SourceID: r.SourceID, Day: rollup.DayOf(ms), Slot: rollup.AtOnce, Earliest: ms}); err != nil {
			t.Fatal(err)
		}
		placed[i] = telemetry.Placed{Reading: r, Position: telemetry.Position{Partition: telemetry.Direct}}
	}
	if errs := s.archive.Write(t.Context(), placed); errs != nil {
		t.Fatal(errs)
	}
	for n := 1; n > 0; {
		var err error
		if n, err = s.roller.Round(t.Context()); err != nil {
			t.Fatalf("rolling: %v", err)
		}
	}
}

// empty keeps until nothing is left of a source's readings.
func (s *storing) empty(t *testing.T, source uuid.UUID) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		<-time.After(5 * time.Millisecond)
		if _, err := s.keeper.Round(t.Context()); err != nil {
			t.Fatalf("letting go: %v", err)
		}
		found, err := s.archive.History(t.Context(), telemetry.Span{SourceID: source, Limit: 1})
		switch {
		case err != nil:
			t.Fatal(err)
		case len(found) == 0:
			return
		case time.Now().After(deadline):
			t.Fatal("readings are left")
		}
	}
}

func (s *storing) days(t *testing.T, source uuid.UUID) []rollup.Day {
	t.Helper()
	days, incomplete, err := s.service.Days(t.Context(), source, math.MinInt32, math.MaxInt32, rollup.All)
	if err != nil || len(incomplete) != 0 {
		t.Fatalf("asking for days: %v incomplete, %v", incomplete, err)
	}
	return days
}

func TestImportedYearsStayInRealStoresWithoutTheirReadings(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t testing.TB) *storing{"SQLite": onSQLite, "MongoDB": onMongoDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, source, other := open(t), uuid.New(), uuid.New()
			old := time.Now().UTC().Truncate(day).Add(-200 * day)
			fresh := time.Now().UTC().Truncate(day).Add(-3 * day)
			list := append(readings(source, old, old.Add(6*time.Hour), 10*time.Minute), readings(source, old.Add(12*time.Hour), old.Add(5*day), 10*time.Minute)...)
			for i := range list {
				list[i].Values = telemetry.Values{}
				list[i].Values.Set(telemetry.ACPowerWatts, 1000)
			}
			s.write(t, list)
			s.write(t, readings(other, fresh, fresh.Add(day), time.Hour))
			want := s.days(t, source)
			s.empty(t, source)
			compare(t, "kept", s.days(t, source), want)
			if found, err := s.archive.History(t.Context(), telemetry.Span{SourceID: other, Limit: 100}); err != nil || len(found) != 24 {
				t.Errorf("%d readings of three days ago are left, %v", len(found), err)
			}

			before, total := produced(t, want)
			late := readings(source, old.Add(5*time.Hour), old.Add(13*time.Hour), 10*time.Minute)
			for i := range late {
				late[i].Values.Clear(telemetry.EnergyTotalKwh)
			}
			s.write(t, late)
			filled := s.days(t, source)
			after, more := produced(t, filled)
			number := rollup.DayOf(old.UnixMilli())
			if after[number] < before[number]+5 || after[number] > 24 || !near(more-total, after[number]-before[number]) {
				t.Errorf("%v kWh of the day became %v, in all %v became %v", before[number], after[number], total, more)
			}
			hours, err := series.ParseDay(filled[0].Hours, series.AllFields)
			if err != nil || hours.Stat(telemetry.ACPowerWatts, 9).Count != 6 || hours.Stat(telemetry.ACPowerWatts, 20).Count != 6 {
				t.Errorf("the hours of the day are %+v, %v", hours, err)
			}
			s.empty(t, source)
			compare(t, "filled", s.days(t, source), filled)
		})
	}
}

func onSQLite(t testing.TB) *storing {
	t.Helper()
	archive, err := sqldb.OpenArchive(filepath.Join(t.TempDir(), "telemetry.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := archive.Close(); err != nil {
			t.Error(err)
		}
	})
	return newStoring(t, archive, archive.Rollups())
}

func onMongoDB(t testing.TB) *storing {
	t.Helper()
	return onMovingMongoDB(t, 20*time.Millisecond)
}

// onMovingMongoDB moves readings into their series so often.
func onMovingMongoDB(t testing.TB, every time.Duration) *storing {
	t.Helper()
	url, database := stack.Mongo(t)
	archive, err := mongodb.New(mongodb.Config{URL: credential.NewSecret(url), Database: database, MoveEvery: every},
		mongodb.Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := archive.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	store := archive.Rollups()
	if err := store.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	moved := make(chan error, 1)
	go func() { moved <- archive.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		closing, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		if err := <-moved; err != nil {
			t.Error(err)
		}
		if err := archive.Close(closing); err != nil {
			t.Error(err)
		}
	})
	return newStoring(t, archive, store)
}
