package telemetry

import (
	"time"

	"ampra/core/payload"
)

// Understanding is what was decided about how a source's payloads are read. The
// zero value is that of a source of which nothing was.
type Understanding struct {
	// Zone is the site's, nil where neither its owner nor its place tells it.
	Zone      *time.Location
	Meter     payload.Meter
	Profile   string
	Overrides *payload.Overrides
}

// With is the intake of a source that is understood so.
func (i Intake) With(u Understanding) Intake {
	i.Zone, i.Meter, i.Profile, i.Overrides = u.Zone, u.Meter, u.Profile, u.Overrides
	return i
}
