package mongodb_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ampra/adapters/mongodb"
	"ampra/core/credential"
	"ampra/core/telemetry"
	"ampra/test/contract"
	"ampra/test/stack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newArchive returns an archive on a database of its own, as configure left it.
func newArchive(t testing.TB, configure func(*mongodb.Config)) *mongodb.Archive {
	t.Helper()
	url, database := stack.Mongo(t)
	return onDatabase(t, url, database, configure)
}

func onDatabase(t testing.TB, url, database string, configure func(*mongodb.Config)) *mongodb.Archive {
	t.Helper()
	cfg := mongodb.Config{URL: credential.NewSecret(url), Database: database}
	if configure != nil {
		configure(&cfg)
	}
	archive, err := mongodb.New(cfg, deps())
	if err != nil {
		t.Fatalf("making an archive: %v", err)
	}
	if err := archive.Setup(t.Context()); err != nil {
		t.Fatalf("setting up: %v", err)
	}
	t.Cleanup(func() { closeArchive(t, archive) })
	return archive
}

func closeArchive(t testing.TB, archive *mongodb.Archive) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
	defer cancel()
	if err := archive.Close(ctx); err != nil {
		t.Errorf("closing: %v", err)
	}
}

func TestAnArchiveKeepsItsContract(t *testing.T) {
	t.Parallel()
	contract.Archive(t, func(t *testing.T) telemetry.Archive { return newArchive(t, nil) })
}

// Each reading is somewhere on its way at any time then.
func TestAnArchiveThatMovesAllTheTimeKeepsItsContract(t *testing.T) {
	t.Parallel()
	contract.Archive(t, func(t *testing.T) telemetry.Archive {
		archive := newArchive(t, func(cfg *mongodb.Config) { cfg.MoveEvery, cfg.BatchSize = 5*time.Millisecond, 20 })
		keepMoving(t, archive)
		return archive
	})
}

// keepMoving runs a mover until the test ends.
func keepMoving(t *testing.T, archive *mongodb.Archive) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- archive.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the mover ended with %v", err)
		}
	})
}
