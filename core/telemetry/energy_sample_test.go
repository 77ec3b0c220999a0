package telemetry_test

import (
	"testing"

	"ampra/core/energy"
	"ampra/core/telemetry"
)

func TestAReadingSaysOfEnergiesWhatItMeasured(t *testing.T) {
	t.Parallel()
	r := telemetry.Reading{Timestamp: received()}
	for f := range telemetry.Field(telemetry.NumFields) {
		r.Values.Set(f, float64(f)+0.25)
	}
	s := r.EnergySample()
	if s.At != received().UnixMilli() {
		t.Errorf("at %d", s.At)
	}
	for field, quantity := range map[telemetry.Field]energy.Quantity{
		telemetry.EnergyTotalKwh: energy.ProductionTotal, telemetry.LoadTotalKwh: energy.ConsumptionTotal,
		telemetry.GridImportTotalKwh: energy.GridImportTotal, telemetry.GridExportTotalKwh: energy.GridExportTotal,
		telemetry.BatteryChargeTotalKwh: energy.BatteryChargeTotal, telemetry.BatteryDischargeTotalKwh: energy.BatteryDischargeTotal,
		telemetry.EnergyTodayKwh: energy.DayTotal, telemetry.SolarPowerWatts: energy.SolarPower, telemetry.ACPowerWatts: energy.ACPower,
		telemetry.GridPowerWatts: energy.GridPower, telemetry.LoadPowerWatts: energy.LoadPower, telemetry.BatteryPowerWatts: energy.BatteryPower,
	} {
		if got, ok := s.Get(quantity); !ok || got != float64(field)+0.25 {
			t.Errorf("%s is %v %v", field, got, ok)
		}
	}
	empty := telemetry.Reading{Timestamp: received()}.EnergySample()
	if !empty.IsEmpty() || s.IsEmpty() {
		t.Error("a reading without a field says something of energies, or one with all says nothing")
	}
}
