package sqldb

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/credential"
	"ampra/core/identity"
	"ampra/core/sunsource"
	"ampra/test/stack"
)

// BenchmarkAccess is what each sign-in of a device costs, when its
// process does not know the source yet.
func BenchmarkAccess(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) {
		db, err := OpenSQLite(filepath.Join(b.TempDir(), "ampra.db"), Options{})
		benchmarkAccess(b, db, err)
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		db, err := OpenPostgres(stack.Postgres(b), Options{})
		benchmarkAccess(b, db, err)
	})
}

func benchmarkAccess(b *testing.B, db *DB, err error) {
	b.Helper()
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	check(err)
	b.Cleanup(func() { check(db.Close()) })
	check(db.Migrate(b.Context()))
	user := identity.User{ID: uuid.New(), Email: "b", Role: actor.User, CreatedAt: time.Now()}
	check(NewUsers(db).Create(b.Context(), user))
	ids := make([]uuid.UUID, 500)
	for i := range ids {
		ids[i] = uuid.New()
		check(NewSunSources(db).Create(b.Context(), sunsource.SunSource{ID: ids[i], OwnerID: user.ID, ConnectionType: sunsource.MQTT, Currency: "EUR"}))
		check(NewCredentials(db).Add(b.Context(), credential.Credential{
			ID: uuid.New(), SourceID: ids[i], Kind: sunsource.MQTT, Version: 1, Digest: credential.Digest{1},
			Sealed: credential.Sealed{KeyID: "k", Box: make([]byte, 100)},
		}))
	}
	access, now := NewAccessRecords(db), time.Now()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			list, err := access.AccessByClientKeys(b.Context(), []sunsource.ClientKey{sunsource.ClientKeyOf(ids[i%len(ids)])}, now)
			if err != nil || len(list) != 1 || len(list[0].Keys) != 1 {
				b.Errorf("%v, %v", list, err)
			}
		}
	})
}
