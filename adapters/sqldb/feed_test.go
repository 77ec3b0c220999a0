package sqldb

import (
	"context"
	"log/slog"
	"testing"

	"ampra/test/contract"
	"ampra/test/stack"
)

// quiet drops the log.
func quiet() FeedDeps { return FeedDeps{Log: slog.New(slog.DiscardHandler)} }

// changesOn is a process of its own on a database.
func changesOn(db *DB, cfg FeedConfig) contract.Changes {
	feed := NewFeed(db, cfg, quiet())
	return contract.Changes{
		Transactions: db, Outbox: feed, Feed: feed,
		Run: func(ctx context.Context) error { return feed.Run(ctx) },
	}
}

func TestTheOutboxKeepsItsContract(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		contract.Outbox(t, func(t *testing.T) contract.Changes { return changesOn(open(t), FeedConfig{}) })
	})
}

func TestTheFeedKeepsItsContractInOneProcess(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		contract.Feed(t, func(t *testing.T) []contract.Changes {
			return []contract.Changes{changesOn(open(t), FeedConfig{})}
		})
	})
}

func TestTheFeedKeepsItsContractInThreeProcesses(t *testing.T) {
	t.Parallel()
	contract.Feed(t, func(t *testing.T) []contract.Changes {
		url := stack.Postgres(t)
		processes := []contract.Changes{changesOn(migrated(t, postgresAt(t, url)), FeedConfig{})}
		for range 2 {
			processes = append(processes, changesOn(postgresAt(t, url), FeedConfig{}))
		}
		return processes
	})
}
