package identity_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"ampra/core/actor"
	"ampra/core/fault"
	"ampra/core/identity"
)

// fieldsOf lists the fields that a fault Invalid names.
func fieldsOf(err error) []string {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != fault.Invalid {
		return nil
	}
	return slices.Sorted(maps.Keys(f.Fields))
}

func TestAnEmailIsAnAddress(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]bool{
		"name@example.org":                        true,
		"first.last+tag@sub.example.org":          true,
		"o'hara!#$%&*/=?^_`{|}~-@example.org":     true,
		"jörg@bücher.example":                     true,
		"root@localhost":                          true,
		strings.Repeat("x", 242) + "@example.org": true, // 254 bytes
		strings.Repeat("x", 243) + "@example.org": false,
		"":                        false,
		"name":                    false,
		"@example.org":            false,
		"name@":                   false,
		"@":                       false,
		"a@b@example.org":         false,
		"name @example.org":       false,
		" name@example.org":       false,
		"name@example.org\n":      false,
		"name@exam\tple.org":      false,
		"name\x00@example.org":    false,
		"name\u00a0@example.org":  false,
		"name@example.org\u2028":  false,
		"name\u0085@example.org":  false,
		"name\xff@example.org":    false,
		"Name <name@example.org>": false,
		"a@example.org,b@x.org":   false,
		`"quoted"@example.org`:    false,
		"(comment)a@example.org":  false,
		"a@[127.0.0.1]":           false,
		"mailto:a@example.org":    false,
	} {
		err := identity.User{Email: email, Role: actor.User}.Validate()
		if got := fieldsOf(err); (err == nil) != want || !want && !slices.Equal(got, []string{"email"}) {
			t.Errorf("%.40q: got %v", email, err)
		}
	}
}

