package bootstrap

import (
	"context"
	"errors"
	"net"
	"time"

	"ampra/adapters/sqldb"
	"ampra/core/idempotency"
	"ampra/core/identity"
)

// auditLifetime is how long entries of the audit log are kept.
const auditLifetime = 2 * 365 * 24 * time.Hour

// sweep removes records that are over.
func (a *App) sweep(ctx context.Context, h *house) error {
	now := time.Now().UTC()
	return errors.Join(
		sqldb.NewSessions(h.db).Sweep(ctx, now),
		sqldb.NewCredentials(h.db).Sweep(ctx, now),
		sqldb.NewAttempts(h.db).Sweep(ctx, now.Add(-identity.LockTime)),
		sqldb.NewAuditLog(h.db).Sweep(ctx, now.Add(-auditLifetime)),
		sqldb.NewIdempotency(h.db).Sweep(ctx, now.Add(-idempotency.Lifetime)),
	)
}

// present leaves out listeners that are turned off.
func present(listeners ...net.Listener) []net.Listener {
	var on []net.Listener
	for _, l := range listeners {
		if l != nil {
			on = append(on, l)
		}
	}
	return on
}
