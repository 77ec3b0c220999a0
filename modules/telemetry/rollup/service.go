// Package rollup keeps the days of readings rolled up, and answers for energies
// from them. The Roller works off the marks that writers raise (modules/telemetry/
// writer); the Service reads rows and folds on to them, without storing it, what
// they do not count yet. Both come to what a fold over all raw readings comes to.
package rollup

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/powergroup"
	"ampra/core/rollup"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

// Config bounds the service.
type Config struct {
	// Budget is how many raw readings one request folds at the most; beyond it the
	// answer says that it is pending.
	Budget int
	// Memory is how many local days are remembered once they were added up, over all
	// sources; some 350 bytes each. 0 remembers none.
	Memory int
}

// DefaultBudget is a good Config.Budget: it costs some 100 ms.
const DefaultBudget = 60_000

// Zones tells where sources are.
type Zones interface {
	// Zone returns the time zone of a source's site and where it comes from.
	Zone(ctx context.Context, s sunsource.SunSource) (*time.Location, sunsource.ZoneFrom, error)
	// Named returns the zone of an IANA name, or an error that says it is unknown.
	Named(name string) (*time.Location, error)
}

// Deps are the ports of the service.
type Deps struct {
	Store   rollup.Store
	Archive telemetry.Archive
	Sources sunsource.Repository
	Groups  powergroup.Repository
	Zones   Zones
	Clock   clock.Clock
}

// Service answers for roll-ups.
type Service struct {
	cfg    Config
	d      Deps
	memory *memory
	// marked is that backfilled is noted.
	marked atomic.Bool
}

// New returns the service on its ports.
func New(cfg Config, d Deps) *Service { return &Service{cfg: cfg, d: d, memory: newMemory(cfg.Memory)} }

// backfilled is the note that the days of all readings that were there before
// there were roll-ups are marked.
const backfilled = "marked what was there"

// Days returns the rows of a source's days from from to to, both included, with
// the parts that are wanted. What the rows do not count is folded in. incomplete
// are the days of which that was more than the budget allows; their rows, where
// there are any, are as they are stored. It does not look at who asks.
func (s *Service) Days(ctx context.Context, source uuid.UUID, from, to int32, parts rollup.Parts) (days []rollup.Day, incomplete []int32, err error) {
	budget := s.cfg.Budget
	return s.days(ctx, source, from, to, parts, &budget)
}
