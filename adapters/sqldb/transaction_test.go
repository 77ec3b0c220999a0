package sqldb

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"ampra/core/sunsource"
)

func TestWhatWaitsForTheCommitIsCalledAfterItAndInOrder(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *DB) {
		db := open(t)
		user, outside := storeUser(t, db), t.Context()
		var called []string
		note := func(ctx context.Context, name string) {
			db.onCommit(ctx, func() {
				stored, err := NewUsers(db).ByID(outside, user)
				if err != nil || stored.PasswordHash != "new" {
					t.Errorf("%s is called before the commit: %q, %v", name, stored.PasswordHash, err)
				}
				called = append(called, name)
			})
		}
		err := db.Run(t.Context(), func(ctx context.Context) error {
			note(ctx, "first")
			failed := errors.New("no")
			if err := db.Run(ctx, func(ctx context.Context) error { note(ctx, "undone"); return failed }); !errors.Is(err, failed) {
				t.Errorf("the inner Run returned %v", err)
			}
			if err := db.Run(ctx, func(ctx context.Context) error { note(ctx, "inner"); return nil }); err != nil {
				return err
			}
			note(ctx, "last")
			return NewUsers(db).SetPassword(ctx, user, "new")
		})
		if err != nil {
			t.Fatal(err)
		}
		note(t.Context(), "outside")
		if want := []string{"first", "inner", "last", "outside"}; !slices.Equal(called, want) {
			t.Errorf("called %v, want %v", called, want)
		}
	})
}

func TestWhatWaitsForTheCommitIsForgottenOnRollback(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *DB) {
		db := open(t)
		failed := errors.New("no")
		err := db.Run(t.Context(), func(ctx context.Context) error {
			db.onCommit(ctx, func() { t.Error("called") })
			return failed
		})
		if !errors.Is(err, failed) {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestADeadlockIsTriedAgain(t *testing.T) {
	t.Parallel()
	db := migrated(t, openPostgres(t))
	owner := storeUser(t, db)
	sources := []uuid.UUID{storeSource(t, db, owner).ID, storeSource(t, db, owner).ID}
	repository := NewSunSources(db)
	tries, commits := make([]int, 2), make([]int, 2)
	holds := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	group, ctx := errgroup.WithContext(t.Context())
	for i := range 2 {
		group.Go(func() error {
			return db.Run(ctx, func(ctx context.Context) error {
				tries[i]++
				db.onCommit(ctx, func() { commits[i]++ })
				for step, n := range []int{i, 1 - i} { // each in the other's order
					_, err := repository.Update(ctx, owner, sources[n], func(s *sunsource.SunSource) error {
						s.Name += "+"
						return nil
					})
					if err != nil {
						return err
					}
					if step == 0 && tries[i] == 1 { // both hold one, then both want the other
						close(holds[i])
						select {
						case <-holds[1-i]:
						case <-ctx.Done():
							return ctx.Err()
						}
					}
				}
				return nil
			})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if tries[0]+tries[1] < 3 {
		t.Errorf("%v tries: there was no deadlock", tries)
	}
	if !slices.Equal(commits, []int{1, 1}) {
		t.Errorf("what waits for the commit was called %v times", commits)
	}
	for _, id := range sources {
		s, err := repository.Get(t.Context(), owner, id)
		if err != nil || s.Name != "Roof++" {
			t.Errorf("%q, %v", s.Name, err)
		}
	}
}

func TestATransactionThatTheServerGaveUpIsNoSuccess(t *testing.T) {
	t.Parallel()
	db := migrated(t, openPostgres(t))
	user := storeUser(t, db)
	err := db.Run(t.Context(), func(ctx context.Context) error {
		if err := NewUsers(db).SetPassword(ctx, user, "lost"); err != nil {
			return err
		}
		if _, err := db.conn(ctx).ExecContext(ctx, "select 1 / 0"); err == nil {
			t.Error("a division by zero passed")
		}
		return nil // swallowed: the server will only roll back now
	})
	if err == nil {
		t.Error("Run reported success")
	}
}

func TestTwoStoresDoNotShareATransaction(t *testing.T) {
	t.Parallel()
	one, two := migrated(t, openSQLite(t)), migrated(t, openSQLite(t))
	user := storeUser(t, two)
	failed := errors.New("no")
	err := one.Run(t.Context(), func(ctx context.Context) error {
		if err := NewUsers(two).SetPassword(ctx, user, "kept"); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatalf("Run returned %v", err)
	}
	if stored, err := NewUsers(two).ByID(t.Context(), user); err != nil || stored.PasswordHash != "kept" {
		t.Errorf("the other store has %q, %v", stored.PasswordHash, err)
	}
}
