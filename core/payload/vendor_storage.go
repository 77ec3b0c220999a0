package payload

// sonnen reads the status of a sonnenBatterie. Feed-in is positive on export,
// the battery's power on discharge. From general knowledge of its local API; no
// source was at hand.
func sonnen() []profile {
	return []profile{{
		name: "sonnen", needs: []string{"GridFeedIn_W", "Production_W"},
		rules: map[string]rule{
			"Production_W": {to: solarW}, "Consumption_W": {to: loadW}, "GridFeedIn_W": {to: gridW, scale: -1}, "Pac_total_W": {to: batteryW},
			"USOC": {to: charge}, "Ubat": {to: batteryV}, "Uac": {to: gridV}, "Fac": {to: gridHz}, "Timestamp": {to: ToTime}, "SystemStatus": {to: ToStatusText},
		},
	}}
}

// senec reads a SENEC storage system, whose numbers are hexadecimal floats in
// texts. The battery's power is positive on charging, the grid's on import. From
// general knowledge of its local interface; no source was at hand.
func senec() []profile {
	return []profile{{
		name: "senec", needs: []string{"ENERGY.GUI_INVERTER_POWER"}, root: "ENERGY.",
		rules: map[string]rule{
			"ENERGY.GUI_INVERTER_POWER": {to: solarW}, "ENERGY.GUI_HOUSE_POW": {to: loadW}, "ENERGY.GUI_GRID_POW": {to: gridW},
			"ENERGY.GUI_BAT_DATA_POWER": {to: batteryW, scale: -1}, "ENERGY.GUI_BAT_DATA_FUEL_CHARGE": {to: charge},
			"ENERGY.GUI_BAT_DATA_VOLTAGE": {to: batteryV}, "ENERGY.STAT_STATE": {to: ToStatusCode},
		},
	}}
}
