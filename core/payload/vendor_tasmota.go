package payload

// tasmota reads SENSOR and STATUS8 messages of Tasmota's plugs, energies in kWh,
// several channels as lists, and of its smart meter interface, whose power is
// negative on export. A plug that a solar source reports through is taken for
// its output, a smart meter for the grid's. Source: tasmota/docs, Sonoff-Pow.md
// and Smart-Meter-Interface.
func tasmota() []profile {
	plug := map[string]rule{
		"Time":           {to: ToTime},
		"ENERGY.Power":   {to: acW, how: meter | assumed},
		"ENERGY.Power.#": {to: acW, how: meter | assumed | sum},
		"ENERGY.Today":   {to: today, how: meter | assumed},
		"ENERGY.Total":   {to: total, how: meter | assumed},
		"ENERGY.Voltage": {to: gridV}, "ENERGY.Frequency": {to: gridHz},
	}
	smart := map[string]rule{
		"Time":           {to: ToTime},
		"SML.Power_curr": {to: gridW, how: meter | assumed},
		"SML.Total_in":   {to: imported, how: meter | assumed},
		"SML.Total_out":  {to: exported, how: meter | assumed},
		"SML.power_l#":   {to: phaseWatts, first: 1}, "SML.voltage_l#": {to: phaseVolts, first: 1}, "SML.current_l#": {to: phaseAmps, first: 1},
		"SML.freq": {to: gridHz},
	}
	unwrap := func(w *drafter) string { w.doc.unwrap("StatusSNS."); return "" }
	return []profile{
		{name: "tasmota", needs: []string{"ENERGY.Power"}, rules: plug},
		{name: "tasmota", needs: []string{"ENERGY.Power.0"}, rules: plug},
		{name: "tasmota", needs: []string{"StatusSNS.ENERGY.Power"}, rules: plug, read: unwrap},
		{name: "tasmota", needs: []string{"StatusSNS.ENERGY.Power.0"}, rules: plug, read: unwrap},
		{name: "tasmota sml", needs: []string{"SML.Power_curr"}, rules: smart},
		{name: "tasmota sml", needs: []string{"SML.Total_in"}, rules: smart},
		{name: "tasmota sml", needs: []string{"StatusSNS.SML.Total_in"}, rules: smart, read: unwrap},
	}
}
