package identity_test

import (
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/fault"
	domain "ampra/core/identity"
	"ampra/modules/identity"
	"ampra/test/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "Sunny-Day-1"

func present() time.Time { return time.Date(2026, 6, 14, 12, 0, 0, 0, time.UTC) }

// hasher keeps passwords in the clear, and what it was asked to verify.
type hasher struct {
	mu       sync.Mutex
	verified []string // the hashes
	err      error    // of Verify
	// meanwhile is what happens while a password is hashed or compared.
	meanwhile func()
}

func (h *hasher) Hash(password string) (string, error) {
	if h.meanwhile != nil {
		h.meanwhile()
	}
	return "hash of " + password, nil
}

func (h *hasher) Verify(hash, password string) (bool, error) {
	h.mu.Lock()
	h.verified = append(h.verified, hash)
	h.mu.Unlock()
	if h.meanwhile != nil {
		h.meanwhile()
	}
	// An empty hash is right here, so that it is the use case that refuses it.
	return h.err == nil && (hash == "" || hash == "hash of "+password), h.err
}

func (h *hasher) work() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.verified)
}

type rig struct {
	*identity.Service
	records *fake.Records
	clock   *fake.Clock
	hasher  *hasher
}

func newRig(cfg identity.Config) *rig {
	r := &rig{records: fake.NewRecords(), clock: fake.NewClock(present()), hasher: &hasher{}}
	r.Service = identity.New(cfg, identity.Deps{
		Users: r.records.Users, Sessions: r.records.Sessions, Tokens: r.records.Tokens, Attempts: r.records.Attempts,
		Setup: r.records.SetupTokens, Hasher: r.hasher, Transactions: r.records, Audit: r.records.AuditLog,
		Clock: r.clock, Random: rand.Reader,
	})
	return r
}

// overseer makes the first account.
func (r *rig) overseer(t *testing.T) identity.SignedIn {
	t.Helper()
	signed, err := r.Register(t.Context(), identity.Registration{Email: "first@example.org", Password: password, Loopback: true})
	if err != nil {
		t.Fatalf("the first account: %v", err)
	}
	return signed
}

func actorOf(u domain.User) actor.Actor { return actor.Actor{UserID: u.ID, Role: u.Role} }

func (r *rig) users(t *testing.T) []domain.User {
	t.Helper()
	list, err := r.Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func wantCode(t *testing.T, err error, want fault.Code) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// wantFields checks that a fault names exactly these fields.
func wantFields(t *testing.T, err error, want ...string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Invalid {
		t.Errorf("got %v, want fields %v", err, want)
		return
	}
	if got := slices.Sorted(maps.Keys(f.Fields)); !slices.Equal(got, want) {
		t.Errorf("it names the fields %v, want %v", got, want)
	}
}

func TestTheFirstAccountIsMadeOnTheMachineOrWithTheSetupToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(r *identity.Registration, setup string)
		ok     bool
	}{
		"on the machine":                  {func(r *identity.Registration, _ string) { r.Loopback = true }, true},
		"with the setup token":            {func(r *identity.Registration, setup string) { r.SetupToken = setup }, true},
		"on the machine, a wrong token":   {func(r *identity.Registration, _ string) { r.Loopback, r.SetupToken = true, "setup_x" }, true},
		"from elsewhere":                  {func(*identity.Registration, string) {}, false},
		"from elsewhere, a wrong token":   {func(r *identity.Registration, _ string) { r.SetupToken = "setup_x" }, false},
		"from elsewhere, half of a token": {func(r *identity.Registration, setup string) { r.SetupToken = setup[:len(setup)/2] }, false},
	} {
		for _, open := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := newRig(identity.Config{OpenRegistration: open})
				setup, err := r.PrepareSetup(t.Context())
				if err != nil || !strings.HasPrefix(setup, "setup_") || len(setup) < 40 {
					t.Fatalf("the setup token is %q, %v", setup, err)
				}
				registration := identity.Registration{Email: " First@Example.org", Password: password}
				c.change(&registration, setup)
				signed, err := r.Register(t.Context(), registration)
				if !c.ok {
					wantCode(t, err, fault.Forbidden)
					if n := len(r.users(t)); n != 0 || signed.Session != "" {
						t.Errorf("%d accounts, session %q", n, signed.Session)
					}
					return
				}
				if err != nil || signed.User.Role != actor.Overseer || signed.User.Email != "first@example.org" {
					t.Fatalf("got %+v, %v", signed.User, err)
				}
				if v, err := r.BySession(t.Context(), signed.Session); err != nil || v.Actor != actorOf(signed.User) {
					t.Errorf("the session is %+v, %v", v.Actor, err)
				}
			})
		}
	}
}

