package fake_test

import (
	"testing"

	"ampra/core/telemetry"
	"ampra/test/contract"
	"ampra/test/fake"
)

func TestTheArchiveKeepsItsContract(t *testing.T) {
	t.Parallel()
	contract.Archive(t, func(*testing.T) telemetry.Archive { return &fake.Archive{} })
}
