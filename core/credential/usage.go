package credential

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Presence keeps which sources have devices connected, by process. A process
// that has not reported for PresenceLease counts as gone.
type Presence interface {
	// Report tells how many sessions each named source has in the process now (0
	// for none any more), and that the process is alive. The time
	// is the process's own.
	Report(ctx context.Context, process uuid.UUID, sessions map[uuid.UUID]int, now time.Time) error
	// Connected is how many sessions a source has in all live processes.
	Connected(ctx context.Context, source uuid.UUID, now time.Time) (int, error)
}

// PresenceLease is how long a process's report stands.
const PresenceLease = 15 * time.Second
