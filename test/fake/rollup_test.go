package fake_test

import (
	"testing"

	"ampra/test/contract"
	"ampra/test/fake"
)

func TestTheFakeRollupsKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.Rollups(t, func(*testing.T) contract.RollupsRig {
		var archive fake.Archive
		store := fake.Rollups{Archive: &archive}
		return contract.RollupsRig{Store: &store, Archive: &archive, Erase: store.Erase}
	})
}
