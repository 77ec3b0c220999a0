package payload

// sbfSpot reads SMA inverters as SBFspot publishes them. Its list of items is the
// user's, its dates are local with the day first, and its grid meter tells import
// and export apart. Source: SBFspot, mqtt.cpp and SBFspot.cfg.
func sbfSpot() []profile {
	rules := map[string]rule{
		"Timestamp": {to: ToTimeDayFirst}, "InvTime": {to: ToTimeDayFirst, how: backup}, "InvStatus": {to: ToStatusText},
		"InvTemperature": {to: celsius}, "EToday": {to: today}, "ETotal": {to: total}, "PACTot": {to: acW}, "GridFreq": {to: gridHz},
		"UDC#": {to: stringVolts, first: 1}, "IDC#": {to: stringAmps, first: 1}, "PDC#": {to: solarW, first: 1, how: sum | inString},
		"Uac#": {to: phaseVolts, first: 1}, "Iac#": {to: phaseAmps, first: 1}, "Pac#": {to: phaseWatts, first: 1},
		"UAC#": {to: phaseVolts, first: 1}, "IAC#": {to: phaseAmps, first: 1}, "PAC#": {to: phaseWatts, first: 1},
		"BatChaStt": {to: charge}, "BatVol": {to: batteryV}, "InvSerial": {to: toNothing},
		"MeteringWIn": {to: gridW, how: sum}, "MeteringWOut": {to: gridW, scale: -1, how: sum}, "MeteringWTot": {to: toNothing},
	}
	both := []Target{gridW}
	return []profile{
		{name: "sbfspot", needs: []string{"PACTot"}, rules: rules, both: both},
		{name: "sbfspot", needs: []string{"InvSerial", "InvTime"}, rules: rules, both: both},
		{name: "sbfspot", needs: []string{"EToday", "ETotal"}, rules: rules, both: both},
	}
}
