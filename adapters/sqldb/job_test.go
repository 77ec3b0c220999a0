package sqldb

import (
	"testing"

	"github.com/google/uuid"

	"ampra/test/contract"
)

func TestTheJobsKeepTheirContract(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		contract.Jobs(t, func(t *testing.T) contract.JobsRig {
			db := open(t)
			return contract.JobsRig{Jobs: NewJobs(db), NewSource: func(t *testing.T) (owner, source uuid.UUID) {
				t.Helper()
				owner = storeUser(t, db)
				return owner, storeSource(t, db, owner).ID
			}, Delete: func(t *testing.T, owner, source uuid.UUID) {
				t.Helper()
				if err := NewSunSources(db).Delete(t.Context(), owner, source); err != nil {
					t.Fatal(err)
				}
			}}
		})
	})
}
