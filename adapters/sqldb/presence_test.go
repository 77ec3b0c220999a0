package sqldb

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/test/contract"
)

func TestThePresenceKeepsItsContract(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		contract.Presence(t, func(t *testing.T) credential.Presence { return NewPresence(open(t)) })
	})
}

func TestTheRowsOfAProcessThatIsLongGoneAreRemoved(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		p := NewPresence(open(t))
		now := time.Now()
		for _, seenAt := range []time.Time{now.Add(-2 * keepPresence), now} {
			if err := p.Report(t.Context(), uuid.New(), map[uuid.UUID]int{uuid.New(): 1}, seenAt); err != nil {
				t.Fatal(err)
			}
		}
		left := len(p.processes)
		if p.db.IsPostgres() {
			err := p.db.read.QueryRowContext(t.Context(), "select count(*) from presence_sessions").Scan(&left)
			if err != nil {
				t.Fatal(err)
			}
		}
		if left != 1 {
			t.Errorf("%d processes have rows, want 1", left)
		}
	})
}
