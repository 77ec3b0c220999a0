package simulate

import (
	"math"
	"math/rand/v2"
	"time"
)

// Plant is a site as it runs. It is a function of its site, its seed and the
// times it is asked for: the same give the same readings. Powers are means over
// the time since the reading before, so that counters and powers agree.
//
// At every step load = inverter output + battery + grid, where the battery is
// positive when it discharges and the grid when it is drawn from; and so do the
// counters.
type Plant struct {
	site   Site
	random *rand.Rand
	last   time.Time
	day    int // of the year, on the site's clock

	weather     wander // slow: the day's kind
	clouds      wander // fast: single ones
	hertz       wander
	volts       wander
	signal      wander
	house       household
	temperature float64 // of the inverter
	stored      float64 // Wh in the battery

	// Lifetime counters and today's, in Wh.
	today, produced, consumed, imported, exported, charged, discharged float64
}

const (
	warmUpStep        = 5 * time.Minute
	batteryLow        = 0.08 // of its capacity, kept
	batteryEfficiency = 0.95 // one way
)

// NewPlant makes a plant whose next reading will be at first or later. The day
// before has passed for it, so today's counter, the battery and the weather are
// as they would be.
func NewPlant(site Site, seed int64, first time.Time) *Plant {
	random := rand.New(rand.NewPCG(uint64(seed), 0x5eed)) //nolint:gosec // not a secret
	local := first.In(site.Zone)
	p := &Plant{
		site: site, random: random,
		last:    time.Date(local.Year(), local.Month(), local.Day()-1, 0, 0, 0, 0, site.Zone),
		weather: wander{rhythm: 9 * time.Hour, deviation: 0.9},
		clouds:  wander{rhythm: 6 * time.Minute, deviation: 1},
		hertz:   wander{rhythm: 40 * time.Second, deviation: 0.018},
		volts:   wander{rhythm: 10 * time.Minute, deviation: 0.006},
		signal:  wander{rhythm: 5 * time.Minute, deviation: 3},
		house:   newHousehold(site.LoadScale),
	}
	p.day = p.last.YearDay()
	p.weather.at = p.weather.deviation * random.NormFloat64()
	p.temperature = p.ambient(p.last, 0)
	// What it has counted in the years since it was built.
	years := 0.5 + 7*random.Float64()
	p.produced = math.Round(years * site.CapacityWatts() * 1150)
	p.consumed = math.Round(years * site.LoadScale * 4.1e6)
	p.exported = math.Round(p.produced * 0.55)
	if site.Battery != nil {
		p.charged = math.Round(p.produced * 0.2)
		p.discharged = math.Round(p.charged * batteryEfficiency * batteryEfficiency)
		p.stored = 0.4 * site.Battery.CapacityKwh * 1000
	}
	p.imported = p.consumed - p.produced + p.exported + p.charged - p.discharged
	if p.imported < 0 {
		p.exported -= p.imported
		p.imported = 0
	}
	for next := p.last.Add(warmUpStep); next.Before(first); next = next.Add(warmUpStep) {
		p.Step(next)
	}
	return p
}

// ambient is the temperature outside in °C at a moment.
func (p *Plant) ambient(t time.Time, elevation float64) float64 {
	season := math.Cos(2 * math.Pi * (float64(t.YearDay()) - 200) / 365)
	if p.site.Latitude < 0 {
		season = -season
	}
	away := math.Abs(p.site.Latitude)
	return 27 - 0.42*max(away-10, 0) + season*away*0.2 + 6*math.Sin(elevation)
}

// Step lets the time pass to t, which must be after the step before, and returns
// the reading of that moment.
func (p *Plant) Step(t time.Time) Reading {
	dt := t.Sub(p.last)
	hours := dt.Hours()
	local := t.In(p.site.Zone)
	elevation, azimuth := sunPosition(t, p.site.Latitude, p.site.Longitude)
	ambient := p.ambient(local, elevation)

	strings, dc := p.panels(elevation, azimuth, ambient, dt)
	ac := p.inverter(strings, &dc)
	load := tenth(p.house.watts(p.random, local, dt))
	battery := p.battery(ac-load, hours)
	grid := tenth(load - ac - battery)

	if local.YearDay() != p.day {
		p.day, p.today = local.YearDay(), 0
	}
	p.today += ac * hours
	p.produced += ac * hours
	p.consumed += load * hours
	p.imported += max(grid, 0) * hours
	p.exported += max(-grid, 0) * hours
	p.charged += max(-battery, 0) * hours
	p.discharged += max(battery, 0) * hours
	p.temperature += (ambient + 28*ac/p.site.InverterWatts - p.temperature) * (1 - math.Exp(-dt.Minutes()/20))
	p.last = t

	r := Reading{
		Timestamp:                  t.UTC().Truncate(time.Millisecond),
		SolarPowerWatts:            new(dc),
		ACPowerWatts:               new(ac),
		GridPowerWatts:             new(grid),
		LoadPowerWatts:             new(load),
		GridFrequencyHertz:         new(hundredth(p.site.GridHertz + p.hertz.step(p.random, dt))),
		InverterTemperatureCelsius: new(tenth(p.temperature)),
		EnergyTodayKwh:             new(kwh(p.today)),
		EnergyTotalKwh:             new(kwh(p.produced)),
		LoadTotalKwh:               new(kwh(p.consumed)),
		GridImportTotalKwh:         new(kwh(p.imported)),
		GridExportTotalKwh:         new(kwh(p.exported)),
		Strings:                    strings,
		Status:                     status(ac),
		Extra:                      map[string]float64{"wifiSignalDbm": math.Round(-58 + p.signal.step(p.random, dt))},
	}
	volts := p.site.GridVolts * (1 + p.volts.step(p.random, dt) - 0.012*grid/p.site.InverterWatts)
	r.GridVoltageVolts = new(tenth(volts))
	r.Phases = phases(ac, volts, p.site.Phases)
	if b := p.site.Battery; b != nil {
		charge := p.stored / (b.CapacityKwh * 1000)
		r.BatteryPowerWatts = new(battery)
		r.BatteryStateOfChargePercent = new(tenth(100 * charge))
		r.BatteryVoltageVolts = new(hundredth(48 + 5*charge - 0.6*battery/b.PowerWatts))
		r.BatteryChargeTotalKwh = new(kwh(p.charged))
		r.BatteryDischargeTotalKwh = new(kwh(p.discharged))
	}
	return r
}

