package sqldb

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/fault"
	"ampra/core/identity"
	"ampra/test/stack"
)

func TestWhoIsAloneKeepsOutOthersAboutTheSameThingAndNobodyFromWriting(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) []*DB{
		"PostgreSQL, two processes": func(t *testing.T) []*DB {
			t.Helper()
			url := stack.Postgres(t)
			return []*DB{postgresAt(t, url), postgresAt(t, url)}
		},
		"SQLite": func(t *testing.T) []*DB {
			t.Helper()
			db := sqliteAt(t, filepath.Join(t.TempDir(), "ampra.db"))
			return []*DB{db, db}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dbs := open(t)
			migrated(t, dbs[0])
			about := uuid.New()
			var inside, most, done atomic.Int32
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					err := dbs[i%2].Alone(t.Context(), about, func(ctx context.Context) error {
						if now := inside.Add(1); now > most.Load() {
							most.Store(now)
						}
						// It takes a while, and nothing holds it up.
						u := identity.User{ID: uuid.New(), Email: uuid.NewString(), Role: actor.User, CreatedAt: time.Now()}
						err := NewUsers(dbs[(i+1)%2]).Create(ctx, u)
						inside.Add(-1)
						done.Add(1)
						return err
					})
					if err != nil {
						t.Errorf("act %d: %v", i, err)
					}
				})
			}
			all.Wait()
			if most.Load() != 1 || done.Load() != 20 {
				t.Errorf("%d acts, %d at a time", done.Load(), most.Load())
			}
			why := errors.New("no")
			if err := dbs[0].Alone(t.Context(), about, func(context.Context) error { return why }); !errors.Is(err, why) {
				t.Errorf("an act that fails is answered with %v", err)
			}
		})
	}
}

func TestWhoWaitsToBeAloneEndsWithItsContext(t *testing.T) {
	t.Parallel()
	url := stack.Postgres(t)
	first, second := postgresAt(t, url), postgresAt(t, url)
	about := uuid.New()
	for name, db := range map[string]*DB{"the same process": first, "another": second} {
		err := first.Alone(t.Context(), about, func(ctx context.Context) error {
			waiting, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			return db.Alone(waiting, about, func(context.Context) error {
				t.Errorf("%s: two are inside", name)
				return nil
			})
		})
		if err == nil || !fault.Passing(err) {
			t.Errorf("%s: answered with %v", name, err)
		}
		if err := db.Alone(t.Context(), about, func(context.Context) error { return nil }); err != nil {
			t.Errorf("%s, later: %v", name, err)
		}
	}
}
