package contract

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/identity"
)

// Attempts runs what every identity.Attempts promises. open is called once.
func Attempts(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"five attempts pass, then the e-mail is locked for its time": attemptsLock,
		"of many attempts at once five pass":                         attemptsAtOnce,
		"a success forgets the failures":                             attemptsCleared,
		"a count that stood still begins anew":                       attemptsAnew,
		"an e-mail does not lock another":                            attemptsApart,
		"what is old is swept, the rest stays":                       attemptsSwept,
	})
}

func newEmail() string { return uuid.NewString() + "@example.org" }

// attempt begins an attempt that must wait as long as said.
func (r Records) attempt(t *testing.T, email string, now time.Time, want time.Duration) {
	t.Helper()
	wait, err := r.Attempts.Begin(t.Context(), email, now)
	must(t, err)
	if wait != want {
		t.Fatalf("at %v: wait %v, want %v", now, wait, want)
	}
}

func (r Records) useUp(t *testing.T, email string, now time.Time) {
	t.Helper()
	for range identity.MaxFailures {
		r.attempt(t, email, now, 0)
	}
}

func attemptsLock(t *testing.T, r Records) {
	email, last := newEmail(), instantOf(4)
	for i := range identity.MaxFailures {
		r.attempt(t, email, instantOf(i), 0)
	}
	r.attempt(t, email, last, identity.LockTime)
	r.attempt(t, email, last.Add(time.Minute), identity.LockTime-time.Minute)
	r.attempt(t, email, last.Add(identity.LockTime-time.Microsecond), time.Microsecond)
	r.useUp(t, email, last.Add(identity.LockTime)) // a new count
	r.attempt(t, email, last.Add(identity.LockTime), identity.LockTime)
}

func attemptsAtOnce(t *testing.T, r Records) {
	email := newEmail()
	var passed atomic.Int32
	for i, err := range atOnce(25, func(int) error {
		wait, err := r.Attempts.Begin(t.Context(), email, instantOf(0))
		if err == nil && wait == 0 {
			passed.Add(1)
		}
		return err
	}) {
		if err != nil {
			t.Errorf("attempt %d: %v", i, err)
		}
	}
	if n := passed.Load(); n != identity.MaxFailures {
		t.Errorf("%d of 25 passed, want %d", n, identity.MaxFailures)
	}
}

func attemptsCleared(t *testing.T, r Records) {
	email := newEmail()
	must(t, r.Attempts.Clear(t.Context(), email)) // nothing to forget
	for range 3 {
		for range identity.MaxFailures - 1 {
			r.attempt(t, email, instantOf(0), 0)
		}
		must(t, r.Attempts.Clear(t.Context(), email))
	}
	r.useUp(t, email, instantOf(0))
	must(t, r.Attempts.Clear(t.Context(), email))
	r.attempt(t, email, instantOf(0), 0)
}

func attemptsAnew(t *testing.T, r Records) {
	email := newEmail()
	for range identity.MaxFailures - 1 {
		r.attempt(t, email, instantOf(0), 0)
	}
	r.useUp(t, email, instantOf(0).Add(identity.LockTime+time.Microsecond))
}

func attemptsApart(t *testing.T, r Records) {
	locked, other := newEmail(), newEmail()
	r.useUp(t, locked, instantOf(0))
	r.attempt(t, other, instantOf(0), 0)
	r.attempt(t, locked, instantOf(0), identity.LockTime)
}

func attemptsSwept(t *testing.T, r Records) {
	old, young := newEmail(), newEmail()
	r.useUp(t, old, instantOf(0))
	r.useUp(t, young, instantOf(1))
	must(t, r.Attempts.Sweep(t.Context(), instantOf(1)))
	r.attempt(t, old, instantOf(1), 0)
	r.attempt(t, young, instantOf(1), identity.LockTime)
}
