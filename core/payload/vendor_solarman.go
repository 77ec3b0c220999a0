package payload

// solarman reads the inverter's attributes and the station's values as
// solarman-mqtt publishes them. Every value is a text; the device's clock is
// often unset, and -10 °C means that there is no value. Source:
// mpepping/solarman-mqtt, README.
func solarman() []profile {
	rules := map[string]rule{
		"Total_AC_Output_Power(Active)": {to: acW}, "Total_Production(Active)": {to: total}, "Daily_Production(Active)": {to: today},
		"AC_Output_Frequency_1": {to: gridHz}, "AC_Voltage_#": {to: phaseVolts, first: 1}, "AC_Current_#": {to: phaseAmps, first: 1},
		"DC_Voltage_PV#": {to: stringVolts, first: 1}, "DC_Current_PV#": {to: stringAmps, first: 1},
		"DC_Power_PV#":     {to: solarW, how: sum | inString, first: 1},
		"AC_Radiator_Temp": {to: celsius}, "Running_Status": {to: ToStatusCode},
	}
	return []profile{
		{
			name: "solarman", needs: []string{"Total_AC_Output_Power(Active)"}, rules: rules,
			read: func(w *drafter) string {
				if v, ok := w.doc.number("AC_Radiator_Temp"); ok && v == -10 {
					w.doc.find("AC_Radiator_Temp").gone = true
				}
				return ""
			},
		},
		{
			name: "solarman station", needs: []string{"generationPower", "usePower"}, both: []Target{batteryW},
			rules: map[string]rule{
				"generationPower": {to: acW}, "usePower": {to: loadW}, "batterySoc": {to: charge}, "lastUpdateTime": {to: ToTime},
				"dischargePower": {to: batteryW, how: sum}, "chargePower": {to: batteryW, scale: -1, how: sum},
			},
		},
	}
}
