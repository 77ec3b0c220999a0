package sqldb

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/credential"
	"ampra/core/identity"
	"ampra/core/sunsource"
	"ampra/test/stack"
)

func TestTheMQTTSourcesOfAllOwnersAreListedInPagesWithTheirCurrentKey(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		db, err := OpenSQLite(filepath.Join(t.TempDir(), "ampra.db"), Options{})
		listMQTT(t, db, err)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		db, err := OpenPostgres(stack.Postgres(t), Options{})
		listMQTT(t, db, err)
	})
}

func listMQTT(t *testing.T, db *DB, err error) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(err)
	t.Cleanup(func() { check(db.Close()) })
	ctx, now := t.Context(), time.Now().UTC()
	check(db.Migrate(ctx))
	credentials := NewCredentials(db)
	key := func(source uuid.UUID, kind sunsource.ConnectionType, version int) credential.Credential {
		c := credential.Credential{
			ID: uuid.New(), SourceID: source, Kind: kind, Version: version, Sealed: credential.Sealed{KeyID: "k", Box: []byte("box")}, CreatedAt: now,
		}
		if kind == sunsource.MQTT {
			c.Digest = credential.Digest{1}
		}
		return c
	}
	var want []MQTTAccess
	for owner := range 2 {
		user := identity.User{ID: uuid.New(), Email: string(rune('a' + owner)), Role: actor.User, CreatedAt: now}
		check(NewUsers(db).Create(ctx, user))
		for i := range 5 {
			source := sunsource.SunSource{ID: uuid.New(), OwnerID: user.ID, ConnectionType: sunsource.MQTT, Currency: "EUR", IsActive: i != 3}
			if i == 4 {
				source.ConnectionType = sunsource.Webhook
			}
			check(NewSunSources(db).Create(ctx, source))
			c := key(source.ID, source.ConnectionType, 1)
			check(credentials.Add(ctx, c))
			if i == 2 { // replaced, with the old one still valid
				c = key(source.ID, source.ConnectionType, 2)
				later := now.Add(time.Hour)
				check(credentials.Replace(ctx, c, &later))
			}
			if i < 4 {
				want = append(want, MQTTAccess{SourceID: source.ID, CredentialID: c.ID, Active: source.IsActive})
			}
		}
	}
	slices.SortFunc(want, func(a, b MQTTAccess) int { return slices.Compare(a.SourceID[:], b.SourceID[:]) })
	var got []MQTTAccess
	for after := uuid.Nil; ; {
		page, err := NewAccessRecords(db).ListMQTT(ctx, after, 3)
		check(err)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		after = page[len(page)-1].SourceID
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
}
