package sunsource

import (
	"context"
	"time"

	"github.com/google/uuid"

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
}

// Zones finds the time zone of a place.
type Zones interface {
	// At returns the IANA name of the zone at a place in degrees, false where there
	// is none.
	At(latitude, longitude float64) (name string, ok bool)
	// Load returns the zone of an IANA name, or an error that says it is unknown.
	Load(name string) (*time.Location, error)
}
