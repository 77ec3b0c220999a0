package bootstrap

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/mongodb"
	"ampra/adapters/sqldb"
	"ampra/core/credential"
	"ampra/core/rollup"
	"ampra/core/telemetry"
	rollups "ampra/modules/telemetry/rollup"
)

// Rebuilding says which days are to be made anew.
type Rebuilding struct {
	// Source is whose, nil for everybody's.
	Source *uuid.UUID
	// From is inclusive, To exclusive; zero is open.
	From, To time.Time
}

// RebuildRollups marks days, which the server, or the next that starts, then makes
// anew from raw readings. progress is told of each source.
func RebuildRollups(ctx context.Context, c Config, what Rebuilding, log *slog.Logger, progress func(source uuid.UUID, days int)) (days int, err error) {
	db, err := Records(c) //nolint:contextcheck // opening bounds itself
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	archive, store, shut, err := openRollups(ctx, c, log)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, shut()) }()
	rebuild := rollups.NewRebuild(rollups.RebuildDeps{Store: store, Archive: archive, All: sqldb.NewSourceIDs(db), Progress: progress})
	if what.Source != nil {
		return rebuild.Source(ctx, *what.Source, what.From, what.To)
	}
	return rebuild.All(ctx, what.From, what.To)
}

// openRollups opens the readings and what they come to.
func openRollups(ctx context.Context, c Config, log *slog.Logger) (telemetry.Archive, rollup.Store, func() error, error) {
	if file := TelemetryFile(c); file != "" {
		archive, err := sqldb.OpenArchive(file) //nolint:contextcheck // opening bounds itself
		if err != nil {
			return nil, nil, nil, err
		}
		return archive, archive.Rollups(), archive.Close, nil
	}
	archive, err := mongodb.New(mongodb.Config{
		URL: credential.NewSecret(c.MongoURL), Database: c.MongoDatabase,
		MoveEvery: c.MongoMoveEvery, MoveRows: c.MongoMoveRows,
	}, mongodb.Deps{Log: log})
	if err != nil {
		return nil, nil, nil, err
	}
	shut := func() error {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return archive.Close(closing)
	}
	store := archive.Rollups()
	if err := errors.Join(archive.Setup(ctx), store.Setup(ctx)); err != nil {
		return nil, nil, nil, errors.Join(err, shut())
	}
	return archive, store, shut, nil
}
