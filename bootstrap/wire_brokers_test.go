package bootstrap

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"ampra/adapters/sqldb"
	"ampra/core/change"
	"ampra/core/credential"
	"ampra/test/contract"
)

// silent is an outside broker that agrees with everything.
type silent struct{}

func (silent) Before(context.Context, change.Change, credential.Access) error { return nil }
func (silent) Apply(context.Context, change.Change) error                     { return nil }
func (silent) Made(context.Context, []uuid.UUID)                              {}

func records(t *testing.T) *sqldb.DB {
	t.Helper()
	db, err := sqldb.OpenSQLite(filepath.Join(t.TempDir(), "ampra.db"), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func outsideOn(db *sqldb.DB) contract.Changes {
	feed := sqldb.NewFeed(db, sqldb.FeedConfig{}, sqldb.FeedDeps{Log: slog.New(slog.DiscardHandler)})
	o := &outside{
		Runner: db, Outbox: feed.Outbox(), Feed: feed, access: sqldb.NewAccessRecords(db), brokers: []outsider{silent{}},
		settles: map[int64]*drafts{},
	}
	return contract.Changes{Transactions: o, Outbox: o, Feed: o, Run: feed.Run}
}

func TestWithAnOutsideBrokerTheFeedKeepsItsContract(t *testing.T) {
	t.Parallel()
	contract.Outbox(t, func(t *testing.T) contract.Changes { return outsideOn(records(t)) })
	db := records(t)
	contract.Feed(t, func(*testing.T) []contract.Changes { return []contract.Changes{outsideOn(db)} })
}

func TestWithAnOutsideBrokerTransactionsKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.Transactions(t, func(t *testing.T) contract.Records {
		db := records(t)
		return contract.Records{
			Transactions: outsideOn(db).Transactions, Users: sqldb.NewUsers(db), Sessions: sqldb.NewSessions(db), Tokens: sqldb.NewTokens(db),
			Attempts: sqldb.NewAttempts(db), SetupTokens: sqldb.NewSetupTokens(db), PowerGroups: sqldb.NewPowerGroups(db),
			SunSources: sqldb.NewSunSources(db), Erasures: sqldb.NewErasures(db), Credentials: sqldb.NewCredentials(db),
			Access: sqldb.NewAccessRecords(db), Tariffs: sqldb.NewTariffs(db), Idempotency: sqldb.NewIdempotency(db), AuditLog: sqldb.NewAuditLog(db),
		}
	})
}
