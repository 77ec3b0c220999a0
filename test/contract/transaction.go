package contract

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/identity"
	"ampra/core/powergroup"
)

// Transactions runs what every transaction.Runner promises. open is called once.
func Transactions(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"what act writes is there once Run returns":                 runCommits,
		"an error of act undoes everything and comes back as it is": runRollsBack,
		"a panic of act undoes everything":                          runPanics,
		"act sees its writes, nobody else does before the end":      runIsolates,
		"Run inside Run is undone with it":                          runJoins,
		"a part that fails is undone alone":                         runPart,
		"a Conflict leaves the transaction usable":                  runConflict,
		"a context that ended writes nothing":                       runCancelled,
		"many at once all take effect":                              runMany,
	})
}

type actError struct{}

func (actError) Error() string { return "the act's own error" }

// wantUser looks for a user by a context, which may be a transaction's.
func (r Records) wantUser(ctx context.Context, t *testing.T, u identity.User, there bool) {
	t.Helper()
	_, err := r.Users.ByID(ctx, u.ID)
	if there {
		must(t, err)
	} else {
		wantCode(t, err, fault.NotFound)
	}
}

func runCommits(t *testing.T, r Records) {
	one, two := userOf(uuid.New()), userOf(uuid.New())
	must(t, r.Transactions.Run(t.Context(), func(ctx context.Context) error {
		return errors.Join(r.Users.Create(ctx, one), r.Users.Create(ctx, two))
	}))
	r.wantUser(t.Context(), t, one, true)
	r.wantUser(t.Context(), t, two, true)
}

func runRollsBack(t *testing.T, r Records) {
	u := userOf(uuid.New())
	err := r.Transactions.Run(t.Context(), func(ctx context.Context) error {
		must(t, r.Users.Create(ctx, u))
		return actError{}
	})
	if err != error(actError{}) { //nolint:errorlint // it is returned as it is
		t.Errorf("Run returned %v", err)
	}
	r.wantUser(t.Context(), t, u, false)
}

func runPanics(t *testing.T, r Records) {
	u := userOf(uuid.New())
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = r.Transactions.Run(t.Context(), func(ctx context.Context) error {
			must(t, r.Users.Create(ctx, u))
			panic("in the middle")
		})
	}()
	r.wantUser(t.Context(), t, u, false)
	r.newUser(t) // and the store goes on
}

func runIsolates(t *testing.T, r Records) {
	u, outside := userOf(uuid.New()), t.Context()
	must(t, r.Transactions.Run(outside, func(ctx context.Context) error {
		must(t, r.Users.Create(ctx, u))
		r.wantUser(ctx, t, u, true)
		r.wantUser(outside, t, u, false)
		return nil
	}))
	r.wantUser(t.Context(), t, u, true)
}

func runJoins(t *testing.T, r Records) {
	inner, outer, outside := userOf(uuid.New()), userOf(uuid.New()), t.Context()
	for _, last := range []error{actError{}, nil} {
		err := r.Transactions.Run(outside, func(ctx context.Context) error {
			must(t, r.Users.Create(ctx, outer))
			must(t, r.Transactions.Run(ctx, func(ctx context.Context) error { return r.Users.Create(ctx, inner) }))
			r.wantUser(outside, t, inner, false) // not before the outer one ends
			return last
		})
		if !errors.Is(err, last) {
			t.Fatalf("Run returned %v", err)
		}
		r.wantUser(t.Context(), t, inner, last == nil)
		r.wantUser(t.Context(), t, outer, last == nil)
	}
}

func runPart(t *testing.T, r Records) {
	before, inner, after := userOf(uuid.New()), userOf(uuid.New()), userOf(uuid.New())
	must(t, r.Transactions.Run(t.Context(), func(ctx context.Context) error {
		must(t, r.Users.Create(ctx, before))
		err := r.Transactions.Run(ctx, func(ctx context.Context) error {
			must(t, r.Users.Create(ctx, inner))
			return actError{}
		})
		if err != error(actError{}) { //nolint:errorlint // it is returned as it is
			t.Errorf("the inner Run returned %v", err)
		}
		return r.Users.Create(ctx, after)
	}))
	r.wantUser(t.Context(), t, before, true)
	r.wantUser(t.Context(), t, inner, false)
	r.wantUser(t.Context(), t, after, true)
}

func runConflict(t *testing.T, r Records) {
	taken := r.newUser(t)
	u := userOf(uuid.New())
	must(t, r.Transactions.Run(t.Context(), func(ctx context.Context) error {
		second := userOf(uuid.New())
		second.Email = taken.Email
		wantCode(t, r.Users.Create(ctx, second), fault.Conflict)
		return r.Users.Create(ctx, u)
	}))
	r.wantUser(t.Context(), t, u, true)
}

func runCancelled(t *testing.T, r Records) {
	u := userOf(uuid.New())
	ctx, cancel := context.WithCancel(t.Context())
	err := r.Transactions.Run(ctx, func(ctx context.Context) error {
		must(t, r.Users.Create(ctx, u))
		cancel()
		return nil
	})
	if err == nil {
		t.Error("Run reported success")
	}
	r.wantUser(t.Context(), t, u, false)
	called := false
	err = r.Transactions.Run(ctx, func(context.Context) error { called = true; return nil })
	if err == nil || called {
		t.Errorf("with a context that has ended: called %v, %v", called, err)
	}
}

func runMany(t *testing.T, r Records) {
	const n = 24
	owner := r.newUser(t)
	shared := r.newGroup(t, owner.ID)
	for i, err := range atOnce(n, func(i int) error {
		return r.Transactions.Run(t.Context(), func(ctx context.Context) error {
			g := powergroup.PowerGroup{ID: uuid.New(), OwnerID: owner.ID, Name: fmt.Sprint(i), CreatedAt: instantOf(i), UpdatedAt: instantOf(i)}
			if err := r.PowerGroups.Create(ctx, g); err != nil {
				return err
			}
			_, err := r.PowerGroups.Update(ctx, owner.ID, shared.ID, func(g *powergroup.PowerGroup) error {
				g.Name += "+"
				return nil
			})
			return err
		})
	}) {
		if err != nil {
			t.Errorf("transaction %d: %v", i, err)
		}
	}
	list, err := r.PowerGroups.List(t.Context(), owner.ID)
	must(t, err)
	if len(list) != n+1 {
		t.Errorf("%d groups, want %d", len(list), n+1)
	}
	got, err := r.PowerGroups.Get(t.Context(), owner.ID, shared.ID)
	must(t, err)
	if len(got.Name) != len("Home")+n {
		t.Errorf("the shared group is named %q after %d changes", got.Name, n)
	}
}
