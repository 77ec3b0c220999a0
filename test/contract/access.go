package contract

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/sunsource"
)

// AccessRecords runs what every credential.AccessRecords promises. open is
// called once.
func AccessRecords(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"a source comes with the credentials that have not ended": accessNotEnded,
		"a source without credentials comes alone":                accessAlone,
		"a webhook source comes with its sealed secrets":          accessSealed,
		"many are asked for at once":                              accessMany,
		"what is unknown is left out":                             accessUnknown,
	})
}

// guarded is a source with the credentials that it should come with.
type guarded struct {
	source      sunsource.SunSource
	credentials []credential.Credential
}

// wantAccess asks for sources and expects those that are wanted, no other.
func (r Records) wantAccess(t *testing.T, now time.Time, ask []sunsource.SunSource, want ...guarded) {
	t.Helper()
	keys := make([]sunsource.ClientKey, len(ask))
	for i, s := range ask {
		keys[i] = sunsource.ClientKeyOf(s.ID)
	}
	found, err := r.Access.AccessByClientKeys(t.Context(), keys, now)
	must(t, err)
	var got, expected []string
	for _, f := range found {
		got = append(got, describeAccess(f))
	}
	for _, w := range want {
		expected = append(expected, describeAccess(accessOf(w)))
	}
	slices.Sort(got)
	slices.Sort(expected)
	if !slices.Equal(got, expected) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(expected, "\n"))
	}
}

func accessOf(g guarded) credential.AccessRecord {
	a := credential.AccessRecord{Access: credential.Access{
		SourceID: g.source.ID, OwnerID: g.source.OwnerID, Type: g.source.ConnectionType, Active: g.source.IsActive,
	}}
	for _, c := range g.credentials {
		a.Keys = append(a.Keys, credential.AccessKey{CredentialID: c.ID, Version: c.Version, Digest: c.Digest, ValidUntil: c.ValidUntil})
		if c.Kind == sunsource.Webhook {
			a.Sealed = append(a.Sealed, c.Sealed)
		}
	}
	return a
}

// describeAccess is all of a record as text.
func describeAccess(a credential.AccessRecord) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s by %s, active %t", a.SourceID, a.OwnerID, a.Type, a.Active)
	for _, k := range a.Keys {
		until := "for ever"
		if k.ValidUntil != nil {
			until = "until " + k.ValidUntil.UTC().Format(time.RFC3339Nano)
		}
		fmt.Fprintf(&b, "; key %s, version %d, digest %x, secret %t, %s", k.CredentialID, k.Version, k.Digest[:], !k.Secret.IsZero(), until)
	}
	for _, s := range a.Sealed {
		fmt.Fprintf(&b, "; sealed by %s in %x", s.KeyID, s.Box)
	}
	return b.String()
}

func accessNotEnded(t *testing.T, r Records) {
	s, first := r.newCredential(t)
	r.newCredential(t)
	ask := []sunsource.SunSource{s}
	r.wantAccess(t, instantOf(0), ask, guarded{s, []credential.Credential{first}})
	second := credentialOf(s, 2)
	first.ValidUntil = new(instantOf(50))
	must(t, r.Credentials.Replace(t.Context(), second, first.ValidUntil))
	r.wantAccess(t, instantOf(50).Add(-time.Microsecond), ask, guarded{s, []credential.Credential{second, first}})
	r.wantAccess(t, instantOf(50), ask, guarded{s, []credential.Credential{second}})
	must(t, r.Credentials.Replace(t.Context(), credentialOf(s, 3), nil))
	fourth := credentialOf(s, 4)
	must(t, r.Credentials.Replace(t.Context(), fourth, new(instantOf(1))))
	r.wantAccess(t, instantOf(2), ask, guarded{s, []credential.Credential{fourth}})
}

func accessAlone(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID, sparse)
	r.wantAccess(t, instantOf(0), []sunsource.SunSource{s}, guarded{s, nil})
}

func accessSealed(t *testing.T, r Records) {
	s, first := r.newCredential(t, sparse)
	second := credentialOf(s, 2)
	first.ValidUntil = new(instantOf(50))
	must(t, r.Credentials.Replace(t.Context(), second, first.ValidUntil))
	r.wantAccess(t, instantOf(0), []sunsource.SunSource{s}, guarded{s, []credential.Credential{second, first}})
}

func accessMany(t *testing.T, r Records) {
	var ask []sunsource.SunSource
	var want []guarded
	for i := range 40 {
		var edit []func(*sunsource.SunSource)
		if i%3 == 0 {
			edit = append(edit, sparse)
		}
		s, c := r.newCredential(t, edit...)
		ask, want = append(ask, s), append(want, guarded{s, []credential.Credential{c}})
		if i%5 == 0 {
			next := credentialOf(s, 2)
			must(t, r.Credentials.Replace(t.Context(), next, nil))
			want[i].credentials[0] = next
		}
	}
	r.wantAccess(t, instantOf(0), append(ask, sunsource.SunSource{ID: uuid.New()}), want...)
}

func accessUnknown(t *testing.T, r Records) {
	r.newCredential(t)
	r.wantAccess(t, instantOf(0), nil)
	r.wantAccess(t, instantOf(0), []sunsource.SunSource{{ID: uuid.New()}, {ID: uuid.Nil}})
}
