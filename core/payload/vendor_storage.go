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

// zendure reads the report of a SolarFlow. Power into the inverter comes from the
// pack and is a discharge; the temperature is in tenths of a kelvin. Source:
// Zendure/zenSDK, en_properties.md.
func zendure() []profile {
	rules := map[string]rule{
		"solarInputPower": {to: solarW}, "solarPower#": {to: stringWatts, first: 1},
		"packInputPower": {to: batteryW, how: sum}, "outputPackPower": {to: batteryW, scale: -1, how: sum},
		"outputHomePower": {to: acW, how: sum}, "gridInputPower": {to: acW, scale: -1, how: sum},
		"electricLevel": {to: charge}, "BatVolt": {to: batteryV, scale: 0.01}, "hyperTmp": {to: celsius, scale: tenth, zero: 2731},
	}
	const root = "properties."
	nested := map[string]rule{"timestamp": {to: ToTime}}
	for name, r := range rules {
		nested[root+name] = r
	}
	both := []Target{batteryW, acW}
	return []profile{
		{name: "zendure", needs: []string{"packInputPower", "outputPackPower", "electricLevel"}, rules: rules, both: both},
		{
			name: "zendure", needs: []string{root + "packInputPower", root + "outputPackPower", root + "electricLevel"}, root: root,
			rules: nested, both: both,
		},
	}
}

// lxpBridge reads a LuxPower inverter's registers. They come in three packets of
// one time, each with fields of its own, which become one reading as they are
// stored; or all together. Source: celsworth/lxp-bridge, inputs.md.
func lxpBridge() []profile {
	rules := map[string]rule{
		"time": {to: ToTime}, "status": {to: ToStatusCode},
		"p_pv": {to: solarW}, "p_pv_#": {to: stringWatts, first: 1}, "v_pv_#": {to: stringVolts, first: 1},
		"p_discharge": {to: batteryW, how: sum}, "p_charge": {to: batteryW, scale: -1, how: sum}, "soc": {to: charge}, "v_bat": {to: batteryV},
		"p_to_user": {to: gridW, how: sum}, "p_to_grid": {to: gridW, scale: -1, how: sum}, "v_ac_r": {to: gridV}, "f_ac": {to: gridHz},
		"e_pv_day": {to: today}, "e_pv_all": {to: total}, "e_to_user_all": {to: imported}, "e_to_grid_all": {to: exported},
		"e_chg_all": {to: charged}, "e_dischg_all": {to: discharged}, "t_inner": {to: celsius},
	}
	var packets []profile
	for _, needs := range [][]string{{"p_to_user", "e_to_user_day"}, {"e_to_user_all", "e_pv_all"}, {"max_chg_curr", "dischg_cut_volt"}} {
		packets = append(packets, profile{name: "lxp-bridge", needs: needs, rules: rules, both: []Target{gridW, batteryW}})
	}
	return packets
}
