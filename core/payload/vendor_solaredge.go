package payload

import (
	"strconv"
	"strings"
)

// solarEdge reads the cloud's power flow, where the direction stands in the list
// of connections alone, and its overview. Source: SolarEdge monitoring API.
func solarEdge() []profile {
	flow := "siteCurrentPowerFlow."
	return []profile{
		{
			name: "solaredge flow", needs: []string{flow + "unit"}, root: flow, read: solarEdgeFlow,
			rules: map[string]rule{
				flow + "updateRefreshRate": {to: toNothing}, flow + "STORAGE.chargeLevel": {to: charge},
			},
		},
		{
			name: "solaredge overview", needs: []string{"overview.currentPower.power"}, root: "overview.",
			rules: map[string]rule{
				"overview.lastUpdateTime": {to: ToTime}, "overview.currentPower.power": {to: acW},
				"overview.lastDayData.energy": {to: today, scale: wh}, "overview.lifeTimeData.energy": {to: total, scale: wh},
			},
		},
	}
}

// solarEdgeFlow gives the grid's and the battery's power the sign that their
// connection tells: what comes from them is positive.
func solarEdgeFlow(w *drafter) string {
	const flow = "siteCurrentPowerFlow."
	dimension, scale := unitOf(w.doc.text(flow + "unit"))
	if dimension != power {
		return "the unit of its powers is not known"
	}
	for _, part := range [...]struct {
		name string
		to   Target
		flow bool
	}{{"PV", solarW, false}, {"LOAD", loadW, false}, {"GRID", gridW, true}, {"STORAGE", batteryW, true}} {
		name := flow + part.name + ".currentPower"
		value, ok := w.doc.number(name)
		if !ok {
			continue
		}
		sign := 1.0
		if part.flow && value != 0 {
			if sign = solarEdgeSign(w.doc, part.name); sign == 0 {
				continue // extra
			}
		}
		w.put(part.to, 0, value*scale*sign, 0)
		w.given(part.to, 0, "solaredge flow", name, false)
		w.doc.find(name).gone = true
	}
	return ""
}

// solarEdgeSign is 1 when power comes from the part, -1 when it goes there, 0
// when nothing or both is told.
func solarEdgeSign(d *doc, part string) (sign float64) {
	for i := range 16 {
		p := "siteCurrentPowerFlow.connections." + strconv.Itoa(i) + "."
		from, to := d.text(p+"from"), d.text(p+"to")
		switch {
		case from == "":
			return sign
		case strings.EqualFold(from, part):
			sign++
		case strings.EqualFold(to, part):
			sign--
		}
	}
	return max(-1, min(1, sign))
}
