package identity_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/fault"
	domain "ampra/core/identity"
	"ampra/modules/identity"
)

const email = "first@example.org"

func TestAWrongPasswordAndAnUnknownEmailGiveTheSameAnswerForTheSameWork(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{})
	r.overseer(t)
	_, known := r.Login(t.Context(), email, "Wrong-Password-1")
	_, unknown := r.Login(t.Context(), "nobody@example.org", "Wrong-Password-1")
	wantCode(t, known, fault.Unauthenticated)
	if fmt.Sprint(known) != fmt.Sprint(unknown) {
		t.Errorf("the answers are %q and %q", known, unknown)
	}
	if got := r.hasher.work(); !slices.Equal(got, []string{"hash of " + password, ""}) {
		t.Errorf("the hasher verified %q", got)
	}
	known, unknown = nil, nil
	for range domain.MaxFailures {
		_, known = r.Login(t.Context(), email, "Wrong-Password-1")
		_, unknown = r.Login(t.Context(), "nobody@example.org", "Wrong-Password-1")
	}
	wantCode(t, known, fault.TooMany)
	if fmt.Sprint(known) != fmt.Sprint(unknown) {
		t.Errorf("locked, the answers are %q and %q", known, unknown)
	}
}

func TestFiveFailuresInARowLockAnEmailForFiveMinutes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{email, "nobody@example.org"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(identity.Config{})
			r.overseer(t)
			for i := range domain.MaxFailures {
				_, err := r.Login(t.Context(), []string{name, " " + strings.ToUpper(name)}[i%2], "Wrong-Password-1")
				wantCode(t, err, fault.Unauthenticated)
				r.clock.Advance(time.Second)
			}
			worked := len(r.hasher.work())
			_, err := r.Login(t.Context(), name, password) // the right one, too
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != fault.TooMany || f.RetryAfter != domain.LockTime-time.Second {
				t.Errorf("the sixth: %v", err)
			}
			if len(r.hasher.work()) != worked {
				t.Error("a locked e-mail still costs a hash")
			}
			r.clock.Advance(domain.LockTime - time.Second - time.Millisecond)
			_, err = r.Login(t.Context(), name, "Wrong-Password-1")
			wantCode(t, err, fault.TooMany)
			r.clock.Advance(time.Millisecond)
			_, err = r.Login(t.Context(), name, "Wrong-Password-1")
			wantCode(t, err, fault.Unauthenticated)
			if _, err = r.Login(t.Context(), name, password); (err == nil) != (name == email) {
				t.Errorf("after the lock: %v", err)
			}
		})
	}
}

func TestASuccessForgetsTheFailuresBefore(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{})
	r.overseer(t)
	for range 3 {
		for range domain.MaxFailures - 1 {
			_, err := r.Login(t.Context(), email, "Wrong-Password-1")
			wantCode(t, err, fault.Unauthenticated)
		}
		if _, err := r.Login(t.Context(), "\tFirst@Example.ORG ", password); err != nil {
			t.Fatalf("the right password after four wrong ones: %v", err)
		}
	}
}

func TestASessionSlidesAndIsWrittenOnceAnHourAtMost(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{})
	signed := r.overseer(t)
	visit := func(wait time.Duration, extended bool) {
		t.Helper()
		r.clock.Advance(wait)
		before := r.records.Sessions.Calls()
		v, err := r.BySession(t.Context(), signed.Session)
		if err != nil || v.Extended != extended || v.User.ID != signed.User.ID {
			t.Fatalf("after %s more: %+v, %v", wait, v, err)
		}
		if calls := r.records.Sessions.Calls() - before; (calls == 2) != extended {
			t.Errorf("after %s more it took %d calls", wait, calls)
		}
	}
	visit(0, false)
	visit(time.Hour, false)
	visit(time.Millisecond, true)
	visit(time.Hour, false)
	visit(domain.SessionLifetime-time.Hour-time.Millisecond, true) // its last moment
	visit(domain.SessionLifetime-time.Millisecond, true)
	r.clock.Advance(domain.SessionLifetime)
	_, err := r.BySession(t.Context(), signed.Session)
	wantCode(t, err, fault.Unauthenticated)
}

