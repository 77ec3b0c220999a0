package payload

// fronius reads the answers of the Solar API v1: the site's power flow, one
// inverter's values with their units, and the meter. Consumption is negative
// there. An answer with an error's code is no sample. A meter at the load does
// not tell the grid's power. Sources: friissoren/pyfronius; evcc,
// fronius-solarapi-v1.yaml.
func fronius() []profile {
	data := "Body.Data."
	rules := map[string]rule{
		"Head.Timestamp": {to: ToTime}, "Head.Status.Code": {to: toNothing},
		data + "Site.P_PV": {to: solarW}, data + "Site.P_Grid": {to: gridW}, data + "Site.P_Load": {to: loadW, scale: -1},
		data + "Site.P_Akku": {to: batteryW}, data + "Site.E_Day": {to: today, scale: wh}, data + "Site.E_Total": {to: total, scale: wh},
		data + "Inverters.#.P": {to: acW, how: sum}, data + "Inverters.#.SOC": {to: charge, how: alone}, data + "Inverters.#.DT": {to: toNothing},
		data + "Inverters.#.E_Day": {to: toNothing}, data + "Inverters.#.E_Total": {to: toNothing}, data + "Inverters.#.E_Year": {to: toNothing},
		data + "PAC": {to: acW}, data + "UAC": {to: gridV}, data + "FAC": {to: gridHz}, data + "UDC": {to: stringVolts, line: 1},
		data + "IDC": {to: stringAmps, line: 1}, data + "DAY_ENERGY": {to: today, scale: wh}, data + "TOTAL_ENERGY": {to: total, scale: wh},
		data + "DeviceStatus.StatusCode": {to: ToStatusCode}, data + "DeviceStatus.ErrorCode": {to: toNothing},
		data + "PAC.Values.#": {to: acW, how: sum}, data + "DAY_ENERGY.Values.#": {to: today, scale: wh, how: sum},
		data + "TOTAL_ENERGY.Values.#":       {to: total, scale: wh, how: sum},
		data + "PowerReal_P_Sum":             {to: gridW, how: alone},
		data + "EnergyReal_WAC_Sum_Consumed": {to: imported, scale: wh, how: alone}, data + "EnergyReal_WAC_Sum_Produced": {to: exported, scale: wh, how: alone},
		data + "Meter_Location_Current": {to: toNothing},
		data + "Voltage_AC_Phase_#":     {to: phaseVolts, first: 1}, data + "Current_AC_Phase_#": {to: phaseAmps, first: 1},
		data + "Frequency_Phase_Average": {to: gridHz},
	}
	return []profile{{
		name: "fronius", needs: []string{"Head.Status.Code"}, root: data, several: data + "Inverters.2.P", rules: rules,
		read: func(w *drafter) string {
			if code, ok := w.doc.number("Head.Status.Code"); ok && code != 0 {
				reason := "the device answers with an error instead of a sample"
				if text := w.doc.text("Head.Status.Reason"); text != "" && len(text) <= 100 {
					reason += ": " + text
				}
				return reason
			}
			if location, ok := w.doc.number(data + "Meter_Location_Current"); ok && location != 0 || w.doc.has(data+"PowerReal_P_Sum") && !ok {
				w.several = true
			}
			return ""
		},
	}}
}
