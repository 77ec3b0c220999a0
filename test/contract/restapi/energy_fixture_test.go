package restapi_test

import (
	"context"
	"time"

	"ampra/core/clock"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/rollup"
	"ampra/test/fake"
)

// namedZones are zones by their names; all sites are in UTC.
type namedZones struct{}

func (namedZones) Zone(context.Context, sunsource.SunSource) (*time.Location, sunsource.ZoneFrom, error) {
	return time.UTC, sunsource.ZoneFromDefault, nil
}

func (namedZones) Named(name string) (*time.Location, error) { return time.LoadLocation(name) }

func energies(s stores, days *fake.Rollups, archive telemetry.Archive, clock clock.Clock) *rollup.Service {
	return rollup.New(rollup.Config{Budget: rollup.DefaultBudget, Memory: rollup.DefaultMemory}, rollup.Deps{
		Store: days, Archive: archive, Sources: s.sources, Groups: s.groups, Zones: namedZones{}, Clock: clock,
	})
}
