package telemetry

import (
	"math"

	"ampra/core/payload"
)

// Field is one of the canonical quantities of a reading: the fields of the neutral
// form, with what is possible for them.
type Field uint8

// The canonical fields. Powers in watts, energies in kWh. Their order is part of
// the journal's encoding: new ones are added at the end.
const (
	SolarPowerWatts             = Field(payload.SolarPowerWatts)
	ACPowerWatts                = Field(payload.ACPowerWatts)
	GridPowerWatts              = Field(payload.GridPowerWatts)
	LoadPowerWatts              = Field(payload.LoadPowerWatts)
	BatteryPowerWatts           = Field(payload.BatteryPowerWatts)
	BatteryStateOfChargePercent = Field(payload.BatteryStateOfChargePercent)
	BatteryVoltageVolts         = Field(payload.BatteryVoltageVolts)
	GridVoltageVolts            = Field(payload.GridVoltageVolts)
	GridFrequencyHertz          = Field(payload.GridFrequencyHertz)
	InverterTemperatureCelsius  = Field(payload.InverterTemperatureCelsius)
	EnergyTodayKwh              = Field(payload.EnergyTodayKwh)
	EnergyTotalKwh              = Field(payload.EnergyTotalKwh)
	LoadTotalKwh                = Field(payload.LoadTotalKwh)
	GridImportTotalKwh          = Field(payload.GridImportTotalKwh)
	GridExportTotalKwh          = Field(payload.GridExportTotalKwh)
	BatteryChargeTotalKwh       = Field(payload.BatteryChargeTotalKwh)
	BatteryDischargeTotalKwh    = Field(payload.BatteryDischargeTotalKwh)
	// NumFields is how many there are.
	NumFields = payload.NumFields
)

// FieldInfo describes a field.
type FieldInfo struct {
	// Name is the field's name in JSON and in stores.
	Name string
	// Unit is the unit's symbol.
	Unit string
	// Min and Max bound what is physically possible.
	Min, Max float64
}

const (
	maxPowerWatts = 1e8 // 100 MW: the largest single site that a source stands for
	maxEnergyKwh  = 1e10
)

// Info describes the field. It panics for a value that is not a field, as an
// array does.
func (f Field) Info() FieldInfo { return fieldInfos[f] }

// String is the field's name.
func (f Field) String() string { return fieldInfos[f].Name }

//nolint:gochecknoglobals // a table that nobody writes to
var fieldInfos = [NumFields]FieldInfo{
	SolarPowerWatts:             {payload.SolarPowerWatts.String(), "W", -maxPowerWatts, maxPowerWatts},
	ACPowerWatts:                {payload.ACPowerWatts.String(), "W", -maxPowerWatts, maxPowerWatts},
	GridPowerWatts:              {payload.GridPowerWatts.String(), "W", -maxPowerWatts, maxPowerWatts},
	LoadPowerWatts:              {payload.LoadPowerWatts.String(), "W", 0, maxPowerWatts},
	BatteryPowerWatts:           {payload.BatteryPowerWatts.String(), "W", -maxPowerWatts, maxPowerWatts},
	BatteryStateOfChargePercent: {payload.BatteryStateOfChargePercent.String(), "%", 0, 100},
	BatteryVoltageVolts:         {payload.BatteryVoltageVolts.String(), "V", 0, 5000},
	GridVoltageVolts:            {payload.GridVoltageVolts.String(), "V", 0, 1e6},
	GridFrequencyHertz:          {payload.GridFrequencyHertz.String(), "Hz", 0, 1000},
	InverterTemperatureCelsius:  {payload.InverterTemperatureCelsius.String(), "°C", -100, 300},
	EnergyTodayKwh:              {payload.EnergyTodayKwh.String(), "kWh", 0, maxEnergyKwh},
	EnergyTotalKwh:              {payload.EnergyTotalKwh.String(), "kWh", 0, maxEnergyKwh},
	LoadTotalKwh:                {payload.LoadTotalKwh.String(), "kWh", 0, maxEnergyKwh},
	GridImportTotalKwh:          {payload.GridImportTotalKwh.String(), "kWh", 0, maxEnergyKwh},
	GridExportTotalKwh:          {payload.GridExportTotalKwh.String(), "kWh", 0, maxEnergyKwh},
	BatteryChargeTotalKwh:       {payload.BatteryChargeTotalKwh.String(), "kWh", 0, maxEnergyKwh},
	BatteryDischargeTotalKwh:    {payload.BatteryDischargeTotalKwh.String(), "kWh", 0, maxEnergyKwh},
}

// FieldNamed returns the field with exactly this name. It is asked for each name
// of each payload, and compares as little as a compiler makes of it.
//
//nolint:cyclop,funlen // a table
func FieldNamed(name string) (Field, bool) {
	switch name {
	case "solarPowerWatts":
		return SolarPowerWatts, true
	case "acPowerWatts":
		return ACPowerWatts, true
	case "gridPowerWatts":
		return GridPowerWatts, true
	case "loadPowerWatts":
		return LoadPowerWatts, true
	case "batteryPowerWatts":
		return BatteryPowerWatts, true
	case "batteryStateOfChargePercent":
		return BatteryStateOfChargePercent, true
	case "batteryVoltageVolts":
		return BatteryVoltageVolts, true
	case "gridVoltageVolts":
		return GridVoltageVolts, true
	case "gridFrequencyHertz":
		return GridFrequencyHertz, true
	case "inverterTemperatureCelsius":
		return InverterTemperatureCelsius, true
	case "energyTodayKwh":
		return EnergyTodayKwh, true
	case "energyTotalKwh":
		return EnergyTotalKwh, true
	case "loadTotalKwh":
		return LoadTotalKwh, true
	case "gridImportTotalKwh":
		return GridImportTotalKwh, true
	case "gridExportTotalKwh":
		return GridExportTotalKwh, true
	case "batteryChargeTotalKwh":
		return BatteryChargeTotalKwh, true
	case "batteryDischargeTotalKwh":
		return BatteryDischargeTotalKwh, true
	default:
		return 0, false
	}
}

// Possible reports whether v is physically possible for the field.
func (f Field) Possible(v float64) bool {
	info := fieldInfos[f]
	return !math.IsNaN(v) && v >= info.Min && v <= info.Max
}

// Values holds the canonical fields of a reading, each known or not. The zero
// value knows none.
type Values struct {
	known  uint32
	number [NumFields]float64
}

// Set makes a field known.
func (v *Values) Set(f Field, number float64) {
	v.known |= 1 << f
	v.number[f] = number
}

// Clear makes a field unknown.
func (v *Values) Clear(f Field) {
	v.known &^= 1 << f
	v.number[f] = 0
}

// Get returns a field and whether it is known.
func (v *Values) Get(f Field) (float64, bool) {
	return v.number[f], v.known&(1<<f) != 0
}

// Mask has bit f set for each known field f.
func (v *Values) Mask() uint32 { return v.known }

// IsEmpty reports whether no field is known.
func (v *Values) IsEmpty() bool { return v.known == 0 }

// Merge lays a later reading's fields over v's.
func (v *Values) Merge(later Values) {
	for f := range Field(NumFields) {
		if number, ok := later.Get(f); ok {
			v.Set(f, number)
		}
	}
}