func TestAnEmailIsStoredWithoutSpacesAndInLowerCase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		" Name@Example.ORG\r\n": "name@example.org", "name@example.org": "name@example.org", "JÖRG@example.org": "jörg@example.org", " ": "",
	} {
		got := identity.NormalEmail(text)
		if got != want || identity.NormalEmail(got) != got {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestAUserNamesAllThatIsWrong(t *testing.T) {
	t.Parallel()
	long := new(strings.Repeat("ä", 101))
	err := identity.User{FirstName: long, LastName: long}.Validate()
	if got := fieldsOf(err); !slices.Equal(got, []string{"email", "firstName", "lastName", "role"}) {
		t.Errorf("got %v", err)
	}
	fits := new(strings.Repeat("ä", 100))
	for _, role := range []actor.Role{actor.User, actor.Admin, actor.Overseer} {
		if err := (identity.User{Email: "a@example.org", FirstName: fits, LastName: new(""), Role: role}).Validate(); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
	if got := fieldsOf(identity.User{Email: "a@example.org", Role: "Root"}.Validate()); !slices.Equal(got, []string{"role"}) {
		t.Errorf("got %v", got)
	}
}

func TestAPasswordHasItsKindsOfCharacters(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]bool{
		"Abcdefg1":                         true,
		"1gfedcbA":                         true,
		"Pass word 1":                      true,
		"Äöüäöüä9":                         true,
		"Пароль12":                         true,
		"Abcdef1":                          false, // 7
		"Äöüäöü9":                          false, // 7 characters, 13 bytes
		"abcdefg1":                         false,
		"ABCDEFG1":                         false,
		"Abcdefgh":                         false,
		"12345678":                         false,
		"":                                 false,
		"        ":                         false,
		"Aa1" + strings.Repeat("x", 253):   true,
		"Aa1" + strings.Repeat("x", 254):   false,
		"Aa1" + strings.Repeat("😀", 253):   true,
		"Aa1" + strings.Repeat("x", 1<<20): false,
	} {
		err := identity.CheckPassword("newPassword", password)
		if (err == nil) != want || !want && !slices.Equal(fieldsOf(err), []string{"newPassword"}) {
			t.Errorf("%.40q: got %v", password, err)
		}
		if err != nil && password != "" && strings.Contains(err.Error(), password) {
			t.Errorf("%.40q: the error shows it", password)
		}
	}
}

func TestAnOpaqueTextIsThirtyTwoRandomBytes(t *testing.T) {
	t.Parallel()
	random := make([]byte, 32)
	for i := range random {
		random[i] = byte(255 - i)
	}
	for _, prefix := range []string{"", identity.TokenPrefix} {
		text, digest, err := identity.NewOpaque(bytes.NewReader(random), prefix)
		if err != nil {
			t.Fatal(err)
		}
		drawn, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(text, prefix))
		if err != nil || !strings.HasPrefix(text, prefix) || !bytes.Equal(drawn, random) {
			t.Errorf("got %s, %v", text, err)
		}
		if digest != sha256.Sum256([]byte(text)) || digest != identity.DigestOf(text) || digest == identity.DigestOf(text+" ") {
			t.Errorf("%s: the digest is not that of the text", text)
		}
	}
	if text, _, err := identity.NewOpaque(bytes.NewReader(random[1:]), "x"); err == nil || text != "" {
		t.Errorf("31 random bytes gave %q, %v", text, err)
	}
}

func TestATokenNamesAllThatIsWrong(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.June, 21, 12, 0, 0, 0, time.UTC)
	type scopes = []identity.Scope
	good := identity.Token{Name: "script", Scopes: scopes{identity.Read}, ExpiresAt: now.Add(time.Hour)}
	for name, c := range map[string]struct {
		change func(*identity.Token)
		wrong  string
	}{
		"a token":                  {func(*identity.Token) {}, ""},
		"both scopes":              {func(x *identity.Token) { x.Scopes = scopes{identity.Write, identity.Read} }, ""},
		"write alone":              {func(x *identity.Token) { x.Scopes = scopes{identity.Write} }, ""},
		"no scope":                 {func(x *identity.Token) { x.Scopes = nil }, "scopes"},
		"a scope twice":            {func(x *identity.Token) { x.Scopes = scopes{identity.Read, identity.Read} }, "scopes"},
		"another scope":            {func(x *identity.Token) { x.Scopes = scopes{identity.Read, "admin"} }, "scopes"},
		"an empty scope":           {func(x *identity.Token) { x.Scopes = scopes{""} }, "scopes"},
		"no name":                  {func(x *identity.Token) { x.Name = "" }, "name"},
		"a name of 100":            {func(x *identity.Token) { x.Name = strings.Repeat("ä", 100) }, ""},
		"a name of 101":            {func(x *identity.Token) { x.Name = strings.Repeat("x", 101) }, "name"},
		"an end in a nanosecond":   {func(x *identity.Token) { x.ExpiresAt = now.Add(1) }, ""},
		"an end now":               {func(x *identity.Token) { x.ExpiresAt = now }, "expiresAt"},
		"an end in the past":       {func(x *identity.Token) { x.ExpiresAt = now.Add(-time.Hour) }, "expiresAt"},
		"no end":                   {func(x *identity.Token) { x.ExpiresAt = time.Time{} }, "expiresAt"},
		"an end in the year 10000": {func(x *identity.Token) { x.ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "expiresAt"},
		"an end in the year 10000 in UTC": {func(x *identity.Token) {
			x.ExpiresAt = time.Date(9999, 12, 31, 23, 59, 0, 0, time.FixedZone("", -3600))
		}, "expiresAt"},
		"everything wrong": {func(x *identity.Token) { *x = identity.Token{} }, "expiresAt name scopes"},
	} {
		token := good
		c.change(&token)
		err := token.Validate(now)
		if got := strings.Join(fieldsOf(err), " "); got != c.wrong || (err == nil) != (c.wrong == "") {
			t.Errorf("%s: got %v, want the fields %q", name, err, c.wrong)
		}
	}
}

func TestOnlyTheScopeWriteMayChangeThings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scopes []identity.Scope
		want   bool
	}{
		{nil, false},
		{[]identity.Scope{identity.Read}, false},
		{[]identity.Scope{"writer"}, false},
		{[]identity.Scope{identity.Write}, true},
		{[]identity.Scope{identity.Read, identity.Write}, true},
	} {
		if got := (identity.Token{Scopes: c.scopes}).CanWrite(); got != c.want {
			t.Errorf("%v: got %t", c.scopes, got)
		}
	}
}
