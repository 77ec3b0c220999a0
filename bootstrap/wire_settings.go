package bootstrap

import (
	"context"
	"time"
	_ "time/tzdata" // zones are known also where the machine knows none

	"ampra/adapters/sqldb"
	"ampra/adapters/zones"
	"ampra/modules/settings"
)

// wireSettings makes what says how a source's data is understood.
func (a *App) wireSettings(ctx context.Context, h *house) error {
	places, repository := zones.New(), sqldb.NewSettings(h.db)
	h.sites = settings.NewSites(settings.SitesDeps{Settings: repository, Zones: places, Feed: h.feed})
	explanations := sqldb.NewExplanations(h.db)
	h.notes = settings.NewNotes(settings.NotesDeps{Explanations: explanations, Clock: systemClock(), Failed: func(err error) {
		a.log.WarnContext(ctx, "it is not kept by which rules payloads were read, it will be tried again", "error", err)
	}})
	a.parts.add("explanations", 15*time.Second, h.notes.Run)
	h.settings = settings.New(settings.Deps{
		Sources: sqldb.NewSunSources(h.db), Settings: repository, Explanations: explanations, Zones: places,
		Transactions: h.transactions, Outbox: h.outbox, Feed: h.changes, Clock: systemClock(), Notes: h.notes,
	})
	return nil
}
