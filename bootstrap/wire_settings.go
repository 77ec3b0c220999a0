package bootstrap

import (
	"context"
	_ "time/tzdata" // zones are known also where the machine knows none

	"ampra/adapters/sqldb"
	"ampra/adapters/zones"
	"ampra/modules/settings"
)

// wireSettings makes what says how a source's data is understood.
func (a *App) wireSettings(_ context.Context, h *house) error {
	places, repository := zones.New(), sqldb.NewSettings(h.db)
	h.sites = settings.NewSites(settings.SitesDeps{Settings: repository, Zones: places, Feed: h.feed})
	h.settings = settings.New(settings.Deps{
		Sources: sqldb.NewSunSources(h.db), Settings: repository, Explanations: sqldb.NewExplanations(h.db), Zones: places,
		Transactions: h.transactions, Outbox: h.outbox, Feed: h.changes, Clock: systemClock(),
	})
	return nil
}