func TestALoggedOutSessionOpensNothing(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{})
	signed := r.overseer(t)
	other, err := r.Login(t.Context(), email, password)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // an unknown one is no error
		if err := r.Logout(t.Context(), signed.Session); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{signed.Session, "", "x"} {
		_, err := r.BySession(t.Context(), text)
		wantCode(t, err, fault.Unauthenticated)
	}
	if _, err := r.BySession(t.Context(), other.Session); err != nil {
		t.Errorf("the other session: %v", err)
	}
	away := errors.New("away")
	r.records.Sessions.FailNext(1, away)
	if _, err := r.BySession(t.Context(), other.Session); !errors.Is(err, away) {
		t.Errorf("with the records away: %v", err) // not signed out
	}
}

func TestANewPasswordEndsAllOtherSessions(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{OpenRegistration: true})
	kept := r.overseer(t)
	other, err := r.Login(t.Context(), email, password)
	if err != nil {
		t.Fatal(err)
	}
	neighbour, err := r.Register(t.Context(), identity.Registration{Email: "next@example.org", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	const next = "Rainy-Day-2"
	if err := r.ChangePassword(t.Context(), actorOf(kept.User), kept.Session, password, next); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		session string
		ok      bool
	}{"kept": {kept.Session, true}, "other": {other.Session, false}, "another user's": {neighbour.Session, true}} {
		if _, err := r.BySession(t.Context(), c.session); (err == nil) != c.ok {
			t.Errorf("the session %s: %v", name, err)
		}
	}
	_, err = r.Login(t.Context(), email, password)
	wantCode(t, err, fault.Unauthenticated)
	if _, err := r.Login(t.Context(), email, next); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if log, _ := r.records.AuditLog.About(t.Context(), kept.User.ID); log[0].Act != audit.PasswordChanged || log[0].ActorID != kept.User.ID {
		t.Errorf("the audit log has %+v", log)
	}
}

func TestAPasswordIsNotChangedByHalf(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{})
	signed := r.overseer(t)
	who := actorOf(signed.User)
	change := func(current, next string) error {
		return r.ChangePassword(t.Context(), who, signed.Session, current, next)
	}
	wantFields(t, change("Wrong-Password-1", "Rainy-Day-2"), "currentPassword")
	wantFields(t, change(password, "short"), "newPassword")
	wantFields(t, change("Wrong-Password-1", "short"), "currentPassword", "newPassword")
	away := errors.New("away")
	r.records.Sessions.FailNext(1, away)
	if err := change(password, "Rainy-Day-2"); !errors.Is(err, away) {
		t.Errorf("with the sessions away: %v", err)
	}
	if _, err := r.Login(t.Context(), email, password); err != nil {
		t.Errorf("the old password after four failed changes: %v", err)
	}
	for range domain.MaxFailures {
		wantFields(t, change("Wrong-Password-1", "Rainy-Day-2"), "currentPassword")
	}
	wantCode(t, change(password, "Rainy-Day-2"), fault.TooMany)
}

func TestALoginUnderWayDoesNotOutliveAPasswordChange(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{})
	signed := r.overseer(t)
	r.hasher.meanwhile = func() {
		r.hasher.meanwhile = nil
		if err := r.ChangePassword(t.Context(), actorOf(signed.User), signed.Session, password, "Rainy-Day-2"); err != nil {
			t.Errorf("changing the password: %v", err)
		}
	}
	late, err := r.Login(t.Context(), email, password)
	wantCode(t, err, fault.Unauthenticated)
	if late.Session != "" {
		t.Error("it got a session")
	}
}

