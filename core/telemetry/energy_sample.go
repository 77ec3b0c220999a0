package telemetry

import "ampra/core/energy"

// EnergySample is what the reading says about energies.
func (r Reading) EnergySample() energy.Sample {
	s := energy.Sample{At: r.Timestamp.UnixMilli()}
	for _, pair := range [...]struct {
		field    Field
		quantity energy.Quantity
	}{
		{EnergyTotalKwh, energy.ProductionTotal},
		{LoadTotalKwh, energy.ConsumptionTotal},
		{GridImportTotalKwh, energy.GridImportTotal},
		{GridExportTotalKwh, energy.GridExportTotal},
		{BatteryChargeTotalKwh, energy.BatteryChargeTotal},
		{BatteryDischargeTotalKwh, energy.BatteryDischargeTotal},
		{EnergyTodayKwh, energy.DayTotal},
		{SolarPowerWatts, energy.SolarPower},
		{ACPowerWatts, energy.ACPower},
		{GridPowerWatts, energy.GridPower},
		{LoadPowerWatts, energy.LoadPower},
		{BatteryPowerWatts, energy.BatteryPower},
	} {
		if number, ok := r.Values.Get(pair.field); ok {
			s.Set(pair.quantity, number)
		}
	}
	return s
}
