// Package settings holds the use cases of what owners decide about how their
// sources' data is understood: the site's time zone, a pinned payload profile,
// overrides of single fields. It answers those who read payloads (Sites) and says
// afterwards by which rules they were read (Notes). The reading itself is in
// core/payload.
package settings

import (
	"context"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/change"
	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/core/transaction"
)

// Sources is what settings need of the sources.
type Sources interface {
	// Get returns one of the owner's sources, or NotFound.
	Get(ctx context.Context, owner, id uuid.UUID) (sunsource.SunSource, error)
}

// Deps are the ports that settings stand on.
type Deps struct {
	Sources      Sources
	Settings     sunsource.SettingsRepository
	Explanations telemetry.Explanations
	Zones        sunsource.Zones
	Transactions transaction.Runner
	Outbox       change.Outbox
	Feed         change.Feed
	Clock        clock.Clock
	// Notes are what this process has noted and not written yet.
	Notes *Notes
}

// Service has the use cases.
type Service struct{ d Deps }

// New returns the use cases on their ports.
func New(d Deps) *Service { return &Service{d: d} }

// View is a source's settings with the zone that holds.
type View struct {
	sunsource.Settings
	// Zone is the IANA name of the zone in force, ZoneFrom where it comes from.
	Zone     string
	ZoneFrom sunsource.ZoneFrom
}

// Get returns the settings of one of the actor's sources.
func (s *Service) Get(ctx context.Context, who actor.Actor, id uuid.UUID) (View, error) {
	source, err := s.d.Sources.Get(ctx, who.UserID, id)
	if err != nil {
		return View{}, err
	}
	settings, err := s.d.Settings.Settings(ctx, id)
	if err != nil {
		return View{}, err
	}
	return s.view(settings, source), nil
}

func (s *Service) view(settings sunsource.Settings, source sunsource.SunSource) View {
	zone, from := zoneOf(s.d.Zones, siteOf(settings, source))
	return View{Settings: settings, Zone: zone.String(), ZoneFrom: from}
}

// Update is a change of settings.
type Update struct {
	sunsource.SettingsPatch
	// Unreadable names fields that could not be read as what they should be; they
	// are refused together with those that break a rule.
	Unreadable fault.Fields
}

// Put changes the settings that were sent. When it returns, every process reads
// payloads by the new ones.
func (s *Service) Put(ctx context.Context, who actor.Actor, id uuid.UUID, u Update) (View, error) {
	var view View
	var settle int64
	err := s.d.Transactions.Run(ctx, func(ctx context.Context) error {
		settle = 0
		source, err := s.d.Sources.Get(ctx, who.UserID, id)
		if err != nil {
			return err
		}
		settings, err := s.d.Settings.Settings(ctx, id)
		if err != nil {
			return err
		}
		if err := u.Unreadable.With(u.Apply(&settings, s.d.Zones)); err != nil {
			return err
		}
		if err := s.d.Settings.SaveSettings(ctx, settings); err != nil {
			return err
		}
		view = s.view(settings, source)
		settle, err = s.d.Outbox.Append(ctx, change.Change{Kind: change.SettingsChanged, SourceID: id})
		return err
	})
	if err != nil {
		return View{}, err
	}
	if err := s.d.Feed.Settle(ctx, settle); err != nil {
		return View{}, fault.Wrap(fault.Unavailable, err, "The change is saved, but not every server has confirmed it in time.")
	}
	return view, nil
}
