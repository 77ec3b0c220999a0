package payload

// openEMS reads the sums of an OpenEMS edge, whatever other devices are in the
// message. Grid power is positive on purchase, storage on discharge. From general
// knowledge of its channels; no source was at hand.
func openEMS() []profile {
	return []profile{{
		name: "openems", needs: []string{"_sum/ProductionActivePower"},
		rules: map[string]rule{
			"_sum/ProductionActivePower": {to: solarW}, "_sum/GridActivePower": {to: gridW}, "_sum/ConsumptionActivePower": {to: loadW},
			"_sum/EssDischargePower": {to: batteryW}, "_sum/EssSoc": {to: charge}, "_sum/ProductionActiveEnergy": {to: total, scale: wh},
			"_sum/GridBuyActiveEnergy": {to: imported, scale: wh}, "_sum/GridSellActiveEnergy": {to: exported, scale: wh},
			"_sum/ConsumptionActiveEnergy": {to: loadTotal, scale: wh},
		},
	}}
}

// homeWizard reads HomeWizard's meters, totals in kWh. They are taken for the
// grid's. From general knowledge of its local API; no source was at hand.
func homeWizard() []profile {
	grid := meter | assumed
	return []profile{{
		name: "homewizard", needs: []string{"total_power_import_kwh", "active_power_w"},
		rules: map[string]rule{
			"active_power_w": {to: gridW, how: grid}, "total_power_import_kwh": {to: imported, how: grid}, "total_power_export_kwh": {to: exported, how: grid},
			"active_power_l#_w": {to: phaseWatts, first: 1}, "active_voltage_l#_v": {to: phaseVolts, first: 1}, "active_current_l#_a": {to: phaseAmps, first: 1},
			"active_frequency_hz": {to: gridHz}, "active_voltage_v": {to: gridV},
		},
	}}
}

// dsmr reads a smart meter through DSMR-reader: powers of either direction in
// kW, counters of two tariffs in kWh. From general knowledge of its messages; no
// source was at hand.
func dsmr() []profile {
	return []profile{{
		name: "dsmr", needs: []string{"electricity_currently_delivered", "electricity_currently_returned"}, both: []Target{gridW},
		rules: map[string]rule{
			"electricity_currently_delivered": {to: gridW, scale: kw, how: sum}, "electricity_currently_returned": {to: gridW, scale: -kw, how: sum},
			"electricity_delivered_#": {to: imported, how: sum}, "electricity_returned_#": {to: exported, how: sum},
			"timestamp": {to: ToTime}, "id": {to: toNothing},
		},
	}}
}
