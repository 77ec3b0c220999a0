package contract

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
)

// Credentials runs what every credential.Repository promises. open is called
// once.
func Credentials(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"a credential comes back as it was stored":                   credentialRoundTrip,
		"a credential needs its source, and its version once":        credentialAddedOnce,
		"replaced at once, the old ones are gone":                    credentialReplaced,
		"replaced with a grace, the one before ends, older are gone": credentialGrace,
		"of many replacements at once one succeeds":                  credentialRace,
		"a version that is not the next is a conflict":               credentialVersions,
		"the last use is noted, and a later one stays":               credentialTouched,
		"what ended is swept, the rest stays":                        credentialsSwept,
		"each is sealed again once":                                  credentialsResealed,
	})
}

func (r Records) newCredential(t *testing.T, edit ...func(*sunsource.SunSource)) (sunsource.SunSource, credential.Credential) {
	t.Helper()
	s := r.newSunSource(t, r.newUser(t).ID, edit...)
	c := credentialOf(s, 1)
	must(t, r.Credentials.Add(t.Context(), c))
	return s, c
}

func (r Records) wantCredentials(t *testing.T, source uuid.UUID, want ...credential.Credential) {
	t.Helper()
	got, err := r.Credentials.List(t.Context(), source)
	must(t, err)
	wantSame(t, got, want)
}

func credentialRoundTrip(t *testing.T, r Records) {
	_, c := r.newCredential(t)
	r.wantCredentials(t, c.SourceID, c)
	_, c = r.newCredential(t, sparse)
	r.wantCredentials(t, c.SourceID, c)
	s := r.newSunSource(t, r.newUser(t).ID)
	c = credentialOf(s, 1)
	c.ValidUntil, c.LastUsedAt = new(instantOf(5)), new(instantOf(4))
	must(t, r.Credentials.Add(t.Context(), c))
	r.wantCredentials(t, c.SourceID, c)
	r.wantCredentials(t, uuid.New())
}

func credentialAddedOnce(t *testing.T, r Records) {
	s, c := r.newCredential(t)
	wantCode(t, r.Credentials.Add(t.Context(), credentialOf(s, 1)), fault.Conflict)
	r.wantCredentials(t, s.ID, c)
	wantCode(t, r.Credentials.Add(t.Context(), credentialOf(sunSourceOf(s.OwnerID), 1)), fault.NotFound)
}

func credentialReplaced(t *testing.T, r Records) {
	s, _ := r.newCredential(t)
	_, other := r.newCredential(t)
	second, third := credentialOf(s, 2), credentialOf(s, 3)
	must(t, r.Credentials.Replace(t.Context(), second, nil))
	r.wantCredentials(t, s.ID, second)
	must(t, r.Credentials.Replace(t.Context(), third, nil))
	r.wantCredentials(t, s.ID, third)
	r.wantCredentials(t, other.SourceID, other)
	wantCode(t, r.Credentials.Replace(t.Context(), credentialOf(sunSourceOf(s.OwnerID), 1), nil), fault.NotFound)
}

func credentialGrace(t *testing.T, r Records) {
	s, first := r.newCredential(t)
	second, third, fourth := credentialOf(s, 2), credentialOf(s, 3), credentialOf(s, 4)
	first.ValidUntil, second.ValidUntil = new(instantOf(50)), new(instantOf(60))
	must(t, r.Credentials.Replace(t.Context(), credentialWithout(second), first.ValidUntil))
	r.wantCredentials(t, s.ID, credentialWithout(second), first)
	must(t, r.Credentials.Replace(t.Context(), third, second.ValidUntil))
	r.wantCredentials(t, s.ID, third, second) // the first is gone, though its grace was not over
	must(t, r.Credentials.Replace(t.Context(), fourth, nil))
	r.wantCredentials(t, s.ID, fourth) // and so are all
}

// credentialWithout is the credential while it is the current one.
func credentialWithout(c credential.Credential) credential.Credential {
	c.ValidUntil = nil
	return c
}