func TestATokenDoesWhatItsScopesSayUntilItExpires(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{})
	who := actorOf(r.overseer(t).User)
	for _, c := range []struct {
		scopes   []domain.Scope
		readOnly bool
	}{
		{[]domain.Scope{domain.Read}, true},
		{[]domain.Scope{domain.Write}, false},
		{[]domain.Scope{domain.Read, domain.Write}, false},
	} {
		expires := r.clock.Now().Add(time.Hour)
		token, text, err := r.CreateToken(t.Context(), who, identity.NewToken{Name: "script", Scopes: c.scopes, ExpiresAt: expires})
		if err != nil || !strings.HasPrefix(text, domain.TokenPrefix) || token.LastUsedAt != nil || token.UserID != who.UserID {
			t.Fatalf("got %+v, %v", token, err)
		}
		used := r.clock.Now()
		calls := r.records.Tokens.Calls()
		for range 3 { // within a minute it is noted once
			v, err := r.ByToken(t.Context(), text)
			want := actor.Actor{UserID: who.UserID, Role: actor.Overseer, ReadOnly: c.readOnly}
			if err != nil || v.Actor != want {
				t.Errorf("scopes %v: %+v, %v", c.scopes, v.Actor, err)
			}
			r.clock.Advance(20 * time.Second)
		}
		if calls = r.records.Tokens.Calls() - calls; calls != 4 {
			t.Errorf("three uses took %d calls", calls)
		}
		list, err := r.Tokens(t.Context(), who)
		if err != nil || len(list) == 0 || !list[len(list)-1].LastUsedAt.Equal(used) {
			t.Errorf("listed as %+v, %v", list, err)
		}
		r.clock.Set(expires)
		_, err = r.ByToken(t.Context(), text)
		wantCode(t, err, fault.Unauthenticated)
	}
	_, err := r.ByToken(t.Context(), domain.TokenPrefix+"x")
	wantCode(t, err, fault.Unauthenticated)
}

func TestAWrongTokenIsRefusedWithAllItsFields(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{})
	who := actorOf(r.overseer(t).User)
	var unreadable fault.Fields
	unreadable.Add("expiresAt", "must be a time")
	for name, c := range map[string]struct {
		token identity.NewToken
		want  []string
	}{
		"empty":        {identity.NewToken{}, []string{"expiresAt", "name", "scopes"}},
		"expired":      {identity.NewToken{Name: "x", Scopes: []domain.Scope{"read"}, ExpiresAt: present()}, []string{"expiresAt"}},
		"scopes twice": {identity.NewToken{Name: "x", Scopes: []domain.Scope{"read", "read"}, ExpiresAt: present().Add(1)}, []string{"scopes"}},
		"other scope":  {identity.NewToken{Name: "x", Scopes: []domain.Scope{"admin"}, ExpiresAt: present().Add(1)}, []string{"scopes"}},
		"unreadable":   {identity.NewToken{Scopes: []domain.Scope{"read"}, Unreadable: unreadable}, []string{"expiresAt", "name"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, text, err := r.CreateToken(t.Context(), who, c.token)
			wantFields(t, err, c.want...)
			if text != "" {
				t.Error("it has a text")
			}
		})
	}
}

func TestAUserHasOnlySoManyTokensAndEndsTheirOwn(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{})
	who := actorOf(r.overseer(t).User)
	stranger := actor.Actor{UserID: uuid.New(), Role: actor.Overseer}
	n := identity.NewToken{Name: "script", Scopes: []domain.Scope{domain.Read}, ExpiresAt: present().Add(time.Hour)}
	var last domain.Token
	var text string
	for range domain.MaxTokens {
		var err error
		if last, text, err = r.CreateToken(t.Context(), who, n); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := r.CreateToken(t.Context(), who, n)
	wantCode(t, err, fault.Conflict)
	wantCode(t, r.RevokeToken(t.Context(), stranger, last.ID), fault.NotFound)
	if list, err := r.Tokens(t.Context(), stranger); err != nil || len(list) != 0 {
		t.Errorf("a stranger sees %d tokens, %v", len(list), err)
	}
	away := errors.New("away")
	r.records.AuditLog.FailNext(1, away)
	if err := r.RevokeToken(t.Context(), who, last.ID); !errors.Is(err, away) {
		t.Errorf("with the audit log away: %v", err)
	}
	if _, err := r.ByToken(t.Context(), text); err != nil {
		t.Errorf("the token after that: %v", err)
	}
	if err := r.RevokeToken(t.Context(), who, last.ID); err != nil {
		t.Fatal(err)
	}
	_, err = r.ByToken(t.Context(), text)
	wantCode(t, err, fault.Unauthenticated)
	wantCode(t, r.RevokeToken(t.Context(), who, last.ID), fault.NotFound)
	if log, _ := r.records.AuditLog.About(t.Context(), last.ID); len(log) != 2 || log[0].Act != audit.TokenRevoked || log[1].Act != audit.TokenCreated {
		t.Errorf("the audit log has %+v", log)
	}
	if _, _, err := r.CreateToken(t.Context(), who, n); err != nil {
		t.Errorf("in the freed place: %v", err)
	}
}
