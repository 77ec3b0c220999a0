package payload

import "strings"

// topicVendors are the devices that publish each value on a topic of its own. The
// rules' names are the last levels of the topics, joined by dots; any of the marks
// is a topic that no other has.
func topicVendors() []topicVendor {
	return []topicVendor{
		openDTUTopics(), ahoyDTUTopics(), solarAssistantTopics(), victronTopics(), shellyTopics(),
		{vendor: evcc()[0], marks: []string{"homePower", "pvPower", "site.grid.power", "site.battery.soc", "greenShareHome"}},
		{vendor: solaranzeige()[0], marks: []string{"einspeisung_bezug", "pv_leistung"}},
		{vendor: solarman()[1], marks: []string{"station.generationPower", "station.usePower", "station.chargePower", "station.dischargePower", "station.batterySoc"}},
	}
}

type topicVendor struct {
	vendor profile
	marks  []string
}

//nolint:gochecknoglobals // a table that nobody writes to
var topicProfilesByMark = topicMarks(topicVendors())

func topicMarks(all []topicVendor) map[string]*profile {
	by := make(map[string]*profile)
	for i := range all {
		for _, mark := range all[i].marks {
			by[mark] = &all[i].vendor
		}
	}
	return by
}

//nolint:gochecknoglobals // a table that nobody writes to
var topicProfilesByName = topicNames(topicProfilesByMark)

func topicNames(byMark map[string]*profile) map[string]*profile {
	by := make(map[string]*profile)
	for _, p := range byMark {
		by[p.name] = p
	}
	return by
}

// openDTUTopics reads OpenDTU's topics. Number 0 is the inverter's output, the
// others its strings; yieldday is in Wh, yieldtotal in kWh. With several inverters
// only the sums that it publishes are the source's. Source: OpenDTU-docs,
// mqtt_topics.md.
func openDTUTopics() topicVendor {
	return topicVendor{
		marks: []string{
			"#.yieldday", "#.yieldtotal", "#.powerdc", "#.irradiation", "ac.yieldday", "ac.yieldtotal", "ac.is_valid",
			"status.producing", "status.reachable", "status.limit_absolute", "status.last_update", "dc.irradiation",
		},
		vendor: profile{name: "opendtu", rules: map[string]rule{
			"ac.power": {to: acW}, "dc.power": {to: solarW}, "ac.yieldday": {to: today, scale: wh}, "ac.yieldtotal": {to: total},
			"0.power": {to: acW, how: alone | backup}, "0.powerdc": {to: solarW, how: alone | backup}, "0.voltage": {to: gridV},
			"0.frequency": {to: gridHz}, "0.temperature": {to: celsius, how: alone},
			"0.yieldday": {to: today, scale: wh, how: alone | backup}, "0.yieldtotal": {to: total, how: alone | backup},
			"#.voltage": {to: stringVolts, first: 1, how: alone}, "#.current": {to: stringAmps, first: 1, how: alone},
			"#.power": {to: stringWatts, first: 1, how: alone}, "0.current": {to: toNothing}, "status.last_update": {to: ToTime},
			"status.reachable": {to: toNothing}, "status.producing": {to: toNothing}, "ac.is_valid": {to: toNothing}, "dc.is_valid": {to: toNothing},
		}},
	}
}

// ahoyDTUTopics reads AhoyDTU's topics, a channel each: 0 is the inverter's
// output. Source: lumapu/ahoy, User_Manual.md.
func ahoyDTUTopics() topicVendor {
	return topicVendor{
		marks: []string{"ch#.P_AC", "ch#.P_DC", "ch#.YieldDay", "ch#.YieldTotal", "ch#.U_AC", "ch#.U_DC", "total.P_AC", "total.YieldTotal"},
		vendor: profile{name: "ahoydtu", rules: map[string]rule{
			"total.P_AC": {to: acW}, "total.P_DC": {to: solarW}, "total.YieldDay": {to: today, scale: wh}, "total.YieldTotal": {to: total},
			"ch0.P_AC": {to: acW, how: alone | backup}, "ch0.P_DC": {to: solarW, how: alone | backup}, "ch0.U_AC": {to: gridV}, "ch0.F_AC": {to: gridHz},
			"ch0.Temp": {to: celsius, how: alone}, "ch0.YieldDay": {to: today, scale: wh, how: alone | backup}, "ch0.YieldTotal": {to: total, how: alone | backup},
			"ch#.U_DC": {to: stringVolts, first: 1, how: alone}, "ch#.I_DC": {to: stringAmps, first: 1, how: alone},
			"ch#.P_DC": {to: stringWatts, first: 1, how: alone}, "last_success": {to: ToTime},
		}},
	}
}

// solarAssistantTopics reads SolarAssistant's topics, whose last level is always
// "state". Battery power is positive when charging; the sums of all batteries go
// before. Source: ai-republic/bms-to-inverter, issue 132; the topics of inverters
// are not from there, and marked as assumed.
func solarAssistantTopics() topicVendor {
	return topicVendor{
		marks: []string{"battery_#.state_of_charge", "total.battery_state_of_charge", "total.battery_power", "inverter_#.device_mode", "inverter_#.pv_power"},
		vendor: profile{name: "solarassistant", rules: map[string]rule{
			"total.battery_power": {to: batteryW, scale: -1}, "total.battery_state_of_charge": {to: charge},
			"battery_#.power":           {to: batteryW, scale: -1, how: alone | backup | device},
			"battery_#.state_of_charge": {to: charge, how: alone | backup | device}, "battery_#.voltage": {to: batteryV},
			"inverter_#.pv_power": {to: solarW, how: assumed | sum}, "inverter_#.grid_power": {to: gridW, how: assumed | sum},
			"inverter_#.load_power": {to: loadW, how: assumed | sum}, "inverter_#.device_mode": {to: ToStatusText},
		}},
	}
}

// victronTopics are the topics of victron, joined by dots.
func victronTopics() topicVendor {
	dotted := topicVendor{vendor: profile{name: "victron", rules: map[string]rule{}}}
	for name, r := range victron()[0].rules {
		name = strings.ReplaceAll(name, "/", ".")
		dotted.vendor.rules[name] = r
		dotted.marks = append(dotted.marks, name)
	}
	return dotted
}

// shellyTopics reads the topics of first generation Shellys: energies in Wh, those
// of relays in watt-minutes. The phases of a meter come one by one and do not tell
// how many they are: their sum is not made. Source: shelly-api-docs.shelly.cloud;
// evcc, meter/shelly.
func shellyTopics() topicVendor {
	const wattMinutes = wh / 60
	return topicVendor{
		marks: []string{"emeter.#.power", "emeter.#.total", "emeter.#.total_returned", "relay.#.power", "relay.#.energy"},
		vendor: profile{name: "shelly gen1", rules: map[string]rule{
			"emeter.#.power": {to: phaseWatts}, "emeter.#.voltage": {to: phaseVolts}, "emeter.#.current": {to: phaseAmps},
			"relay.#.power":  {to: acW, how: meter | assumed | alone | device},
			"relay.#.energy": {to: total, scale: wattMinutes, how: meter | assumed | alone | device},
		}},
	}
}
