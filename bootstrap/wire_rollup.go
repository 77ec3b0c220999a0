package bootstrap

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/metrics"
	"ampra/adapters/sqldb"
	"ampra/adapters/zones"
	"ampra/core/sunsource"
	"ampra/modules/settings"
	rollups "ampra/modules/telemetry/rollup"
	"ampra/modules/telemetry/writer"
)

// What the roller takes at once and how long it waits: few enough sources at a time
// that those who ask do not notice.
const (
	rollupPoll    = 5 * time.Second
	rollupBatch   = 200
	leastLease    = 30 * time.Second
	mostLease     = 2 * time.Minute
	rollupWorkers = 2
	rollupRetry   = 30 * time.Second
)

// wireRollup lets a process that writes mark the days that it writes to, and roll
// them up.
func (a *App) wireRollup(ctx context.Context, h *house) error {
	if h.mongo != nil {
		store := h.mongo.Rollups()
		if err := a.untilReady(ctx, "MongoDB", store.Setup); err != nil {
			return err
		}
		h.rollups = store
	}
	a.wireEnergies(h)
	h.store.Marking(writer.NewMarker(a.cfg.RollupEvery, h.rollups, systemClock(), steadyClock()))
	if !a.cfg.Has(RoleWriter) {
		return nil
	}
	counts := a.metrics.Rollups(h.rollups) //nolint:contextcheck // the store is ready before anything asks
	failed := func(err error) {
		a.log.WarnContext(ctx, "rolling up readings failed, it will be tried again", "error", err)
	}
	roller := rollups.NewRoller(rollups.RollerConfig{
		Every: a.cfg.RollupEvery, Poll: min(rollupPoll, a.cfg.RollupEvery), Batch: rollupBatch, Lease: rollupLease(a.cfg.RollupEvery), Workers: rollupWorkers,
	}, rollups.RollerDeps{
		Store: h.rollups, Archive: h.archive, Sources: h.registry, Clock: steadyClock(), Failed: failed,
		Rolled: func(one rollups.Rolled) { counts.Rolled(one.Readings, one.Refolded, one.Took) },
	})
	a.parts.add("roll-ups", 15*time.Second, roller.Run)
	a.wireRetention(ctx, h, counts)
	deps := rebuildDeps(h, func(uuid.UUID, int) {})
	if h.mongo != nil {
		deps.Blank = h.mongo.Blank
	}
	rebuild := rollups.NewRebuild(deps)
	a.parts.add("roll-ups of what was there", 10*time.Second, func(ctx context.Context) error {
		err := rebuild.Backfill(ctx, rollupRetry, failed)
		<-ctx.Done() // a part that ends by itself has failed
		return err
	})
	return nil
}

// How often it is looked for what was kept for long enough, and how many days at
// once.
const (
	keepEvery = 10 * time.Minute
	keepBatch = 500
)

// wireRetention lets go of what was kept for long enough.
func (a *App) wireRetention(ctx context.Context, h *house, counts *metrics.Rollups) {
	if a.cfg.Retention == 0 {
		return
	}
	a.log.InfoContext(ctx, "readings are deleted that are older than --retention, once their days are rolled up",
		"retention", DurationText(a.cfg.Retention), "minutes", keptText(a.cfg.RetentionMinutes), "hours", keptText(a.cfg.RetentionHours))
	keeper := rollups.NewKeeper(rollups.KeeperConfig{
		Raw: a.cfg.Retention, Minutes: a.cfg.RetentionMinutes, Hours: a.cfg.RetentionHours, Quiet: rollups.Quiet, Every: keepEvery, Batch: keepBatch,
	}, rollups.KeeperDeps{
		Store: h.rollups, Clock: steadyClock(),
		Failed: func(err error) {
			a.log.WarnContext(ctx, "deleting old readings failed, it will be tried again", "error", err)
		},
		Kept: func(kept rollups.Kept) { counts.Kept(kept.Sealed, kept.Readings) },
	})
	a.parts.add("retention", 10*time.Second, keeper.Run)
}

func rebuildDeps(h *house, progress func(source uuid.UUID, days int)) rollups.RebuildDeps {
	return rollups.RebuildDeps{Store: h.rollups, Archive: h.archive, All: sqldb.NewSourceIDs(h.db), Progress: progress}
}

// wireEnergies makes what answers for energies.
func (a *App) wireEnergies(h *house) {
	h.energies = rollups.New(rollups.Config{Budget: rollups.DefaultBudget, Memory: rollups.DefaultMemory}, rollups.Deps{
		Store: h.rollups, Archive: h.archive, Sources: sqldb.NewSunSources(h.db), Groups: sqldb.NewPowerGroups(h.db),
		Zones: siteZones{h.settings, zones.New()}, Clock: systemClock(),
	})
}

// siteZones are the zones of sites, and those by name.
type siteZones struct {
	*settings.Service
	byName sunsource.Zones
}

// Named returns the zone of an IANA name.
func (z siteZones) Named(name string) (*time.Location, error) { return z.byName.Load(name) }

// rollupLease is how long marks are somebody's. What two processes have taken
// halves of, each leaves alone until then, so it is not much longer than marks wait
// anyway.
func rollupLease(every time.Duration) time.Duration {
	return min(max(leastLease, 4*every), mostLease)
}
