package fake_test

import (
	"testing"

	"ampra/test/contract"
	"ampra/test/fake"
)

func TestTheFakeRollupsKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.Rollups(t, func(*testing.T) contract.RollupsRig {
		var store fake.Rollups
		return contract.RollupsRig{Store: &store, Erase: store.Erase}
	})
}