func credentialRace(t *testing.T, r Records) {
	s, _ := r.newCredential(t)
	var won atomic.Int32
	for i, err := range atOnce(12, func(i int) error {
		var grace *time.Time
		if i%2 == 0 {
			grace = new(instantOf(50))
		}
		err := r.Credentials.Replace(t.Context(), credentialOf(s, 2), grace)
		if err == nil {
			won.Add(1)
		}
		return unless(err, fault.Conflict)
	}) {
		if err != nil {
			t.Errorf("replacement %d: %v", i, err)
		}
	}
	if n := won.Load(); n != 1 {
		t.Errorf("%d of 12 succeeded", n)
	}
	list, err := r.Credentials.List(t.Context(), s.ID)
	must(t, err)
	if len(list) == 0 || list[0].Version != 2 {
		t.Errorf("%d credentials", len(list))
	}
}

func credentialVersions(t *testing.T, r Records) {
	s, first := r.newCredential(t)
	for _, version := range []int{0, 1, 3} {
		wantCode(t, r.Credentials.Replace(t.Context(), credentialOf(s, version), nil), fault.Conflict)
	}
	r.wantCredentials(t, s.ID, first)
}

func credentialTouched(t *testing.T, r Records) {
	_, one := r.newCredential(t)
	_, two := r.newCredential(t)
	_, three := r.newCredential(t)
	must(t, r.Credentials.Touch(t.Context(), nil))
	for _, minute := range []int{5, 9, 7} {
		used := map[uuid.UUID]time.Time{one.ID: instantOf(minute), two.ID: instantOf(minute + 1), uuid.New(): instantOf(0)}
		must(t, r.Credentials.Touch(t.Context(), used))
	}
	one.LastUsedAt, two.LastUsedAt = new(instantOf(9)), new(instantOf(10))
	for _, c := range []credential.Credential{one, two, three} {
		r.wantCredentials(t, c.SourceID, c)
	}
	many := map[uuid.UUID]time.Time{three.ID: instantOf(3)}
	for range 1500 {
		many[uuid.New()] = instantOf(3)
	}
	for i, err := range atOnce(4, func(int) error { return r.Credentials.Touch(t.Context(), many) }) {
		if err != nil {
			t.Errorf("touch %d: %v", i, err)
		}
	}
	three.LastUsedAt = new(instantOf(3))
	r.wantCredentials(t, three.SourceID, three)
}

func credentialsSwept(t *testing.T, r Records) {
	s, old := r.newCredential(t)
	second := credentialOf(s, 2)
	must(t, r.Credentials.Replace(t.Context(), second, new(instantOf(50))))
	must(t, r.Credentials.Sweep(t.Context(), instantOf(50)))
	old.ValidUntil = new(instantOf(50))
	r.wantCredentials(t, s.ID, second, old)
	must(t, r.Credentials.Sweep(t.Context(), instantOf(50).Add(time.Microsecond)))
	r.wantCredentials(t, s.ID, second)
}

func credentialsResealed(t *testing.T, r Records) {
	target := "key-" + uuid.NewString()
	var ours []credential.Credential
	for range 5 {
		_, c := r.newCredential(t)
		ours = append(ours, c)
	}
	seen := map[uuid.UUID]int{}
	for {
		part, err := r.Credentials.SealedWithout(t.Context(), target, 2)
		must(t, err)
		if len(part) > 2 {
			t.Fatalf("%d with a limit of 2", len(part))
		}
		for _, c := range part {
			seen[c.ID]++
			must(t, r.Credentials.Reseal(t.Context(), c.ID, c.Sealed, credential.Sealed{KeyID: target, Box: slices.Concat(c.Sealed.Box, []byte{7})}))
		}
		if len(part) == 0 {
			break
		}
	}
	for _, c := range ours {
		if seen[c.ID] != 1 {
			t.Errorf("seen %d times", seen[c.ID])
		}
		stale := c.Sealed
		c.Sealed = credential.Sealed{KeyID: target, Box: slices.Concat(stale.Box, []byte{7})}
		r.wantCredentials(t, c.SourceID, c)
		// It was sealed again meanwhile: nothing happens, by key or by box.
		for _, old := range []credential.Sealed{stale, {KeyID: target, Box: stale.Box}, {KeyID: "key-1", Box: c.Sealed.Box}} {
			must(t, r.Credentials.Reseal(t.Context(), c.ID, old, credential.Sealed{KeyID: "lost", Box: []byte{1}}))
		}
		r.wantCredentials(t, c.SourceID, c)
	}
	must(t, r.Credentials.Reseal(t.Context(), uuid.New(), ours[0].Sealed, ours[0].Sealed))
}
