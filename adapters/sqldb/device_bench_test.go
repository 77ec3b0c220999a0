package sqldb

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/device"
	"ampra/core/identity"
	"ampra/core/sunsource"
	"ampra/test/stack"
)

// BenchmarkDevices is what a fleet costs: pages and sums over the 10,000 sources of
// an owner, and noting that 50,000 were heard, as happens twice a minute.
func BenchmarkDevices(b *testing.B) {
	for name, open := range map[string]func() (*DB, error){
		"SQLite":     func() (*DB, error) { return OpenSQLite(filepath.Join(b.TempDir(), "ampra.db"), Options{}) },
		"PostgreSQL": func() (*DB, error) { return OpenPostgres(stack.Postgres(b), Options{}) },
	} {
		b.Run(name, func(b *testing.B) {
			db, err := open()
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = db.Close() })
			if err := db.Migrate(b.Context()); err != nil {
				b.Fatal(err)
			}
			owner := fleetOf(b, db, 10_000)
			heard := append(owner.heard, fleetOf(b, db, 40_000).heard...)
			devices := NewDevices(db)
			at := time.Now()
			flush := func(b *testing.B) {
				at = at.Add(30 * time.Second)
				for i := range heard {
					h := &heard[i]
					h.Pulse.Hear(at, at)
					h.FirstAt, h.LastSeenAt, h.CheckAt = at, at, at.Add(90*time.Second)
				}
				b.StartTimer()
				if _, err := devices.Hear(b.Context(), heard); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
			}
			b.StopTimer()
			flush(b)
			b.Run("50,000 are heard", func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					flush(b)
				}
			})
			for _, sort := range device.Sorts() {
				for _, descending := range []bool{false, true} {
					b.Run(fmt.Sprintf("a page of 100 of 10,000 by %s %v", sort, descending), func(b *testing.B) {
						pages(b, devices, owner.id, device.Query{Sort: sort, Descending: descending, Limit: 100})
					})
				}
			}
			b.Run("a page of 100 of 10,000 by a word", func(b *testing.B) {
				pages(b, devices, owner.id, device.Query{Words: device.Words("roof 7"), Sort: device.ByName, Limit: 100})
			})
			b.Run("overview of 10,000", func(b *testing.B) {
				timed(b, func() {
					if o, err := devices.Overview(b.Context(), owner.id); err != nil || o.Sources != 10_000 {
						b.Fatalf("%d sources, %v", o.Sources, err)
					}
				})
			})
		})
	}
}

// owned are the sources of one owner.
type owned struct {
	id    uuid.UUID
	heard []device.Heard
}

func fleetOf(b *testing.B, db *DB, n int) owned {
	b.Helper()
	o := owned{id: uuid.New()}
	watts := 2622.7
	err := NewUsers(db).Create(b.Context(), identity.User{ID: o.id, Email: o.id.String(), Role: actor.User, CreatedAt: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	sources := NewSunSources(db)
	err = db.Run(b.Context(), func(ctx context.Context) error {
		for i := range n {
			id, capacity := uuid.New(), float64(i%97)*100
			binary.BigEndian.PutUint32(id[:], uint32(i*2+n%3)) // client ids are of its beginning
			o.heard = append(o.heard, device.Heard{SourceID: id, Online: true, Powers: device.Powers{&watts, &watts}})
			err := sources.Create(ctx, sunsource.SunSource{
				ID: id, OwnerID: o.id, Name: fmt.Sprintf("Roof %d", i), ConnectionType: sunsource.MQTT, IsActive: true, Currency: "EUR",
				InstalledCapacityWatts: &capacity, CreatedAt: time.Now(), UpdatedAt: time.Now(),
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
	return o
}

// pages reads one page after another, and begins anew at the end.
func pages(b *testing.B, devices *Devices, owner uuid.UUID, query device.Query) {
	b.Helper()
	timed(b, func() {
		page, err := devices.Search(b.Context(), owner, query)
		if err != nil {
			b.Fatal(err)
		}
		query.After = nil
		if len(page) == query.Limit {
			query.After = new(query.PlaceOf(page[len(page)-1]))
		}
	})
}

// timed tells the median and the 99th percentile beside the mean.
func timed(b *testing.B, act func()) {
	b.Helper()
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		act()
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	for name, share := range map[string]int{"p50-ms": 50, "p99-ms": 99} {
		b.ReportMetric(float64(took[(len(took)-1)*share/100].Microseconds())/1000, name)
	}
}
