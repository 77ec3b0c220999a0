package payload

// ahoyDTU reads AhoyDTU's one object a channel. Channel 0 is the inverter, the
// others are its DC inputs, which do not say their number: their YieldTotal is
// not the inverter's. Source: lumapu/ahoy, User_Manual.md and pubMqttIvData.h.
func ahoyDTU() []profile {
	at := rule{to: ToTime}
	return []profile{
		{
			name: "ahoydtu", needs: []string{"P_AC", "YieldTotal"},
			rules: map[string]rule{
				"P_AC": {to: acW}, "P_DC": {to: solarW}, "U_AC": {to: gridV}, "F_AC": {to: gridHz}, "Temp": {to: celsius},
				"YieldDay": {to: today, scale: wh}, "YieldTotal": {to: total}, "ts": at,
			},
		},
		{
			name: "ahoydtu channel", needs: []string{"P_DC", "YieldTotal"}, never: []string{"P_AC"},
			rules: map[string]rule{"ts": at},
		},
	}
}
