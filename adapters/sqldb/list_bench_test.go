package sqldb

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/identity"
	"ampra/core/sunsource"
	"ampra/test/stack"
)

// BenchmarkListOfManySources is the list of an owner with 2,000 of them.
func BenchmarkListOfManySources(b *testing.B) {
	for name, open := range map[string]func() (*DB, error){
		"SQLite":     func() (*DB, error) { return OpenSQLite(filepath.Join(b.TempDir(), "ampra.db"), Options{}) },
		"PostgreSQL": func() (*DB, error) { return OpenPostgres(stack.Postgres(b), Options{}) },
	} {
		b.Run(name, func(b *testing.B) {
			db, err := open()
			check := func(err error) {
				if err != nil {
					b.Fatal(err)
				}
			}
			check(err)
			b.Cleanup(func() { check(db.Close()) })
			check(db.Migrate(b.Context()))
			owner := identity.User{ID: uuid.New(), Email: uuid.NewString(), Role: actor.User, CreatedAt: time.Now()}
			check(NewUsers(db).Create(b.Context(), owner))
			sources := NewSunSources(db)
			for range 2000 {
				check(sources.Create(b.Context(), sunsource.SunSource{
					ID: uuid.New(), OwnerID: owner.ID, Name: "Roof", ConnectionType: sunsource.MQTT, IsActive: true, Currency: "EUR",
					CreatedAt: time.Now(), UpdatedAt: time.Now(),
				}))
			}
			b.ReportAllocs()
			for b.Loop() {
				list, err := sources.List(b.Context(), owner.ID, sunsource.Filter{}, sunsource.Page{})
				if err != nil || len(list) != 2000 {
					b.Fatalf("%d sources, %v", len(list), err)
				}
			}
		})
	}
}
