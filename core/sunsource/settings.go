package sunsource

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/patch"
	"ampra/core/payload"
)

// Settings are what an owner decided about how a source's data is understood.
// The zero value, with its SourceID, is that of a source of which nothing was
// decided.
type Settings struct {
	SourceID uuid.UUID
	// TimeZone is the site's IANA name, nil to go by its coordinates.
	TimeZone *string
	// Meter is where a device stands that is a meter and nothing else.
	Meter payload.Meter
	// Profile is the payload profile that reads whatever the source sends, one of
	// payload.Profiles; nil to recognise.
	Profile *string
	// Overrides say where single fields come from, over all rules.
	Overrides []payload.Override
}

// IsZero reports whether nothing was decided.
func (s Settings) IsZero() bool {
	return s.TimeZone == nil && s.Meter == payload.MeterUnknown && s.Profile == nil && len(s.Overrides) == 0
}

// maxZoneName is longer than any zone's name.
const maxZoneName = 64

// Validate names every field that breaks a rule. Which zones there are is for
// zones to say.
func (s Settings) Validate(zones Zones) error {
	var f fault.Fields
	if s.TimeZone != nil {
		f.Check(knownZone(zones, *s.TimeZone), "timeZone", "must be the name of an IANA time zone such as Europe/Berlin")
	}
	f.Check(s.Meter <= payload.MeterLoad, "meter", "must be grid, output or load")
	if s.Profile != nil {
		f.Check(slices.Contains(payload.Profiles(), *s.Profile), "payloadProfile", "must be one of: "+strings.Join(payload.Profiles(), ", "))
	}
	f.Merge(payload.CheckOverrides("payloadOverrides", s.Overrides))
	return f.Err()
}

func knownZone(zones Zones, name string) bool {
	if name == "" || len(name) > maxZoneName || name == "Local" {
		return false
	}
	_, err := zones.Load(name)
	return err == nil
}

// SettingsPatch is an update of settings: only the fields that were sent change.
type SettingsPatch struct {
	TimeZone  patch.Field[string]
	Meter     patch.Field[payload.Meter]
	Profile   patch.Field[string]
	Overrides patch.Field[[]payload.Override]
}

// Apply changes s as the patch says and validates the result.
func (p SettingsPatch) Apply(s *Settings, zones Zones) error {
	p.TimeZone.Nullable(&s.TimeZone)
	p.Profile.Nullable(&s.Profile)
	if p.Meter.Sent {
		s.Meter = payload.MeterUnknown
		p.Meter.Required(&s.Meter)
	}
	if p.Overrides.Sent {
		s.Overrides = nil
		p.Overrides.Required(&s.Overrides)
	}
	return s.Validate(zones)
}

// Site is what understanding a source's data needs to know of it.
type Site struct {
	Settings
	// Latitude and Longitude are the source's, nil where they are not known.
	Latitude, Longitude *float64
}

// ZoneFrom says where a site's time zone comes from.
type ZoneFrom string

// Where a zone comes from.
const (
	ZoneFromOwner       ZoneFrom = "owner"
	ZoneFromCoordinates ZoneFrom = "coordinates"
	ZoneFromDefault     ZoneFrom = "default" // UTC
)

// SettingsRepository keeps settings.
type SettingsRepository interface {
	// Settings returns the settings of one source, the zero ones where nothing was
	// decided. Whose source it is has been asked before.
	Settings(ctx context.Context, source uuid.UUID) (Settings, error)
	// SaveSettings replaces them. NotFound when the source is gone.
	SaveSettings(ctx context.Context, settings Settings) error
	// Sites returns those of the sources that exist, in any order, whoever owns
	// them.
	Sites(ctx context.Context, sources []uuid.UUID) ([]Site, error)
}

// Zones finds the time zone of a place.
type Zones interface {
	// At returns the IANA name of the zone at a place in degrees, false where there
	// is none.
	At(latitude, longitude float64) (name string, ok bool)
	// Load returns the zone of an IANA name, or an error that says it is unknown.
	Load(name string) (*time.Location, error)
}
