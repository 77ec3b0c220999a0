package contract

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"ampra/core/audit"
)

// AuditLog runs what every audit.Log promises. open is called once.
func AuditLog(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"an entry comes back as it was appended":           auditRoundTrip,
		"an entry goes with the transaction that it is of": auditRollsBack,
		"entries outlive what they tell of":                auditOutlives,
	})
}

func entryOf(subject uuid.UUID, minute int) audit.Entry {
	return audit.Entry{
		At: instantOf(minute), ActorID: uuid.New(), Act: audit.CredentialsRotated, Subject: subject, Detail: `grace "7 days" – it's ok`,
	}
}

func (r Records) wantEntries(t *testing.T, subject uuid.UUID, want ...audit.Entry) {
	t.Helper()
	got, err := r.AuditEntries(t.Context(), subject)
	must(t, err)
	wantSame(t, got, want)
}

func auditRoundTrip(t *testing.T, r Records) {
	subject := uuid.New()
	first, second := entryOf(subject, 1), entryOf(subject, 0) // its clock is behind
	second.Act, second.Detail = audit.SourceDeleted, ""
	for _, e := range []audit.Entry{first, entryOf(uuid.New(), 0), second} {
		must(t, r.AuditLog.Append(t.Context(), e))
	}
	r.wantEntries(t, subject, second, first)
}

func auditRollsBack(t *testing.T, r Records) {
	subject := uuid.New()
	err := r.Transactions.Run(t.Context(), func(ctx context.Context) error {
		must(t, r.AuditLog.Append(ctx, entryOf(subject, 0)))
		return actError{}
	})
	if err == nil {
		t.Fatal("no error")
	}
	r.wantEntries(t, subject)
}

func auditOutlives(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	e := entryOf(s.ID, 0)
	must(t, r.AuditLog.Append(t.Context(), e))
	must(t, r.SunSources.Delete(t.Context(), s.OwnerID, s.ID))
	r.wantEntries(t, s.ID, e)
}
