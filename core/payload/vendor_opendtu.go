package payload

// openDTU reads the HTTP answer of OpenDTU (livedata status), whose values stand
// beside their units. YieldDay is in Wh and YieldTotal in kWh; the strings are
// counted from 0. Source: OpenDTU-docs, mqtt_topics.md; payloads of its web API.
func openDTU() []profile {
	return []profile{{
		name: "opendtu", needs: []string{"total.Power", "inverters.0.serial"}, several: "inverters.1.serial",
		rules: map[string]rule{
			"total.Power":                   {to: acW},
			"total.YieldDay":                {to: today, scale: wh},
			"total.YieldTotal":              {to: total},
			"inverters.0.AC.0.Voltage":      {to: gridV},
			"inverters.0.AC.0.Frequency":    {to: gridHz},
			"inverters.#.INV.#.Power DC":    {to: solarW, how: sum},
			"inverters.#.INV.#.Temperature": {to: celsius, how: alone},
			"inverters.#.DC.#.Voltage":      {to: stringVolts, how: alone},
			"inverters.#.DC.#.Current":      {to: stringAmps, how: alone},
			"inverters.#.DC.#.Power":        {to: stringWatts, how: alone},
			"inverters.0.data_age":          {to: ToAge, how: alone},
			"inverters.#.AC.#.Power":        {to: toNothing},
			"inverters.#.limit_relative":    {to: toNothing},
			"inverters.#.poll_enabled":      {to: toNothing},
			"inverters.#.order":             {to: toNothing},
			"hints.time_sync":               {to: toNothing},
		},
	}}
}
