package fake

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"ampra/core/audit"
)

var _ audit.Log = (*AuditLog)(nil)

// AuditLog keeps audit entries in memory.
type AuditLog struct {
	Faults
	r *Records
}

// Append stores the entry, in the context's transaction when it has one.
func (s *AuditLog) Append(ctx context.Context, e audit.Entry) error {
	return s.r.write(ctx, &s.Faults, func(t *tables) error {
		e.At = instant(e.At)
		t.entries = append(t.entries, e)
		return nil
	})
}

// About returns the entries about a subject, the newest first.
func (s *AuditLog) About(ctx context.Context, subject uuid.UUID) ([]audit.Entry, error) {
	return read(ctx, s.r, &s.Faults, func(t *tables) ([]audit.Entry, error) {
		list := slices.DeleteFunc(slices.Clone(t.entries), func(e audit.Entry) bool { return e.Subject != subject })
		slices.Reverse(list)
		return list, nil
	})
}
