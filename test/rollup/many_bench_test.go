package rollup_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/sqldb"
	"ampra/adapters/zones"
	"ampra/core/actor"
	"ampra/core/clock"
	"ampra/core/energy"
	"ampra/core/fault"
	"ampra/core/identity"
	"ampra/core/rollup"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/settings"
	service "ampra/modules/telemetry/rollup"
)

// siteZones are the zones of real sites, as they are wired.
type siteZones struct {
	*settings.Service
	byName sunsource.Zones
}

func (z siteZones) Named(name string) (*time.Location, error) { return z.byName.Load(name) }

// fleet are the sources of one owner, in real stores.
type fleet struct {
	*storing
	owner   uuid.UUID
	sources []uuid.UUID
}

// usualMongoDB moves readings as often as it does by itself.
func usualMongoDB(t testing.TB) *storing {
	t.Helper()
	return onMovingMongoDB(t, 0)
}

// BenchmarkManySources asks for today's energy, as GET /api/overview does, and for
// the summary of 10,000 sources: with all that they sent not rolled up yet, with
// all of it, and with the last two readings not.
func BenchmarkManySources(b *testing.B) {
	const count = 10_000
	for name, open := range map[string]func(testing.TB) *storing{"SQLite": onSQLite, "MongoDB": usualMongoDB} {
		b.Run(name, func(b *testing.B) {
			f := newFleet(b, open(b), count)
			now := time.Now()
			for h := 26; h > 0; h -= 4 {
				f.send(b, now.Add(-time.Duration(h)*time.Hour), 0)
			}
			f.ask(b, "nothing rolled up")
			for n := 1; n > 0; {
				var err error
				if n, err = f.roller.Round(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			f.ask(b, "all rolled up")
			for i := range 2 {
				f.send(b, time.Now().Add(-time.Duration(1-i)*time.Minute), time.Hour)
			}
			f.ask(b, "the latest not rolled up")
		})
	}
}

func newFleet(b *testing.B, s *storing, count int) *fleet {
	b.Helper()
	db, err := sqldb.OpenSQLite(filepath.Join(b.TempDir(), "ampra.db"), sqldb.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	f := &fleet{storing: s, owner: uuid.New()}
	err = sqldb.NewUsers(db).Create(b.Context(), identity.User{ID: f.owner, Email: f.owner.String(), Role: actor.User, CreatedAt: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	sources := sqldb.NewSunSources(db)
	err = db.Run(b.Context(), func(ctx context.Context) error {
		for i := range count {
			id, north, east := uuid.New(), 48+float64(i%1000)*0.0013, 9+float64(i%97)*0.02
			f.sources = append(f.sources, id)
			err := sources.Create(ctx, sunsource.SunSource{
				ID: id, OwnerID: f.owner, Name: fmt.Sprintf("Roof %d", i), ConnectionType: sunsource.MQTT, IsActive: true, Currency: "EUR",
				Latitude: &north, Longitude: &east, CreatedAt: time.Now(), UpdatedAt: time.Now(),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	places := zones.New()
	f.service = service.New(service.Config{Budget: service.DefaultBudget, Memory: service.DefaultMemory}, service.Deps{
		Store: s.store, Archive: s.archive, Sources: sources, Groups: nil, Clock: clock.Func(time.Now),
		Zones: siteZones{settings.New(settings.Deps{
			Sources: sources, Settings: sqldb.NewSettings(db), Zones: places, Clock: clock.Func(time.Now),
			Explanations: nil, Transactions: nil, Outbox: nil, Feed: nil, Notes: nil,
		}), places},
	})
	return f
}

// send stores a reading of each source, and a mark for it: to be taken at once, or
// after a while.
func (f *fleet) send(b *testing.B, at time.Time, settle time.Duration) {
	b.Helper()
	ms, slot := at.UnixMilli(), rollup.AtOnce
	if settle > 0 {
		slot = 1
	}
	marks, placed := make([]rollup.Mark, len(f.sources)), make([]telemetry.Placed, len(f.sources))
	for i, source := range f.sources {
		marks[i] = rollup.Mark{SourceID: source, Day: rollup.DayOf(ms), Slot: slot, Earliest: ms}
		placed[i] = telemetry.Placed{Reading: reading(source, telemetry.Truncate(at)), Position: telemetry.Position{Partition: telemetry.Direct}}
	}
	if err := f.store.Raise(b.Context(), settle, marks...); err != nil {
		b.Fatal(err)
	}
	for len(placed) > 0 {
		some := placed[:min(5000, len(placed))]
		placed = placed[len(some):]
		if errs := f.archive.Write(b.Context(), some); errs != nil {
			b.Fatal(errs)
		}
	}
}

func (f *fleet) ask(b *testing.B, when string) {
	b.Helper()
	who := actor.Actor{UserID: f.owner}
	b.Run(when+"/today", func(b *testing.B) {
		for b.Loop() {
			now := time.Now()
			found, err := f.service.EnergyOf(b.Context(), who, service.Which{}, service.Ask{
				From: now.Format(time.RFC3339), To: now.Add(time.Second).Format(time.RFC3339), Resolution: energy.DayOf,
			})
			if err != nil || len(found.Buckets) != 1 || found.Zone == time.UTC {
				b.Fatalf("%+v, %v", found, err)
			}
		}
	})
	b.Run(when+"/summary", func(b *testing.B) {
		for b.Loop() {
			if _, err := f.service.SummaryOf(b.Context(), who, service.Which{}, "", fault.Fields{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
