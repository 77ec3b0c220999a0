package payload

// solaranzeige reads the values of Solaranzeige gathered in one object. What it
// calls feed-in and purchase is positive on feed-in. Source: evcc,
// solaranzeige-mqtt.yaml.
func solaranzeige() []profile {
	return []profile{{
		name: "solaranzeige", needs: []string{"einspeisung_bezug"},
		rules: map[string]rule{"einspeisung_bezug": {to: gridW, scale: -1}, "pv_leistung": {to: solarW}},
	}}
}
