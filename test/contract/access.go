package contract

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
)

// AccessRecords runs what every credential.AccessRecords promises. open is
// called once.
func AccessRecords(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"a source comes with the credentials that have not ended": accessNotEnded,
		"a source without credentials comes alone":                accessAlone,
		"a client id leads to its source":                         accessByClientID,
		"what is unknown is not found":                            accessUnknown,
	})
}

func (r Records) wantAccess(t *testing.T, source uuid.UUID, now time.Time, want ...credential.Credential) {
	t.Helper()
	_, got, err := r.Access.AccessBySource(t.Context(), source, now)
	must(t, err)
	wantSame(t, got, want)
}

func accessNotEnded(t *testing.T, r Records) {
	s, first := r.newCredential(t)
	r.newCredential(t)
	got, _, err := r.Access.AccessBySource(t.Context(), s.ID, instantOf(0))
	must(t, err)
	wantSame(t, got, s)
	r.wantAccess(t, s.ID, instantOf(0), first)
	second := credentialOf(s, 2)
	first.ValidUntil = new(instantOf(50))
	must(t, r.Credentials.Replace(t.Context(), second, first.ValidUntil))
	r.wantAccess(t, s.ID, instantOf(50).Add(-time.Microsecond), second, first)
	r.wantAccess(t, s.ID, instantOf(50), second)
	must(t, r.Credentials.Replace(t.Context(), credentialOf(s, 3), nil))
	must(t, r.Credentials.Replace(t.Context(), credentialOf(s, 4), new(instantOf(1))))
	_, list, err := r.Access.AccessBySource(t.Context(), s.ID, instantOf(2))
	must(t, err)
	if len(list) != 1 || list[0].Version != 4 {
		t.Errorf("%d credentials", len(list))
	}
}

func accessAlone(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID, sparse)
	got, list, err := r.Access.AccessBySource(t.Context(), s.ID, instantOf(0))
	must(t, err)
	wantSame(t, got, s)
	if len(list) != 0 {
		t.Errorf("%d credentials", len(list))
	}
}

func accessByClientID(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	r.newSunSource(t, s.OwnerID)
	got, err := r.Access.SourceByClientID(t.Context(), s.ClientID())
	must(t, err)
	if got != s.ID {
		t.Errorf("%s leads to %s, want %s", s.ClientID(), got, s.ID)
	}
}

func accessUnknown(t *testing.T, r Records) {
	_, _, err := r.Access.AccessBySource(t.Context(), uuid.New(), instantOf(0))
	wantCode(t, err, fault.NotFound)
	s := r.newSunSource(t, r.newUser(t).ID)
	for _, id := range []string{"", "sunsource_", s.ID.String(), s.ClientID() + " ", "%", s.ClientID()[:17] + "_", "\xff", "a\x00b"} {
		_, err := r.Access.SourceByClientID(t.Context(), id)
		wantCode(t, err, fault.NotFound)
	}
}
