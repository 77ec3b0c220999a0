package sqldb

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/audit"
)

var _ audit.Log = (*AuditLog)(nil)

// AuditLog keeps who did what.
type AuditLog struct{ db *DB }

// NewAuditLog returns the audit log in db.
func NewAuditLog(db *DB) *AuditLog { return &AuditLog{db} }

type auditRow struct {
	bun.BaseModel `bun:"table:audit_log,alias:l"`

	Seq     int64     `bun:"seq,pk,autoincrement"`
	At      instant   `bun:"at"`
	ActorID uuid.UUID `bun:"actor_id"`
	Act     audit.Act `bun:"act"`
	Subject uuid.UUID `bun:"subject"`
	Detail  string    `bun:"detail"`
}

// Append stores the entry, in the context's transaction when it has one.
func (l *AuditLog) Append(ctx context.Context, e audit.Entry) error {
	row := &auditRow{At: at(e.At), ActorID: e.ActorID, Act: e.Act, Subject: e.Subject, Detail: e.Detail}
	if _, err := l.db.conn(ctx).NewInsert().Model(row).Exec(ctx); err != nil {
		return fmt.Errorf("storing an audit entry: %w", translate(err))
	}
	return nil
}

// Sweep removes entries that were made before the time.
func (l *AuditLog) Sweep(ctx context.Context, before time.Time) error {
	if _, err := l.db.conn(ctx).NewDelete().Model((*auditRow)(nil)).Where("at < ?", at(before)).Exec(ctx); err != nil {
		return fmt.Errorf("sweeping the audit log: %w", translate(err))
	}
	return nil
}

// About returns up to limit entries about a subject, the newest first.
func (l *AuditLog) About(ctx context.Context, subject uuid.UUID, limit int) ([]audit.Entry, error) {
	var rows []auditRow
	err := l.db.reader(ctx).NewSelect().Model(&rows).
		Where("l.subject = ?", subject).OrderExpr("l.seq desc").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", translate(err))
	}
	entries := make([]audit.Entry, len(rows))
	for i, r := range rows {
		entries[i] = audit.Entry{At: r.At.at, ActorID: r.ActorID, Act: r.Act, Subject: r.Subject, Detail: r.Detail}
	}
	return entries, nil
}
