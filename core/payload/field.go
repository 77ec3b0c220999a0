package payload

import "strconv"

// Field is a quantity of the neutral form: canonical names, units and signs.
// Grid power is positive on import, battery power on discharge.
type Field uint8

// The fields, powers in watts, energies in kWh. Their order is part of what is
// stored: new ones are added at the end.
const (
	SolarPowerWatts Field = iota
	ACPowerWatts
	GridPowerWatts
	LoadPowerWatts
	BatteryPowerWatts
	BatteryStateOfChargePercent
	BatteryVoltageVolts
	GridVoltageVolts
	GridFrequencyHertz
	InverterTemperatureCelsius
	EnergyTodayKwh
	EnergyTotalKwh
	LoadTotalKwh
	GridImportTotalKwh
	GridExportTotalKwh
	BatteryChargeTotalKwh
	BatteryDischargeTotalKwh
	// NumFields is how many there are.
	NumFields int = iota
)

//nolint:gochecknoglobals // a table that nobody writes to
var fieldNames = [NumFields]string{
	"solarPowerWatts", "acPowerWatts", "gridPowerWatts", "loadPowerWatts", "batteryPowerWatts", "batteryStateOfChargePercent",
	"batteryVoltageVolts", "gridVoltageVolts", "gridFrequencyHertz", "inverterTemperatureCelsius", "energyTodayKwh", "energyTotalKwh",
	"loadTotalKwh", "gridImportTotalKwh", "gridExportTotalKwh", "batteryChargeTotalKwh", "batteryDischargeTotalKwh",
}

// String is the field's canonical name. It panics for a value that is not a
// field, as an array does.
func (f Field) String() string { return fieldNames[f] }

// Target is where a rule puts a value: a Field, a part of a string or phase, the
// status or the time.
type Target uint8

// The targets beyond the fields.
const (
	// ToString is a tracker's volts, ToString+1 its amperes, ToString+2 its watts.
	ToString = Target(NumFields) + 3*iota
	// ToPhase is a phase's volts, then its amperes and watts.
	ToPhase
	// ToStatusCode and the others are single.
	ToStatusCode
)

const (
	// ToStatusText is what the device says of itself.
	ToStatusText = ToStatusCode + 1 + Target(iota)
	// ToTime is the sample's time, in any form whose zone is certain.
	ToTime
	// ToTimeDayFirst is a local time that begins with the day.
	ToTimeDayFirst
	// ToAge is the sample's age in seconds.
	ToAge
	// toNothing is what is known and of no use in a reading.
	toNothing
)

const (
	volts                                = 0
	amps                                 = 1
	watts                                = 2
	parts                                = 3
	stringVolts, stringAmps, stringWatts = ToString + volts, ToString + amps, ToString + watts
	phaseVolts, phaseAmps, phaseWatts    = ToPhase + volts, ToPhase + amps, ToPhase + watts
)

// Given says which rule put which member of the payload where.
type Given struct {
	To Target
	// Line is the string or phase, counted from 0.
	Line int
	// Rule is the profile's name or the general rule's.
	Rule string
	// From is the flattened name in the payload.
	From string
	// Assumed is set when the unit, the sign or the place of the meter is the usual
	// one and not told.
	Assumed bool
}

// Field is the name, in a reading, of what was given.
func (g Given) Field() string {
	part := [...]string{"voltageVolts", "currentAmperes", "powerWatts"}
	switch {
	case int(g.To) < NumFields:
		return Field(g.To).String()
	case g.To < ToPhase:
		return "strings[" + strconv.Itoa(g.Line) + "]." + part[g.To-ToString]
	case g.To < ToStatusCode:
		return "phases[" + strconv.Itoa(g.Line) + "]." + part[g.To-ToPhase]
	case g.To == ToStatusCode:
		return "status.code"
	case g.To == ToStatusText:
		return "status.text"
	default:
		return "timestamp"
	}
}
