package payload

// voltronic reads Voltronic and MPP Solar inverters through Solar2MQTT, and
// through mpp-solar's flat object. Their battery is told in amperes of either
// direction: those stay in extra. Sources: softwarecrash/Solar2MQTT, wiki,
// Datapoints-and-units; mpp-solar's json_mqtt output.
func voltronic() []profile {
	live := map[string]rule{
		"LiveData.AC_Out_Watt": {to: acW}, "LiveData.PV_Input_Power": {to: solarW, how: sum | inString, line: 1},
		"LiveData.PV#_Input_Power":  {to: solarW, how: sum | inString, first: 1},
		"LiveData.PV_Input_Voltage": {to: stringVolts, line: 1}, "LiveData.PV_Input_Current": {to: stringAmps, line: 1},
		"LiveData.PV#_Input_Voltage": {to: stringVolts, first: 1}, "LiveData.PV#_Input_Current": {to: stringAmps, first: 1},
		"LiveData.Battery_Voltage": {to: batteryV}, "LiveData.Battery_Percent": {to: charge},
		"LiveData.AC_In_Voltage": {to: gridV}, "LiveData.AC_In_Frequenz": {to: gridHz},
		"LiveData.Inverter_Operation_Mode": {to: ToStatusText},
	}
	return []profile{
		{name: "solar2mqtt", needs: []string{"LiveData.AC_Out_Watt"}, root: "LiveData.", rules: live},
		{name: "solar2mqtt", needs: []string{"LiveData.PV_Input_Power"}, root: "LiveData.", rules: live},
		{
			name: "mpp-solar", needs: []string{"ac_output_active_power", "battery_capacity"},
			rules: map[string]rule{
				"ac_output_active_power": {to: acW}, "battery_voltage": {to: batteryV}, "battery_capacity": {to: charge},
				"pv_input_power": {to: solarW}, "pv_input_voltage": {to: stringVolts, line: 1}, "pv_input_current_for_battery": {to: stringAmps, line: 1},
				"ac_input_voltage": {to: gridV}, "ac_input_frequency": {to: gridHz}, "inverter_heat_sink_temperature": {to: celsius},
			},
		},
	}
}