func TestTheSetupTokenOfTheLastStartCountsUntilThereIsAnAccount(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{})
	first, err := r.PrepareSetup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.PrepareSetup(t.Context())
	if err != nil || second == first {
		t.Fatalf("the tokens of two starts are %q and %q, %v", first, second, err)
	}
	registration := identity.Registration{Email: "a@example.org", Password: password, SetupToken: first}
	_, err = r.Register(t.Context(), registration)
	wantCode(t, err, fault.Forbidden)
	registration.SetupToken = second
	if _, err := r.Register(t.Context(), registration); err != nil {
		t.Fatal(err)
	}
	if again, err := r.PrepareSetup(t.Context()); again != "" || err != nil {
		t.Errorf("with an account a start gives the token %q, %v", again, err)
	}
	registration.Email = "b@example.org"
	_, err = r.Register(t.Context(), registration)
	wantCode(t, err, fault.Forbidden)
}

func TestOfManyFirstAccountsAtOnceOneIsTheOverseer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		open  bool
		left  int
		error fault.Code
	}{
		"closed": {false, 1, fault.Forbidden},
		"open":   {true, 8, ""}, // the others are users like any that come later
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(identity.Config{OpenRegistration: c.open})
			// All have found that there is no account before the first one is stored.
			var all sync.WaitGroup
			all.Add(8)
			var hashed sync.Mutex
			waiting := 8
			r.hasher.meanwhile = func() {
				hashed.Lock()
				waits := waiting > 0
				waiting--
				hashed.Unlock()
				if waits {
					all.Done()
					all.Wait()
				}
			}
			errs := make(chan error, 8)
			for i := range 8 {
				go func() {
					if i == 0 { // the command line among them
						_, err := r.AddUser(t.Context(), identity.NewUser{Email: "cli@example.org", Password: password, Role: actor.User})
						errs <- err
						return
					}
					email := uuid.NewString() + "@example.org"
					_, err := r.Register(t.Context(), identity.Registration{Email: email, Password: password, Loopback: true})
					errs <- err
				}()
			}
			made := 0
			for range 8 {
				if err := <-errs; err == nil {
					made++
				} else if !fault.Is(err, c.error) {
					t.Errorf("a loser got %v", err)
				}
			}
			overseers := 0
			for _, u := range r.users(t) {
				if u.Role == actor.Overseer {
					overseers++
				}
			}
			// The command line may add a user after the first account in any case.
			if len(r.users(t)) != made || made < c.left || made > c.left+1 || overseers != 1 {
				t.Errorf("%d accounts made, %d there, %d overseers", made, len(r.users(t)), overseers)
			}
		})
	}
}

func TestLaterAccountsNeedOpenRegistration(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]bool{"closed": false, "open": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(identity.Config{OpenRegistration: open})
			r.overseer(t)
			first := "Ada"
			next := identity.Registration{Email: "Next@Example.org ", Password: password, FirstName: &first, Loopback: true}
			signed, err := r.Register(t.Context(), next)
			if !open {
				wantCode(t, err, fault.Forbidden)
				return
			}
			if err != nil || signed.User.Role != actor.User || *signed.User.FirstName != first || signed.User.LastName != nil {
				t.Fatalf("got %+v, %v", signed.User, err)
			}
			next.Email = "next@EXAMPLE.org"
			_, err = r.Register(t.Context(), next)
			wantCode(t, err, fault.Conflict)
			if n := len(r.users(t)); n != 2 {
				t.Errorf("%d accounts", n)
			}
		})
	}
}

func TestEverythingWrongWithARegistrationIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{})
	long := strings.Repeat("x", 101)
	var unreadable fault.Fields
	unreadable.Add("colour", "is unknown")
	_, err := r.Register(t.Context(), identity.Registration{
		Email: "nobody", Password: "short", FirstName: &long, LastName: &long, Loopback: true, Unreadable: unreadable,
	})
	wantFields(t, err, "colour", "email", "firstName", "lastName", "password")
	signed := r.overseer(t)
	_, err = r.CreateUser(t.Context(), actorOf(signed.User), identity.NewUser{Email: "@", Password: "x", Role: "King"})
	wantFields(t, err, "email", "password", "role")
	if n := len(r.users(t)); n != 1 {
		t.Errorf("%d accounts", n)
	}
}