// panels is what each string gives under this sky, and their sum in W.
func (p *Plant) panels(elevation, azimuth, ambient float64, dt time.Duration) ([]Line, float64) {
	// The slow noise is the kind of the day, between clear and overcast; single
	// clouds matter most on days between the two.
	kind := 1 / (1 + math.Exp(-1.6*(p.weather.step(p.random, dt)-0.5)))
	cover := kind + 0.35*p.clouds.step(p.random, dt)*4*kind*(1-kind)
	direct, diffuse := irradiance(elevation, min(max(cover, 0), 1))
	lines := make([]Line, len(p.site.Strings))
	sum := 0.0
	for i, s := range p.site.Strings {
		light := onPanel(elevation, azimuth, direct, diffuse, s)
		cell := ambient + 0.03*light
		watts := tenth(max(0.95*s.PeakWatts*light/1000*(1-0.0036*(cell-25)), 0))
		volts := float64(s.Modules) * 33 * (1 - 0.003*(cell-25)) * light / (light + 8)
		if watts < 4 { // too little to start on
			watts, volts = 0, 0
		}
		lines[i] = line(watts, volts)
		sum += watts
	}
	return lines, tenth(sum)
}

// inverter turns DC into AC, and holds the panels back at its limit.
func (p *Plant) inverter(strings []Line, dc *float64) (ac float64) {
	share := *dc / p.site.InverterWatts
	efficiency := max(0.976-0.004/(share+0.008), 0)
	ac = *dc * efficiency
	if ac <= p.site.InverterWatts {
		return tenth(ac)
	}
	held := p.site.InverterWatts / ac
	*dc = 0
	for i, s := range strings {
		strings[i] = line(tenth(*s.PowerWatts*held), *s.VoltageVolts*1.04)
		*dc += *strings[i].PowerWatts
	}
	*dc = tenth(*dc)
	return tenth(p.site.InverterWatts)
}

// battery takes what is over and gives what is missing, within its power and
// its charge. Positive is discharge.
func (p *Plant) battery(surplus, hours float64) (watts float64) {
	b := p.site.Battery
	if b == nil || hours <= 0 {
		return 0
	}
	full := b.CapacityKwh * 1000
	if surplus >= 0 {
		room := (full - p.stored) / batteryEfficiency / hours
		watts = floorTenth(min(surplus, b.PowerWatts, max(room, 0)))
		p.stored = min(p.stored+watts*batteryEfficiency*hours, full)
		return -watts
	}
	left := (p.stored - batteryLow*full) * batteryEfficiency / hours
	watts = floorTenth(min(-surplus, b.PowerWatts, max(left, 0)))
	p.stored = max(p.stored-watts/batteryEfficiency*hours, 0)
	return watts
}

func status(ac float64) *Status {
	if ac > 0 {
		return &Status{Code: new(int64(2)), Text: new("Running")}
	}
	return &Status{Code: new(int64(1)), Text: new("Standby")}
}

// phases splits the output evenly; what rounding leaves is the last one's.
func phases(ac, volts float64, n int) []Line {
	lines := make([]Line, n)
	rest := ac
	for i := range lines {
		share := tenth(ac / float64(n))
		if i == n-1 {
			share = tenth(rest)
		}
		rest -= share
		lines[i] = line(share, volts)
	}
	return lines
}

func line(watts, volts float64) Line {
	amperes := 0.0
	if volts > 0 {
		amperes = watts / volts
	}
	return Line{VoltageVolts: new(tenth(volts)), CurrentAmperes: new(hundredth(amperes)), PowerWatts: new(watts)}
}

func tenth(v float64) float64      { return math.Round(v*10) / 10 }
func floorTenth(v float64) float64 { return math.Floor(v*10) / 10 }
func hundredth(v float64) float64  { return math.Round(v*100) / 100 }
func kwh(wattHours float64) float64 {
	return math.Round(wattHours) / 1000
}
