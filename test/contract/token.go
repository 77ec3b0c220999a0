package contract

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/identity"
)

// Tokens runs what every identity.Tokens promises. open is called once.
func Tokens(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"a token opens its user until it expires":                       tokenOpens,
		"a user's tokens are listed by creation time, expired ones too": tokensListed,
		"a token is deleted by its own user only":                       tokenDeleted,
		"the last use is noted, and a later one stays":                  tokenTouched,
	})
}

func (r Records) newToken(t *testing.T, user uuid.UUID, minute int, scopes ...identity.Scope) identity.Token {
	t.Helper()
	token := identity.Token{
		ID: uuid.New(), UserID: user, Name: `the "nightly" script's`, Scopes: scopes, Digest: randomDigest(),
		CreatedAt: instantOf(minute), ExpiresAt: instantOf(60),
	}
	must(t, r.Tokens.Create(t.Context(), token))
	return token
}

func tokenOpens(t *testing.T, r Records) {
	u := r.newUser(t)
	for _, scopes := range [][]identity.Scope{{identity.Read}, {identity.Write}, {identity.Write, identity.Read}} {
		token := r.newToken(t, u.ID, 0, scopes...)
		owner, got, err := r.Tokens.User(t.Context(), token.Digest, token.ExpiresAt.Add(-time.Microsecond))
		must(t, err)
		wantSame(t, owner, u)
		wantSame(t, got, token)
		_, _, err = r.Tokens.User(t.Context(), token.Digest, token.ExpiresAt)
		wantCode(t, err, fault.NotFound)
	}
	_, _, err := r.Tokens.User(t.Context(), randomDigest(), instantOf(0))
	wantCode(t, err, fault.NotFound)
}

func tokensListed(t *testing.T, r Records) {
	u := r.newUser(t)
	none, err := r.Tokens.List(t.Context(), u.ID)
	must(t, err)
	if len(none) != 0 {
		t.Errorf("%d tokens before the first", len(none))
	}
	var want []identity.Token
	for _, minute := range []int{3, 1, 90, 1} { // one is made after it expired
		want = append(want, r.newToken(t, u.ID, minute, identity.Read))
	}
	r.newToken(t, r.newUser(t).ID, 2, identity.Read)
	slices.SortFunc(want, func(a, b identity.Token) int { return byCreation(a.CreatedAt, a.ID, b.CreatedAt, b.ID) })
	got, err := r.Tokens.List(t.Context(), u.ID)
	must(t, err)
	wantSame(t, got, want)
}

func tokenDeleted(t *testing.T, r Records) {
	token := r.newToken(t, r.newUser(t).ID, 0, identity.Read)
	wantCode(t, r.Tokens.Delete(t.Context(), r.newUser(t).ID, token.ID), fault.NotFound)
	_, _, err := r.Tokens.User(t.Context(), token.Digest, token.CreatedAt)
	must(t, err)
	must(t, r.Tokens.Delete(t.Context(), token.UserID, token.ID))
	_, _, err = r.Tokens.User(t.Context(), token.Digest, token.CreatedAt)
	wantCode(t, err, fault.NotFound)
	wantCode(t, r.Tokens.Delete(t.Context(), token.UserID, token.ID), fault.NotFound)
}

func tokenTouched(t *testing.T, r Records) {
	token := r.newToken(t, r.newUser(t).ID, 0, identity.Read)
	other := r.newToken(t, token.UserID, 1, identity.Read)
	for _, minute := range []int{5, 9, 7} {
		must(t, r.Tokens.Touch(t.Context(), token.ID, instantOf(minute)))
	}
	token.LastUsedAt = new(instantOf(9))
	got, err := r.Tokens.List(t.Context(), token.UserID)
	must(t, err)
	wantSame(t, got, []identity.Token{token, other})
}
