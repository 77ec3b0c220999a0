package payload

// solaX reads the cloud's answer, where feed-in is positive on export and the
// battery's power positive on charging, and the local dongle's list of values,
// whose order is the model's: that of the X-Hybrid is known. The cloud's time is
// in the cloud's zone, which nobody says. Sources: squishykid/solax; evcc,
// solax-hybrid-cloud.yaml.
func solaX() []profile {
	hybrid := map[string]rule{
		"Data.0": {to: stringAmps, line: 1}, "Data.1": {to: stringAmps, line: 2}, "Data.2": {to: stringVolts, line: 1}, "Data.3": {to: stringVolts, line: 2},
		"Data.5": {to: gridV}, "Data.6": {to: acW}, "Data.7": {to: celsius}, "Data.8": {to: today}, "Data.9": {to: total},
		"Data.10": {to: gridW, scale: -1}, "Data.11": {to: solarW, how: sum | inString, line: 1}, "Data.12": {to: solarW, how: sum | inString, line: 2},
		"Data.13": {to: batteryV}, "Data.15": {to: batteryW, scale: -1}, "Data.17": {to: charge}, "Data.41": {to: exported}, "Data.42": {to: imported},
		"Data.50": {to: gridHz}, "Status": {to: ToStatusCode},
	}
	return []profile{
		{
			name: "solax", needs: []string{"Data.0", "SN", "type", "version"}, rules: hybrid,
			read: func(w *drafter) string {
				if w.doc.text("type") == "AL_SE" {
					return ""
				}
				w.warn("Data", "is a list whose order this model does not tell")
				for i := range w.doc.leaves {
					l := &w.doc.leaves[i]
					w.keep(l, w.doc.name(l))
					l.gone = true
				}
				return ""
			},
		},
		{
			name: "solax cloud", needs: []string{"result.feedinpower", "result.acpower"}, root: "result.",
			rules: map[string]rule{
				"result.acpower": {to: acW}, "result.yieldtoday": {to: today}, "result.yieldtotal": {to: total},
				"result.feedinpower": {to: gridW, scale: -1}, "result.feedinenergy": {to: exported}, "result.consumeenergy": {to: imported},
				"result.soc": {to: charge}, "result.batPower": {to: batteryW, scale: -1}, "result.inverterStatus": {to: ToStatusCode},
				"result.powerdc#": {to: solarW, how: sum | inString, first: 1}, "result.uploadTime": {to: toNothing},
			},
		},
	}
}
