// Package zones finds the time zone of a place, offline: from the borders of all
// zones that are part of the program (github.com/ringsaturn/tzf-rel-lite, made of
// OpenStreetMap's). It reads them in their packed form where they lie, on the
// first question, so that a process that nobody asks spends nothing, and one that
// is asked keeps an index alone. The rules of the zones themselves are Go's.
package zones

import (
	"math"
	"strings"
	"sync"
	"time"

	tzdata "github.com/ringsaturn/tzf-rel-lite"

	"ampra/core/fault"
	"ampra/core/sunsource"
)

var _ sunsource.Zones = (*Zones)(nil)

// Zones finds zones by place and by name.
type Zones struct {
	atlas func() *atlas

	mu     sync.Mutex
	loaded map[string]*time.Location
}

// New returns zones that have read nothing yet.
func New() *Zones {
	return &Zones{
		atlas:  sync.OnceValue(func() *atlas { return newAtlas(tzdata.LiteCompressData, tzdata.PreindexData) }),
		loaded: map[string]*time.Location{},
	}
}

// At returns the name of the zone at a place. Every place on land and within
// territorial waters has one; on the open sea it is one of Etc/GMT-12 to
// Etc/GMT+12. ok is false for what is no place.
func (z *Zones) At(latitude, longitude float64) (name string, ok bool) {
	if math.IsNaN(latitude) || math.IsNaN(longitude) || math.Abs(latitude) > 90 || math.Abs(longitude) > 180 {
		return "", false
	}
	if name = z.atlas().at(latitude, longitude); name != "" {
		return name, true
	}
	return nautical(longitude), true
}

// nautical is the zone of the open sea, where the map has a gap: 15 degrees an
// hour, and Etc's signs are the other way round.
func nautical(longitude float64) string {
	const degrees = 15
	names := strings.Fields("Etc/GMT+12 Etc/GMT+11 Etc/GMT+10 Etc/GMT+9 Etc/GMT+8 Etc/GMT+7 Etc/GMT+6 Etc/GMT+5 Etc/GMT+4 Etc/GMT+3 Etc/GMT+2 Etc/GMT+1 " +
		"Etc/GMT Etc/GMT-1 Etc/GMT-2 Etc/GMT-3 Etc/GMT-4 Etc/GMT-5 Etc/GMT-6 Etc/GMT-7 Etc/GMT-8 Etc/GMT-9 Etc/GMT-10 Etc/GMT-11 Etc/GMT-12")
	return names[int(math.Round(longitude/degrees))+len(names)/2]
}

// maxLoaded bounds what is remembered; there are about 600 names.
const maxLoaded = 2000

// Load returns the zone of an IANA name, in exactly its capitals. "Local" and ""
// are none: they mean another zone on each machine.
func (z *Zones) Load(name string) (*time.Location, error) {
	z.mu.Lock()
	zone := z.loaded[name]
	z.mu.Unlock()
	if zone != nil {
		return zone, nil
	}
	if name == "" || name == "Local" || strings.ContainsAny(name, `\.`) {
		return nil, unknown(nil)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, unknown(err)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if len(z.loaded) < maxLoaded {
		z.loaded[name] = zone
	}
	return zone, nil
}

func unknown(cause error) error {
	return fault.Wrap(fault.Invalid, cause, "There is no such time zone.")
}
