package mongodb_test

import (
	"testing"

	"ampra/test/contract"
)

func TestRollupsKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.Rollups(t, func(t *testing.T) contract.RollupsRig {
		archive := newArchive(t, nil)
		store := archive.Rollups()
		if err := store.Setup(t.Context()); err != nil {
			t.Fatalf("setting up: %v", err)
		}
		return contract.RollupsRig{Store: store, Erase: archive.Erase}
	})
}
