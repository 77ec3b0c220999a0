package contract

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/fault"
	"ampra/core/identity"
)

// Users runs what every identity.Users promises. open is called once and must
// open an empty store.
func Users(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	r := open(t)
	t.Run("the first account is made once, however many try", func(t *testing.T) { firstUser(t, r) })
	recordTests(t, func(*testing.T) Records { return r }, map[string]func(*testing.T, Records){
		"nobody is first beside an account that was made otherwise": notFirst,
		"users are listed by creation time, then id":                listUsers,
		"a user comes back as it was stored":                        userRoundTrip,
		"texts come back as they are, whatever they say":            userTexts,
		"a taken e-mail is a conflict, also at once":                takenEmail,
		"a password is replaced, nothing else":                      setPassword,
		"an unknown user is not found":                              unknownUser,
	})
}

func firstUser(t *testing.T, r Records) {
	there, err := r.Users.Any(t.Context())
	must(t, err)
	if there {
		t.Fatal("an empty store has an account")
	}
	const n = 16
	first := 0
	for i, err := range atOnce(n, func(i int) error {
		u := userOf(uuid.New())
		u.Role = actor.Overseer
		return r.Users.CreateFirst(t.Context(), u)
	}) {
		if err == nil {
			first++
		} else if !fault.Is(err, fault.Forbidden) {
			t.Errorf("try %d: %v", i, err)
		}
	}
	users, err := r.Users.List(t.Context())
	must(t, err)
	if first != 1 || len(users) != 1 {
		t.Errorf("%d were first, %d accounts", first, len(users))
	}
	there, err = r.Users.Any(t.Context())
	must(t, err)
	if !there {
		t.Error("there is no account afterwards")
	}
}

func notFirst(t *testing.T, r Records) {
	r.newUser(t)
	wantCode(t, r.Users.CreateFirst(t.Context(), userOf(uuid.New())), fault.Forbidden)
}

func listUsers(t *testing.T, r Records) {
	var want []identity.User
	for i := range 9 {
		u := userOf(uuid.New())
		u.CreatedAt = instantOf(i / 3) // three of one moment
		want = append(want, u)
	}
	for _, i := range []int{4, 0, 8, 2, 6, 1, 7, 3, 5} {
		must(t, r.Users.Create(t.Context(), want[i]))
	}
	slices.SortFunc(want, func(a, b identity.User) int {
		return byCreation(a.CreatedAt, a.ID, b.CreatedAt, b.ID)
	})
	got, err := r.Users.List(t.Context())
	must(t, err)
	got = slices.DeleteFunc(got, func(u identity.User) bool {
		return !slices.ContainsFunc(want, func(w identity.User) bool { return w.ID == u.ID })
	})
	wantSame(t, got, want)
}

func userRoundTrip(t *testing.T, r Records) {
	full := userOf(uuid.New())
	full.LastName, full.Role = new("Lovelace"), actor.Admin
	sparse := userOf(uuid.New())
	sparse.FirstName = nil
	blank := userOf(uuid.New())
	blank.FirstName, blank.LastName = new(""), new("") // which is not null
	for _, u := range []identity.User{full, sparse, blank} {
		must(t, r.Users.Create(t.Context(), u))
		got, err := r.Users.ByID(t.Context(), u.ID)
		must(t, err)
		wantSame(t, got, u)
		got, err = r.Users.ByEmail(t.Context(), u.Email)
		must(t, err)
		wantSame(t, got, u)
	}
}

func userTexts(t *testing.T, r Records) {
	for _, text := range nastyTexts() {
		u := userOf(uuid.New())
		u.FirstName, u.PasswordHash = &text, text
		must(t, r.Users.Create(t.Context(), u))
		got, err := r.Users.ByID(t.Context(), u.ID)
		must(t, err)
		wantSame(t, got, u)
	}
}

// nastyTexts are what careless SQL falls over.
func nastyTexts() []string {
	return []string{
		`'; drop table users; --`, `it's "quoted"`, `back\slash \' \\`, "?", "? ?0 ?name $1 :x %s {{.}}", "-- comment", "/* comment",
		"two\nlines\r\n\ttab", "Größe κ 発電 ☀️🏠", "null", "0", "E'\\x00'", " spaces ", "\u200b\ufeff\u202e",
	}
}

func takenEmail(t *testing.T, r Records) {
	u := r.newUser(t)
	again := userOf(uuid.New())
	again.Email = u.Email
	wantCode(t, r.Users.Create(t.Context(), again), fault.Conflict)
	_, err := r.Users.ByID(t.Context(), again.ID)
	wantCode(t, err, fault.NotFound)

	stored := 0
	email := uuid.NewString() + "@example.org"
	for i, err := range atOnce(8, func(i int) error {
		u := userOf(uuid.New())
		u.Email = email
		return r.Users.Create(t.Context(), u)
	}) {
		if err == nil {
			stored++
		} else if !fault.Is(err, fault.Conflict) {
			t.Errorf("try %d: %v", i, err)
		}
	}
	if stored != 1 {
		t.Errorf("%d accounts for one e-mail", stored)
	}
}

func setPassword(t *testing.T, r Records) {
	u, other := r.newUser(t), r.newUser(t)
	u.PasswordHash = "another"
	must(t, r.Users.SetPassword(t.Context(), u.ID, u.PasswordHash))
	for _, want := range []identity.User{u, other} {
		got, err := r.Users.ByID(t.Context(), want.ID)
		must(t, err)
		wantSame(t, got, want)
	}
}

func unknownUser(t *testing.T, r Records) {
	_, err := r.Users.ByID(t.Context(), uuid.New())
	wantCode(t, err, fault.NotFound)
	_, err = r.Users.ByEmail(t.Context(), fmt.Sprint(uuid.New()))
	wantCode(t, err, fault.NotFound)
	wantCode(t, r.Users.SetPassword(t.Context(), uuid.New(), "x"), fault.NotFound)
}
