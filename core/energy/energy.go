// Package energy makes energies out of readings: what a site produced, used,
// drew, fed in and stored, in whole milliwatt-hours and quarters of an hour,
// from lifetime counters, day counters and powers, with their faults seen and
// marked. It is a pure fold over samples in time order that can be stopped and
// taken up again anywhere with the same bytes; hours, days, months and years of
// any time zone are exact sums of its digests.
//
// It knows no sources, no storage and no clock.
package energy

// Channel is one of the ways that energy goes.
type Channel uint8

// The channels. Their order is part of the encoding.
const (
	Production Channel = iota
	Consumption
	GridImport
	GridExport
	BatteryCharge
	BatteryDischarge
)

// NumChannels is how many channels there are.
const NumChannels = 6

// String is the channel's name as the API spells it, without a unit.
func (c Channel) String() string {
	switch c {
	case Production:
		return "production"
	case Consumption:
		return "consumption"
	case GridImport:
		return "gridImport"
	case GridExport:
		return "gridExport"
	case BatteryCharge:
		return "batteryCharge"
	case BatteryDischarge:
		return "batteryDischarge"
	default:
		return "unknown"
	}
}

// Method says what an energy was made from.
type Method uint8

// The methods.
const (
	None       Method = iota // nothing: the energy is not known
	Counter                  // gains of a lifetime counter
	Power                    // power over time
	DayCounter               // gains of the device's own counter of the day
	Balance                  // what must have been used, by the other channels
	numMethods = iota
)

// String is the method's name as the API spells it, "" for None.
func (m Method) String() string {
	switch m {
	case Counter:
		return "counter"
	case Power:
		return "power"
	case DayCounter:
		return "dayCounter"
	case Balance:
		return "balance"
	case None:
		return ""
	default:
		return ""
	}
}

// Flags mark what an owner should know of a figure.
type Flags uint32

// The flags. Their bits are part of the encoding.
const (
	// Gap: nothing is known of it, or nearly nothing: a silence of most of a day.
	Gap Flags = 1 << iota
	// AfterGap: it holds what a counter gained over at least one whole local day
	// without a reading.
	AfterGap
	// Reset: a counter began anew here (exchanged, rolled over, set back).
	Reset
	// Spike: values that jumped, or dipped, and came back were left out here.
	Spike
	// Stuck: values stood still, or repeated a whole day, where they can't have.
	Stuck
	// Estimated: more than a hundredth of it stands on power, or fell into a
	// silence that began before the period.
	Estimated
	// Pending: not all readings are in it yet. The fold never sets it.
	Pending
	flagsEnd
)

// Names returns the names of the flags that are set, as the API spells them, in
// a fixed order.
func (f Flags) Names() []string {
	names := []string{}
	for i, name := range [...]string{"gap", "afterGap", "reset", "spike", "stuck", "estimated", "pending"} {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Times are unix milliseconds, energies milliwatt-hours, powers milliwatts.
const (
	second  = 1_000
	minute  = 60 * second
	quarter = 15 * minute
	hour    = 60 * minute
	dayLong = 24 * hour
)

const (
	wattHour     = 1_000 // milliwatt-hours
	kilowattHour = 1_000 * wattHour
	kilowatt     = 1_000 * 1_000 // milliwatts
)

// DayOfMillis is the UTC day, counted since 1970, that a moment in unix
// milliseconds is folded with.
func DayOfMillis(at int64) int32 {
	day := at / dayLong
	if at%dayLong < 0 {
		day--
	}
	return int32(min(max(day, minDay), maxDay))
}

// minDay and maxDay bound the days that can be told apart: years 1677 to 2262.
const (
	minDay = -106_000
	maxDay = 106_000
)
