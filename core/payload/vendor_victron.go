package payload

import "strings"

// victron reads Venus OS: one value a message, whose meaning stands in the topic.
// There is no name in the payload to know it by: the topic's last names are
// looked up instead, and the mark is one that no payload has; what a phase alone tells stays in extra. Battery power is positive
// when charging. Source: victronenergy/dbus-flashmq, README; dbus wiki.
func victron() []profile {
	return []profile{{
		name: "victron", needs: []string{"pvinverter/#/Ac/Power"},
		rules: map[string]rule{
			"pvinverter/#/Ac/Power": {to: acW}, "pvinverter/#/Ac/Energy/Forward": {to: total},
			"solarcharger/#/Yield/Power": {to: solarW}, "solarcharger/#/Yield/User": {to: total}, "solarcharger/#/Dc/#/Voltage": {to: batteryV},
			"system/#/Dc/Battery/Soc": {to: charge}, "system/#/Dc/Battery/Power": {to: batteryW, scale: -1}, "system/#/Dc/Battery/Voltage": {to: batteryV},
			"system/#/Dc/Pv/Power": {to: solarW}, "grid/#/Ac/Power": {to: gridW}, "grid/#/Ac/Energy/Forward": {to: imported},
			"grid/#/Ac/Energy/Reverse": {to: exported}, "battery/#/Soc": {to: charge}, "battery/#/Dc/#/Voltage": {to: batteryV},
			"battery/#/Dc/#/Power": {to: batteryW, scale: -1},
		},
	}}
}

// victronTopic is the service and path at the end of a topic, "" when none of
// the profile's is there.
func victronTopic(p *profile, topic string) string {
	var room [maxPath]byte
	if len(topic) > maxPath {
		return ""
	}
	for rest := topic; rest != ""; {
		text, _, _ := template(rest, room[:0])
		if _, ok := p.rules[string(text)]; ok {
			return rest
		}
		_, rest, _ = strings.Cut(rest, "/")
	}
	return ""
}
