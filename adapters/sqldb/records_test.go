package sqldb

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/audit"
	"ampra/test/contract"
)

func TestTheRecordsKeepTheirContracts(t *testing.T) {
	t.Parallel()
	empty := map[string]func(*testing.T, func(*testing.T) contract.Records){
		"users":        contract.Users,
		"setup tokens": contract.SetupTokens,
	}
	shared := map[string]func(*testing.T, func(*testing.T) contract.Records){
		"transactions":   contract.Transactions,
		"sessions":       contract.Sessions,
		"tokens":         contract.Tokens,
		"attempts":       contract.Attempts,
		"power groups":   contract.PowerGroups,
		"sun sources":    contract.SunSources,
		"erasures":       contract.Erasures,
		"credentials":    contract.Credentials,
		"access records": contract.AccessRecords,
		"tariffs":        contract.Tariffs,
		"settings":       contract.Settings,
		"explanations":   contract.Explanations,
		"idempotency":    contract.Idempotency,
		"audit log":      contract.AuditLog,
		"devices":        contract.DeviceStates,
	}
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		// The first accounts and the setup token are alone in their store.
		for name, suite := range empty {
			t.Run(name, func(t *testing.T) {
				suite(t, func(t *testing.T) contract.Records { return recordsOf(open(t)) })
			})
		}
		all := recordsOf(open(t))
		for name, suite := range shared {
			t.Run(name, func(t *testing.T) { // one after another: some sweep what is old, wherever it came from
				suite(t, func(*testing.T) contract.Records { return all })
			})
		}
	})
}

func recordsOf(db *DB) contract.Records {
	log := NewAuditLog(db)
	return contract.Records{
		Transactions: db,
		Users:        NewUsers(db),
		Sessions:     NewSessions(db),
		Tokens:       NewTokens(db),
		Attempts:     NewAttempts(db),
		SetupTokens:  NewSetupTokens(db),
		PowerGroups:  NewPowerGroups(db),
		SunSources:   NewSunSources(db),
		Erasures:     NewErasures(db),
		Credentials:  NewCredentials(db),
		Access:       NewAccessRecords(db),
		Tariffs:      NewTariffs(db),
		Settings:     NewSettings(db),
		Explanations: NewExplanations(db),
		Idempotency:  NewIdempotency(db),
		AuditLog:     log,
		Devices:      NewDevices(db),
		AuditEntries: func(ctx context.Context, subject uuid.UUID) ([]audit.Entry, error) {
			return log.About(ctx, subject, 100)
		},
	}
}

func TestOldEntriesOfTheAuditLogAreSwept(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(t *testing.T) *DB) {
		log, subject, now := NewAuditLog(open(t)), uuid.New(), time.Date(2026, 6, 14, 12, 0, 0, 0, time.UTC)
		for _, at := range []time.Time{now.Add(-time.Second), now} {
			if err := log.Append(t.Context(), audit.Entry{At: at, Act: audit.CredentialsShown, Subject: subject}); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.Sweep(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if left, err := log.About(t.Context(), subject, 10); err != nil || len(left) != 1 || !left[0].At.Equal(now) {
			t.Errorf("left are %+v, %v", left, err)
		}
	})
}
