package payload

// grott reads what Grott publishes: the device's whole numbers, before division.
// Powers, volts, amperes, energies and temperatures are tenths, the frequency is
// hundredths, and so is the state of charge in some layouts. What was buffered
// comes later than it was measured. Source: johanmeijer/grott, grottdata.py and
// its record layouts.
func grott() []profile {
	return []profile{{
		name: "grott", needs: []string{"values.pvserial", "buffered"}, root: "values.", both: []Target{gridW, batteryW},
		rules: map[string]rule{
			"time": {to: ToTime}, "values.pvstatus": {to: ToStatusCode},
			"values.pvpowerin": {to: solarW, scale: tenth}, "values.pvpowerout": {to: acW, scale: tenth},
			"values.pv#voltage": {to: stringVolts, scale: tenth, first: 1}, "values.pv#current": {to: stringAmps, scale: tenth, first: 1},
			"values.pv#watt": {to: stringWatts, scale: tenth, first: 1}, "values.pvfrequentie": {to: gridHz, scale: 0.01},
			"values.pvgridvoltage": {to: gridV, scale: tenth}, "values.pvgridvoltage#": {to: phaseVolts, scale: tenth, first: 1},
			"values.pvgridcurrent#": {to: phaseAmps, scale: tenth, first: 1}, "values.pvgridpower#": {to: phaseWatts, scale: tenth, first: 1},
			"values.eactoday": {to: today, scale: tenth}, "values.pvenergytoday": {to: today, scale: tenth, how: backup},
			"values.eactotal": {to: total, scale: tenth}, "values.pvenergytotal": {to: total, scale: tenth, how: backup},
			"values.pvtemperature": {to: celsius, scale: tenth}, "values.SOC": {to: charge, how: hundredth}, "values.vbat": {to: batteryV, scale: tenth},
			"values.pdischarge#": {to: batteryW, scale: tenth, how: sum}, "values.p#charge#": {to: batteryW, scale: -tenth, how: sum},
			"values.pactouserr": {to: gridW, scale: tenth, how: sum}, "values.pactogridr": {to: gridW, scale: -tenth, how: sum},
			"values.plocaloadr": {to: loadW, scale: tenth}, "values.etouser_tot": {to: imported, scale: tenth},
			"values.etogrid_tot": {to: exported, scale: tenth}, "values.elocalload_tot": {to: loadTotal, scale: tenth},
		},
		read: func(w *drafter) string {
			w.s.Replayed = w.doc.text("buffered") == "yes"
			return ""
		},
	}}
}

// openInverterGateway reads Growatt's registers as OpenInverterGateway publishes
// them, already scaled, of both protocols. Source: OpenInverterGateway, MQTT.md
// and Growatt124.cpp.
func openInverterGateway() []profile {
	return []profile{
		{
			name: "openinvertergateway", needs: []string{"TotalGenerateEnergy", "InverterStatus"}, both: []Target{gridW, batteryW},
			rules: map[string]rule{
				"InverterStatus": {to: ToStatusCode}, "InputPower": {to: solarW}, "OutputPower": {to: acW}, "GridFrequency": {to: gridHz},
				"PV#Voltage": {to: stringVolts, first: 1}, "PV#InputCurrent": {to: stringAmps, first: 1}, "PV#InputPower": {to: stringWatts, first: 1},
				"L#ThreePhaseGridVoltage": {to: phaseVolts, first: 1}, "L#ThreePhaseGridOutputCurrent": {to: phaseAmps, first: 1},
				"L#ThreePhaseGridOutputPower": {to: phaseWatts, first: 1},
				"TodayGenerateEnergy":         {to: today}, "TotalGenerateEnergy": {to: total}, "InverterTemperature": {to: celsius},
				"DischargePower": {to: batteryW, how: sum}, "ChargePower": {to: batteryW, scale: -1, how: sum}, "BatteryVoltage": {to: batteryV},
				"SOC": {to: charge}, "ACPowerToUser": {to: gridW, how: sum}, "ACPowerToGrid": {to: gridW, scale: -1, how: sum},
				"INVPowerToLocalLoad": {to: loadW}, "EnergyToUserTotal": {to: imported}, "EnergyToGridTotal": {to: exported},
				"LocalLoadEnergyTotal": {to: loadTotal}, "ChargeEnergyTotal": {to: charged}, "DischargeEnergyTotal": {to: discharged},
			},
		},
		{
			name: "openinvertergateway", needs: []string{"DcPower", "AcPower", "EnergyTotal"},
			rules: map[string]rule{
				"Status": {to: ToStatusCode}, "DcPower": {to: solarW}, "DcVoltage": {to: stringVolts, line: 1}, "AcPower": {to: acW},
				"AcVoltage": {to: gridV}, "AcFrequency": {to: gridHz}, "EnergyToday": {to: today}, "EnergyTotal": {to: total},
				"Temperature": {to: celsius},
			},
		},
	}
}
