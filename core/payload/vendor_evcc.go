package payload

// evcc reads the site values of evcc gathered in one object. Grid power is
// positive on import, battery power on discharge. Source: evcc-io/docs,
// integrations/mqtt-api.md.
func evcc() []profile {
	return []profile{{
		name: "evcc", needs: []string{"homePower", "pvPower"},
		rules: map[string]rule{
			"pvPower": {to: solarW}, "homePower": {to: loadW}, "gridPower": {to: gridW}, "grid.power": {to: gridW},
			"batteryPower": {to: batteryW}, "battery.power": {to: batteryW}, "batterySoc": {to: charge}, "battery.soc": {to: charge},
		},
	}}
}
