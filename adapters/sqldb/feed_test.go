package sqldb

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/change"
	"ampra/test/contract"
	"ampra/test/stack"
)

// quiet drops the log.
func quiet() FeedDeps { return FeedDeps{Log: slog.New(slog.DiscardHandler)} }

// changesOn is a process of its own on a database.
func changesOn(db *DB, cfg FeedConfig) contract.Changes {
	feed := NewFeed(db, cfg, quiet())
	return contract.Changes{
		Transactions: db, Outbox: feed.Outbox(), Feed: feed,
		Run: func(ctx context.Context) error { return feed.Run(ctx) },
	}
}

func TestTheOutboxKeepsItsContract(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		contract.Outbox(t, func(t *testing.T) contract.Changes { return changesOn(open(t), FeedConfig{}) })
	})
}

func TestAnotherProgramsChangesComeToo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ampra.db")
	feed := runFeed(t, migrated(t, sqliteAt(t, path)), FeedConfig{Poll: 20 * time.Millisecond}, nil)
	other := sqliteAt(t, path)
	var seq int64
	err := other.Run(t.Context(), func(ctx context.Context) (err error) {
		seq, err = NewOutbox(other).Append(ctx, change.Change{Kind: change.SourceUpdated, SourceID: uuid.New()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the change has come", func() bool { return slices.Contains(feed.seqs(), seq) })
}

func TestTheFeedKeepsItsContractInOneProcess(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		db := open(t)
		contract.Feed(t, func(*testing.T) []contract.Changes {
			return []contract.Changes{changesOn(db, FeedConfig{})}
		})
	})
}

func TestTheFeedKeepsItsContractInThreeProcesses(t *testing.T) {
	t.Parallel()
	url := stack.Postgres(t)
	dbs := []*DB{migrated(t, postgresAt(t, url)), postgresAt(t, url), postgresAt(t, url)}
	contract.Feed(t, func(*testing.T) []contract.Changes {
		var processes []contract.Changes
		for _, db := range dbs {
			processes = append(processes, changesOn(db, FeedConfig{}))
		}
		return processes
	})
}