func TestAnAccountIsMadeWithItsSessionAndAuditEntryOrNotAtAll(t *testing.T) {
	t.Parallel()
	away := fault.New(fault.Unavailable, "away")
	for name, fail := range map[string]func(*fake.Records){
		"the account": func(r *fake.Records) { r.Users.PassNext(1); r.Users.FailNext(1, away) },
		"the audit":   func(r *fake.Records) { r.AuditLog.FailNext(1, away) },
		"the session": func(r *fake.Records) { r.Sessions.FailNext(1, away) },
		"the commit":  func(r *fake.Records) { r.Commits.FailNext(1, away) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(identity.Config{})
			fail(r.records)
			signed, err := r.Register(t.Context(), identity.Registration{Email: "a@example.org", Password: password, Loopback: true})
			if !errors.Is(err, away) || signed.Session != "" || len(r.users(t)) != 0 {
				t.Errorf("got %v, session %q and %d accounts", err, signed.Session, len(r.users(t)))
			}
			again := r.overseer(t)
			if log, err := r.records.AuditLog.About(t.Context(), again.User.ID); err != nil || len(log) != 1 || log[0].Act != audit.UserCreated {
				t.Errorf("the audit log has %+v, %v", log, err)
			}
		})
	}
}

func TestNobodyGivesARoleAboveTheirOwn(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{})
	r.overseer(t)
	for _, c := range []struct {
		who, gives actor.Role
		want       fault.Code
	}{
		{"", actor.User, fault.Unauthenticated},
		{actor.User, actor.User, fault.Forbidden},
		{actor.Admin, actor.User, ""},
		{actor.Admin, actor.Admin, ""},
		{actor.Admin, actor.Overseer, fault.Forbidden},
		{actor.Overseer, actor.Overseer, ""},
		{actor.Overseer, "", fault.Invalid},
	} {
		who := actor.Actor{UserID: uuid.New(), Role: c.who}
		email := uuid.NewString() + "@Example.org"
		made, err := r.CreateUser(t.Context(), who, identity.NewUser{Email: email, Password: password, Role: c.gives})
		if got := fault.CodeOf(err); got != c.want {
			t.Errorf("%q makes %q: %v, want %q", c.who, c.gives, err, c.want)
			continue
		}
		if c.want != "" {
			continue
		}
		log, err := r.records.AuditLog.About(t.Context(), made.ID)
		if err != nil || len(log) != 1 || log[0].ActorID != who.UserID || log[0].Act != audit.UserCreated || log[0].Detail != string(c.gives) {
			t.Errorf("the audit log has %+v, %v", log, err)
		}
		if signed, err := r.Login(t.Context(), email, password); err != nil || signed.User.Role != c.gives {
			t.Errorf("the new account signs in as %q, %v", signed.User.Role, err)
		}
	}
	_, err := r.CreateUser(t.Context(), actor.Actor{UserID: uuid.New(), Role: actor.Admin},
		identity.NewUser{Email: "FIRST@example.org", Password: password, Role: actor.User})
	wantCode(t, err, fault.Conflict)
}

func TestTheFirstAccountFromTheCommandLineIsTheOverseer(t *testing.T) {
	t.Parallel()
	r := newRig(identity.Config{})
	for i, want := range []actor.Role{actor.Overseer, actor.User, actor.Admin} {
		asked := []actor.Role{actor.User, actor.User, actor.Admin}[i]
		made, err := r.AddUser(t.Context(), identity.NewUser{Email: string(want) + "@example.org", Password: password, Role: asked})
		if err != nil || made.Role != want {
			t.Errorf("asked for %s, got %s, %v", asked, made.Role, err)
		}
	}
	_, err := r.AddUser(t.Context(), identity.NewUser{Email: "user@example.org", Password: password, Role: actor.User})
	wantCode(t, err, fault.Conflict)
	_, err = r.AddUser(t.Context(), identity.NewUser{Email: "x", Password: "x", Role: "King"})
	wantFields(t, err, "email", "password", "role")
	if n := len(r.users(t)); n != 3 {
		t.Errorf("%d accounts", n)
	}
}
