package sqldb

import (
	"testing"

	"ampra/test/contract"
)

func TestRollupsKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.Rollups(t, func(t *testing.T) contract.RollupsRig {
		archive := newArchive(t)
		return contract.RollupsRig{Store: archive.Rollups(), Archive: archive, Erase: archive.Erase}
	})
}
