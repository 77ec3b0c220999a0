package mongodb_test

import (
	"context"
	"testing"
	"time"

	"ampra/adapters/mongodb"
	"ampra/test/contract"
)

func TestRollupsKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.Rollups(t, func(t *testing.T) contract.RollupsRig {
		archive := newArchive(t, func(cfg *mongodb.Config) { cfg.MoveEvery = 20 * time.Millisecond })
		store := archive.Rollups()
		if err := store.Setup(t.Context()); err != nil {
			t.Fatalf("setting up: %v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		moved := make(chan error, 1)
		go func() { moved <- archive.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-moved; err != nil {
				t.Error(err)
			}
		})
		return contract.RollupsRig{Store: store, Archive: archive, Erase: archive.Erase}
	})
}
