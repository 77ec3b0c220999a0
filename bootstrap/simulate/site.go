package simulate

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Site is an installation to simulate: where it stands and what it is made of.
type Site struct {
	Place               string
	Latitude, Longitude float64 // degrees, north and east positive
	Zone                *time.Location
	// Strings are the panels, one entry a tracker.
	Strings []Panels
	// InverterWatts is the most that the inverter gives.
	InverterWatts float64
	// Phases is 1 or 3.
	Phases int
	// GridVolts and GridHertz are nominal.
	GridVolts, GridHertz float64
	// Battery is nil for a site without one.
	Battery *Battery
	// LoadScale is 1 for an average household.
	LoadScale float64
}

// Panels is one string of panels.
type Panels struct {
	PeakWatts      float64
	TiltDegrees    float64 // from horizontal
	AzimuthDegrees float64 // clockwise from north
	Modules        int
}

// Battery is an AC-coupled home battery.
type Battery struct {
	CapacityKwh float64
	PowerWatts  float64 // the most that it charges or discharges with
}

// CapacityWatts is the peak power of all panels.
func (s Site) CapacityWatts() float64 {
	sum := 0.0
	for _, p := range s.Strings {
		sum += p.PeakWatts
	}
	return sum
}

type place struct {
	name, zone          string
	latitude, longitude float64
	volts, hertz        float64
}

func places() []place {
	return []place{
		{"Milan", "Europe/Rome", 45.4642, 9.1900, 230, 50},
		{"Munich", "Europe/Berlin", 48.1374, 11.5755, 230, 50},
		{"Seville", "Europe/Madrid", 37.3886, -5.9823, 230, 50},
		{"Rotterdam", "Europe/Amsterdam", 51.9225, 4.4792, 230, 50},
		{"Athens", "Europe/Athens", 37.9838, 23.7275, 230, 50},
		{"Sydney", "Australia/Sydney", -33.8688, 151.2093, 230, 50},
		{"Phoenix", "America/Phoenix", 33.4484, -112.0740, 240, 60},
		{"Pune", "Asia/Kolkata", 18.5204, 73.8567, 230, 50},
		{"Cape Town", "Africa/Johannesburg", -33.9249, 18.4241, 230, 50},
		{"Austin", "America/Chicago", 30.2672, -97.7431, 240, 60},
		{"Santiago", "America/Santiago", -33.4489, -70.6693, 220, 50},
		{"Osaka", "Asia/Tokyo", 34.6937, 135.5023, 200, 60},
	}
}

// zoneOf is the place's time zone. Where the machine has no zone data the
// sun's own clock, to the hour, is close enough for a household.
func zoneOf(p place) *time.Location {
	if zone, err := time.LoadLocation(p.zone); err == nil {
		return zone
	}
	hours := int(p.longitude/15+12.5) - 12
	return time.FixedZone(fmt.Sprintf("UTC%+d", hours), hours*3600)
}

// NewSite draws the index-th site of a fleet. The same seed and index give the
// same site.
func NewSite(seed int64, index int) Site {
	random := rand.New(rand.NewPCG(uint64(seed), uint64(index))) //nolint:gosec // not a secret
	all := places()
	p := all[(index+int(uint64(seed)%uint64(len(all))))%len(all)] //nolint:gosec // below len
	south := 180.0
	if p.latitude < 0 {
		south = 0 // the side that the sun is on
	}
	site := Site{
		Place: p.name, Latitude: p.latitude + spread(random, 0.05), Longitude: p.longitude + spread(random, 0.05), Zone: zoneOf(p),
		GridVolts: p.volts, GridHertz: p.hertz, Phases: 1, LoadScale: 0.6 + 0.9*random.Float64(),
	}
	modules := 6 + random.IntN(8)
	for i := range 1 + random.IntN(2) {
		panels := Panels{TiltDegrees: 15 + 25*random.Float64(), AzimuthDegrees: south + spread(random, 25), Modules: modules}
		if i == 1 { // the roof's other side
			panels.AzimuthDegrees += 80
			panels.Modules = max(modules-3, 5)
		}
		panels.PeakWatts = float64(panels.Modules) * 430
		site.Strings = append(site.Strings, panels)
	}
	site.InverterWatts = site.CapacityWatts() * 0.9
	if site.InverterWatts > 4600 {
		site.Phases = 3
	}
	if random.IntN(2) == 0 {
		site.Battery = &Battery{CapacityKwh: float64(5 + 2*random.IntN(4)), PowerWatts: 2500 + 500*float64(random.IntN(4))}
	}
	return site
}

// spread draws between -most and most.
func spread(random *rand.Rand, most float64) float64 { return (2*random.Float64() - 1) * most }
