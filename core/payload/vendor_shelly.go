package payload

import "maps"

// shelly reads notifications and component states of second generation devices,
// energies in Wh, and the status of first generation meters. A three-phase meter
// is taken for the grid's; a single channel may be anything and stays in extra,
// a plug is taken for the source's output. Source: shelly-api-docs.shelly.cloud
// (Notifications, EM, EMData, EM1, EM1Data, Switch); evcc, meter/shelly.
func shelly() []profile {
	grid := meter | assumed
	rules := map[string]rule{
		"ts": {to: ToTime}, "sys.unixtime": {to: ToTime}, "unixtime": {to: ToTime},
		"total_act_power": {to: gridW, how: grid},
		"a_act_power":     {to: phaseWatts, line: 1}, "b_act_power": {to: phaseWatts, line: 2}, "c_act_power": {to: phaseWatts, line: 3},
		"a_voltage": {to: phaseVolts, line: 1}, "b_voltage": {to: phaseVolts, line: 2}, "c_voltage": {to: phaseVolts, line: 3},
		"a_current": {to: phaseAmps, line: 1}, "b_current": {to: phaseAmps, line: 2}, "c_current": {to: phaseAmps, line: 3},
		"a_freq": {to: gridHz}, "total_act": {to: imported, scale: wh, how: grid}, "total_act_ret": {to: exported, scale: wh, how: grid},
		"apower": {to: acW, how: grid}, "aenergy.total": {to: total, scale: wh, how: grid},
		"aenergy.by_minute.#": {to: toNothing}, "aenergy.minute_ts": {to: toNothing}, "ret_aenergy.by_minute.#": {to: toNothing},
		"ret_aenergy.minute_ts": {to: toNothing}, "id": {to: toNothing},
	}
	channel := map[string]rule{"id": {to: toNothing}, "voltage": {to: gridV}, "freq": {to: gridHz}}
	plug := map[string]rule{"voltage": {to: gridV}, "freq": {to: gridHz}}
	maps.Copy(plug, rules)
	first := map[string]rule{
		"total_power": {to: gridW, how: grid}, "unixtime": {to: ToTime},
		"emeters.#.power": {to: phaseWatts}, "emeters.#.voltage": {to: phaseVolts}, "emeters.#.current": {to: phaseAmps},
	}
	return []profile{
		{name: "shelly", needs: []string{"params.ts", "method"}, rules: plug, read: shellyParts},
		{name: "shelly", needs: []string{"em:0.total_act_power"}, rules: rules, read: shellyParts},
		{name: "shelly em", needs: []string{"total_act_power", "a_act_power"}, rules: rules},
		{name: "shelly emdata", needs: []string{"total_act_ret", "total_act"}, rules: rules},
		{name: "shelly em1", needs: []string{"aprt_power", "act_power"}, rules: channel},
		{name: "shelly em1data", needs: []string{"total_act_ret_energy", "total_act_energy"}, rules: channel},
		{name: "shelly switch", needs: []string{"apower", "aenergy.total"}, rules: plug, read: shellyParts},
		{name: "shelly gen1", needs: []string{"emeters.0.power", "emeters.0.is_valid"}, rules: first, read: shellyValid},
	}
}

// shellyParts brings the parts of a message together, and nets the energy of a
// plug that counts both ways: its "aenergy" holds both directions.
func shellyParts(w *drafter) string {
	w.doc.unwrap("params.")
	for _, part := range [...]string{"em:0.", "emdata:0."} {
		w.doc.unwrap(part)
	}
	if !w.doc.has("switch:1.") && !w.doc.has("total_act_power") {
		w.doc.unwrap("switch:0.")
	}
	back, ok := w.doc.number("ret_aenergy.total")
	if !ok {
		return ""
	}
	all, both := w.doc.number("aenergy.total")
	for _, name := range [...]string{"aenergy.total", "ret_aenergy.total", "apower"} {
		l := w.doc.find(name)
		switch {
		case l == nil:
		case w.o.Meter == MeterGrid && name == "apower":
		default:
			l.gone = true
			if w.o.Meter != MeterGrid && name != "aenergy.total" {
				w.keep(l, name)
			}
		}
	}
	switch {
	case both && w.o.Meter == MeterGrid:
		w.put(imported, 0, (all-back)/1000, 0)
		w.given(imported, 0, "shelly switch", "aenergy.total", false)
		w.put(exported, 0, back/1000, 0)
		w.given(exported, 0, "shelly switch", "ret_aenergy.total", false)
	case both:
		w.extra("aenergy.total - ret_aenergy.total", all-back)
	}
	return ""
}

// shellyValid leaves out the phases of a first generation meter that says they
// are not valid.
func shellyValid(w *drafter) string {
	for i := range w.doc.leaves {
		l := &w.doc.leaves[i]
		name := w.doc.name(l)
		const suffix = ".is_valid"
		if l.kind != Bool || len(l.text) > 0 || len(name) < len(suffix) || name[len(name)-len(suffix):] != suffix {
			continue
		}
		prefix := name[:len(name)-len(suffix)+1]
		for j := range w.doc.leaves {
			if other := w.doc.name(&w.doc.leaves[j]); len(other) > len(prefix) && other[:len(prefix)] == prefix {
				w.doc.leaves[j].gone = true
			}
		}
		if t := w.doc.find("total_power"); t != nil {
			t.gone = true // the sum of what is valid and what is not
		}
	}
	return ""
}
