package restapi_test

import (
	"context"
	"testing"

	"ampra/adapters/zones"
	"ampra/core/clock"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/settings"
)

// decisions are the settings of sources, with the notes of how they were read.
type decisions struct {
	settings *settings.Service
	sites    *settings.Sites
	notes    *settings.Notes
}

func settingsOf(t *testing.T, s stores, repository sunsource.SettingsRepository, explanations telemetry.Explanations, clock clock.Clock) decisions {
	t.Helper()
	places := zones.New()
	d := decisions{
		sites: settings.NewSites(settings.SitesDeps{Settings: repository, Zones: places, Feed: s.feed}),
		notes: settings.NewNotes(settings.NotesDeps{Explanations: explanations, Clock: clock, Failed: func(err error) { t.Error(err) }}),
	}
	d.settings = settings.New(settings.Deps{
		Sources: s.sources, Settings: repository, Explanations: explanations, Zones: places, Transactions: s.transactions,
		Outbox: s.outbox, Feed: s.feed, Clock: clock, Notes: d.notes,
	})
	run(t, func(ctx context.Context) error { return d.notes.Run(ctx) })
	return d
}
