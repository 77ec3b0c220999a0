package contract

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/identity"
)

// Sessions runs what every identity.Sessions promises. open is called once.
func Sessions(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"a session opens its user until it expires":        sessionOpens,
		"a session can be extended":                        sessionExtended,
		"a session that was ended is not found":            sessionEnded,
		"extending a session that was ended opens nothing": sessionNotRevived,
		"all of a user's sessions end but one":             sessionsOfOthers,
		"what expired is swept, the rest stays":            sessionsSwept,
	})
}

func (r Records) newSession(t *testing.T, user uuid.UUID) identity.Session {
	t.Helper()
	s := identity.Session{
		Digest: randomDigest(), UserID: user, CreatedAt: instantOf(0), ExpiresAt: instantOf(60),
	}
	must(t, r.Sessions.Create(t.Context(), s))
	return s
}

func (r Records) wantSession(t *testing.T, s identity.Session, now time.Time, there bool) {
	t.Helper()
	_, got, err := r.Sessions.User(t.Context(), s.Digest, now)
	if !there {
		wantCode(t, err, fault.NotFound)
		return
	}
	must(t, err)
	wantSame(t, got, s)
}

func sessionOpens(t *testing.T, r Records) {
	u := r.newUser(t)
	s := r.newSession(t, u.ID)
	got, _, err := r.Sessions.User(t.Context(), s.Digest, s.CreatedAt)
	must(t, err)
	wantSame(t, got, u)
	r.wantSession(t, s, s.ExpiresAt.Add(-time.Microsecond), true)
	r.wantSession(t, s, s.ExpiresAt, false)
	r.wantSession(t, identity.Session{Digest: randomDigest()}, s.CreatedAt, false)
}

func sessionExtended(t *testing.T, r Records) {
	s := r.newSession(t, r.newUser(t).ID)
	other := r.newSession(t, s.UserID)
	before := s.ExpiresAt
	s.ExpiresAt = before.Add(time.Hour)
	must(t, r.Sessions.Extend(t.Context(), s.Digest, s.ExpiresAt))
	r.wantSession(t, s, before, true)
	r.wantSession(t, other, before, false)
}

func sessionEnded(t *testing.T, r Records) {
	s := r.newSession(t, r.newUser(t).ID)
	other := r.newSession(t, s.UserID)
	for range 2 { // an unknown one is no error
		must(t, r.Sessions.Delete(t.Context(), s.Digest))
	}
	r.wantSession(t, s, s.CreatedAt, false)
	r.wantSession(t, other, s.CreatedAt, true)
}

func sessionNotRevived(t *testing.T, r Records) {
	s := r.newSession(t, r.newUser(t).ID)
	must(t, r.Sessions.Delete(t.Context(), s.Digest))
	must(t, r.Sessions.Extend(t.Context(), s.Digest, s.ExpiresAt.Add(time.Hour)))
	r.wantSession(t, s, s.CreatedAt, false)
}

func sessionsOfOthers(t *testing.T, r Records) {
	kept := r.newSession(t, r.newUser(t).ID)
	ended := []identity.Session{r.newSession(t, kept.UserID), r.newSession(t, kept.UserID)}
	stranger := r.newSession(t, r.newUser(t).ID)
	must(t, r.Sessions.DeleteOthers(t.Context(), kept.UserID, kept.Digest))
	r.wantSession(t, kept, kept.CreatedAt, true)
	r.wantSession(t, stranger, kept.CreatedAt, true)
	for _, s := range ended {
		r.wantSession(t, s, kept.CreatedAt, false)
	}
}

func sessionsSwept(t *testing.T, r Records) {
	old, young := r.newSession(t, r.newUser(t).ID), r.newSession(t, r.newUser(t).ID)
	young.ExpiresAt = instantOf(61)
	must(t, r.Sessions.Extend(t.Context(), young.Digest, young.ExpiresAt))
	must(t, r.Sessions.Sweep(t.Context(), instantOf(60).Add(time.Microsecond)))
	r.wantSession(t, old, old.CreatedAt, false)
	r.wantSession(t, young, young.CreatedAt, true)
}
