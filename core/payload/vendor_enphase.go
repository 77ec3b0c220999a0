package payload

import "strconv"

// enphase reads the Envoy's meters in their three generations, production.json
// and the list of microinverters. The list of meters has production first and
// net consumption second; live data is in milliwatts; energies are Wh. Sources:
// vk2him/Enphase-Envoy-mqtt-json, README; Matthew1471/Enphase-API.
func enphase() []profile {
	power := func(phase int) rule { return rule{to: acW, how: sum | inPhase, line: phase} }
	load, grid := rule{to: loadW, how: sum}, rule{to: gridW, how: sum}
	return []profile{
		{
			name: "enphase stream", needs: []string{"production.ph-a.p"},
			rules: map[string]rule{
				"production.ph-a.p": power(1), "production.ph-b.p": power(2), "production.ph-c.p": power(3),
				"production.ph-a.v": {to: gridV, how: inPhase, line: 1}, "production.ph-b.v": {to: phaseVolts, line: 2}, "production.ph-c.v": {to: phaseVolts, line: 3},
				"production.ph-a.i": {to: phaseAmps, line: 1}, "production.ph-b.i": {to: phaseAmps, line: 2}, "production.ph-c.i": {to: phaseAmps, line: 3},
				"production.ph-a.f":      {to: gridHz},
				"net-consumption.ph-a.p": grid, "net-consumption.ph-b.p": grid, "net-consumption.ph-c.p": grid,
				"total-consumption.ph-a.p": load, "total-consumption.ph-b.p": load, "total-consumption.ph-c.p": load,
			},
		},
		{
			name: "enphase meters", needs: []string{"0.eid", "0.activePower"},
			rules: map[string]rule{
				"0.timestamp": {to: ToTime}, "0.eid": {to: toNothing}, "1.eid": {to: toNothing}, "1.timestamp": {to: toNothing},
				"0.activePower": {to: acW}, "0.actEnergyDlvd": {to: total, scale: wh}, "0.freq": {to: gridHz},
				"1.activePower": {to: gridW}, "1.actEnergyDlvd": {to: imported, scale: wh}, "1.actEnergyRcvd": {to: exported, scale: wh},
			},
		},
		{
			name: "enphase live", needs: []string{"meters.pv.agg_p_mw"}, root: "meters.",
			rules: map[string]rule{
				"meters.last_update": {to: ToTime}, "meters.soc": {to: charge}, "meters.pv.agg_p_mw": {to: acW, scale: milli},
				"meters.storage.agg_p_mw": {to: batteryW, scale: milli}, "meters.grid.agg_p_mw": {to: gridW, scale: milli},
				"meters.load.agg_p_mw": {to: loadW, scale: milli},
			},
		},
		{
			name: "enphase production", needs: []string{"production.0.wNow", "production.0.type"}, read: enphaseKinds,
			rules: map[string]rule{"production.0.readingTime": {to: ToTime}, "production.#.readingTime": {to: toNothing}},
		},
		{
			name: "enphase inverters", needs: []string{"0.lastReportWatts", "0.serialNumber"},
			rules: map[string]rule{
				"#.lastReportWatts": {to: acW, how: sum}, "#.lastReportDate": {to: toNothing}, "#.maxReportWatts": {to: toNothing}, "#.devType": {to: toNothing},
			},
		},
	}
}

// enphaseKinds reads production.json, where each entry says what it measures.
// The meter goes before the sum of the microinverters.
func enphaseKinds(w *drafter) string {
	take := func(prefix, name string, to Target, scale float64) {
		if v, ok := w.doc.number(prefix + name); ok && w.put(to, 0, times(v, scale), 0) {
			w.given(to, 0, "enphase production", prefix+name, false)
			w.doc.find(prefix + name).gone = true
		}
	}
	for _, kind := range [...]string{"eim", "inverters"} {
		for i := range 8 {
			p := "production." + strconv.Itoa(i) + "."
			if w.doc.text(p+"type") == kind {
				take(p, "wNow", acW, 1)
				take(p, "whToday", today, wh)
				take(p, "whLifetime", total, wh)
			}
		}
	}
	for i := range 8 {
		p := "consumption." + strconv.Itoa(i) + "."
		switch w.doc.text(p + "measurementType") {
		case "total-consumption":
			take(p, "wNow", loadW, 1)
			take(p, "whLifetime", loadTotal, wh)
		case "net-consumption":
			take(p, "wNow", gridW, 1)
		}
	}
	return ""
}
