package payload

import (
	"slices"
	"strings"
)

// rule says where a member of a known name goes.
type rule struct {
	to Target
	// scale is how much of our unit, with our sign, one of the payload's is; 0 is 1.
	// A unit that stands beside the value goes before, the sign stays.
	scale float64
	// zero is what the payload shows at 0 of our unit.
	zero float64
	// first is the number in the name that means the first string or phase; line
	// the string or phase, from 1, when there is no number.
	first, line int
	how         how
}

// how is what is special about a rule.
type how uint16

const (
	// sum adds what several members give.
	sum how = 1 << iota
	// alone holds only while the payload is of one device.
	alone
	// backup holds only when nothing else gave the same.
	backup
	// hundredth is a percentage that some layouts send in hundredths.
	hundredth
	// assumed marks what is usual and not told.
	assumed
	// meter is what Options.Meter places elsewhere.
	meter
	// inString and inPhase also put it into the string or phase of the number.
	inString
	inPhase
	// device says that the number in the name is the device's.
	device
)

// Short names of the targets, for the tables.
const (
	solarW     = Target(SolarPowerWatts)
	acW        = Target(ACPowerWatts)
	gridW      = Target(GridPowerWatts)
	loadW      = Target(LoadPowerWatts)
	batteryW   = Target(BatteryPowerWatts)
	charge     = Target(BatteryStateOfChargePercent)
	batteryV   = Target(BatteryVoltageVolts)
	gridV      = Target(GridVoltageVolts)
	gridHz     = Target(GridFrequencyHertz)
	celsius    = Target(InverterTemperatureCelsius)
	today      = Target(EnergyTodayKwh)
	total      = Target(EnergyTotalKwh)
	loadTotal  = Target(LoadTotalKwh)
	imported   = Target(GridImportTotalKwh)
	exported   = Target(GridExportTotalKwh)
	charged    = Target(BatteryChargeTotalKwh)
	discharged = Target(BatteryDischargeTotalKwh)
)

// Scales of the tables.
const (
	wh    = 0.001 // watt-hours to kWh
	kw    = 1000
	milli = 0.001
	tenth = 0.1
)

// profile is what a vendor's payload looks like, and where its members go. Names
// are flattened; # stands for any number in them.
type profile struct {
	name string
	// needs are names, without #, that are all there and mark it: the first is the
	// rarest.
	needs []string
	// never are names that are not there.
	never []string
	// root is left away from names in extra.
	root string
	// several is a name whose presence says that there are several devices.
	several string
	// both are fields which are told by two members of opposite sign: one alone
	// tells nothing.
	both  []Target
	rules map[string]rule
	// read, if set, does what no table can say, before the rules. It returns why
	// the payload is no sample, "" if it is one.
	read func(*drafter) string
}

// vendors are all profiles.
func vendors() []profile {
	var all []profile
	for _, one := range [...]func() []profile{
		openDTU, ahoyDTU, victron, tasmota, shelly, grott, openInverterGateway, sbfSpot, voltronic, enphase, fronius,
		solaX, solarEdge, solarman, solaranzeige, evcc, sonnen, senec, zendure, lxpBridge, openEMS, homeWizard, dsmr,
	} {
		all = append(all, one()...)
	}
	return all
}

// marks are the profiles by the first name that they need.
func marks(all []profile) map[string][]*profile {
	by := make(map[string][]*profile, len(all))
	for i := range all {
		by[all[i].needs[0]] = append(by[all[i].needs[0]], &all[i])
	}
	return by
}

//nolint:gochecknoglobals // a table that nobody writes to
var profilesByMark = marks(vendors())

// template is a name with # for each number in it, and the last of the numbers.
// Numbers that are part of a longer word of a table are found by their exact name
// first.
func template(name string, room []byte) (text []byte, number int, ok bool) {
	for i := 0; i < len(name); {
		if !isDigit(name[i]) {
			room = append(room, name[i])
			i++
			continue
		}
		number = 0
		for ; i < len(name) && isDigit(name[i]); i++ {
			number = min(number*10+int(name[i]-'0'), 1e6)
		}
		room = append(room, '#')
		ok = true
	}
	return room, number, ok
}

// recognise finds the profile whose names are there, nil if none is. Of several
// it is the one that needs the most.
func (d *doc) recognise() *profile {
	var best *profile
	for i := range d.leaves {
		for _, p := range profilesByMark[d.name(&d.leaves[i])] {
			if (best == nil || len(p.needs) > len(best.needs)) && d.fits(p) {
				best = p
			}
		}
	}
	return best
}

func (d *doc) fits(p *profile) bool {
	for _, need := range p.needs[1:] {
		if !d.has(need) {
			return false
		}
	}
	return !slices.ContainsFunc(p.never, d.has)
}

// has reports whether a name is there. One that ends in a dot stands for all
// that begin with it.
func (d *doc) has(want string) bool {
	if !strings.HasSuffix(want, ".") {
		return d.find(want) != nil
	}
	for i := range d.leaves {
		if strings.HasPrefix(d.name(&d.leaves[i]), want) {
			return true
		}
	}
	return false
}

// usualName is how long most names are; longer ones take memory.
const usualName = 64

// find is the rule for a name, with the number in it.
func (p *profile) find(name string) (r rule, number int, ok bool) {
	if r, ok = p.rules[name]; ok {
		return r, r.line - 1 + r.first, true
	}
	var room [usualName]byte
	text, number, numbered := template(name, room[:0])
	if !numbered {
		return rule{}, 0, false
	}
	r, ok = p.rules[string(text)]
	return r, number, ok
}
