package fake_test

import (
	"testing"

	"github.com/google/uuid"

	"ampra/test/contract"
	"ampra/test/fake"
)

func TestTheFakeJobsKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.Jobs(t, func(*testing.T) contract.JobsRig {
		jobs := &fake.Jobs{}
		return contract.JobsRig{
			Jobs:      jobs,
			NewSource: func(*testing.T) (owner, source uuid.UUID) { return uuid.New(), uuid.New() },
			Delete:    func(_ *testing.T, _, source uuid.UUID) { jobs.DeleteOf(source) },
		}
	})
}
