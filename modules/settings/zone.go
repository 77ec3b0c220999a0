package settings

import (
	"context"
	"time"

	"ampra/core/payload"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
)

// Zone is the time zone of a source's site, and where it comes from: its owner,
// its coordinates, or UTC where neither tells it. Who may see the source was asked
// before.
func (s *Service) Zone(ctx context.Context, source sunsource.SunSource) (*time.Location, sunsource.ZoneFrom, error) {
	settings, err := s.d.Settings.Settings(ctx, source.ID)
	if err != nil {
		return nil, "", err
	}
	zone, from := zoneOf(s.d.Zones, siteOf(settings, source))
	return zone, from, nil
}

func siteOf(settings sunsource.Settings, source sunsource.SunSource) sunsource.Site {
	return sunsource.Site{Settings: settings, Latitude: source.Latitude, Longitude: source.Longitude}
}

// zoneOf finds the zone of a site. A name that was known once and is no longer
// counts as none.
func zoneOf(zones sunsource.Zones, site sunsource.Site) (*time.Location, sunsource.ZoneFrom) {
	if site.TimeZone != nil {
		if zone, err := zones.Load(*site.TimeZone); err == nil {
			return zone, sunsource.ZoneFromOwner
		}
	}
	if site.Latitude != nil && site.Longitude != nil {
		if name, ok := zones.At(*site.Latitude, *site.Longitude); ok {
			if zone, err := zones.Load(name); err == nil {
				return zone, sunsource.ZoneFromCoordinates
			}
		}
	}
	return time.UTC, sunsource.ZoneFromDefault
}

// understandingOf makes a site's settings ready for reading payloads. A zone that
// nobody told is none: a device's local time is then not understood, rather than
// taken for UTC.
func understandingOf(zones sunsource.Zones, site sunsource.Site) telemetry.Understanding {
	u := telemetry.Understanding{Meter: site.Meter, Overrides: payload.NewOverrides(site.Overrides)}
	if site.Profile != nil {
		u.Profile = *site.Profile
	}
	if zone, from := zoneOf(zones, site); from != sunsource.ZoneFromDefault {
		u.Zone = zone
	}
	return u
}
