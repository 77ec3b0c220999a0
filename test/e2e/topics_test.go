package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// A talker publishes each of its values on a topic of its own, as OpenDTU, Ahoy,
// Victron and many others do.
type talker struct {
	name   string
	qos    byte
	retain bool
	// values are topics below the source's and payloads, in the device's order.
	values func(at time.Time) [][2]string
	// want are fields of the one reading, rules what ?explain=true says of some.
	want  map[string]any
	rules map[string]string
	// count is how many readings it comes to.
	count int
}

func talkers() []talker {
	return []talker{
		{
			name: "OpenDTU", retain: true, count: 2,
			values: func(at time.Time) [][2]string {
				return [][2]string{
					{"116180000001/name", "Roof East"},
					{"116180000001/status/reachable", "1"},
					{"116180000001/status/producing", "1"},
					{"116180000001/status/last_update", fmt.Sprint(at.Unix())},
					{"116180000001/0/power", "612.4"},
					{"116180000001/0/powerdc", "641.9"},
					{"116180000001/0/voltage", "231.6"},
					{"116180000001/0/yieldday", "1834"},
					{"116180000001/0/yieldtotal", "912.473"},
					{"116180000001/1/voltage", "33.1"},
					{"116180000001/1/power", "320.1"},
					{"dtu/status", "online"},
					{"dtu/hostname", ""},
				}
			},
			want:  map[string]any{"acPowerWatts": 612.4, "solarPowerWatts": 641.9, "gridVoltageVolts": 231.6, "energyTodayKwh": 1.834, "energyTotalKwh": 912.473},
			rules: map[string]string{"acPowerWatts": "opendtu", "timestamp": "opendtu"},
		},
		{
			name: "Ahoy", qos: 1, count: 1,
			values: func(at time.Time) [][2]string {
				return [][2]string{
					{"east/ch0/P_AC", "303.9"},
					{"east/ch0/U_AC", "232.1"},
					{"east/ch0/YieldDay", "744"},
					{"east/ch0/YieldTotal", "512.087"},
					{"east/ch1/P_DC", "160"},
					{"east/available", "2"},
					{"east/last_success", fmt.Sprint(at.Unix())},
					{"total/P_AC", "303.9"},
				}
			},
			want:  map[string]any{"acPowerWatts": 303.9, "gridVoltageVolts": 232.1, "energyTodayKwh": 0.744, "energyTotalKwh": 512.087},
			rules: map[string]string{"acPowerWatts": "ahoydtu"},
		},
		{
			name: "Victron", count: 1,
			values: func(time.Time) [][2]string {
				return [][2]string{
					{"N/c0619ab00001/pvinverter/20/Ac/Power", `{"value":936}`},
					{"N/c0619ab00001/pvinverter/20/Ac/L2/Power", `{"value":null}`},
					{"N/c0619ab00001/system/0/Dc/Battery/Soc", `{"value":78}`},
					{"N/c0619ab00001/system/0/Dc/Battery/Power", `{"value":-310}`},
					{"N/c0619ab00001/pvinverter/21/Ac/Power", ""},
				}
			},
			want:  map[string]any{"acPowerWatts": 936.0, "batteryStateOfChargePercent": 78.0, "batteryPowerWatts": 310.0},
			rules: map[string]string{"batteryPowerWatts": "victron"},
		},
		{
			name: "ESPHome", qos: 1, count: 1,
			values: func(time.Time) [][2]string {
				return [][2]string{
					{"garage-inverter/status", "online"},
					{"garage-inverter/sensor/growatt_pv1_active_power/state", "812.4"},
					{"garage-inverter/sensor/growatt_today_s_generation/state", "4.3"},
					{"garage-inverter/sensor/spare/state", "nan"},
					{"homeassistant/sensor/x/config", `{"name":"PV power","unique_id":"x","state_topic":"a/b","device_class":"power"}`},
					{"garage-inverter/currents", "[1.5,2]"},
				}
			},
			want:  map[string]any{"solarPowerWatts": 812.4, "energyTodayKwh": 4.3},
			rules: map[string]string{"solarPowerWatts": "words, usual unit"},
		},
	}
}

func TestValuesOnTopicsOfTheirOwnAreOneReadingAnInterval(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		talk(t, embedded(t, nil).startAll(), nil)
	})
	t.Run("scale behind a Mosquitto", func(t *testing.T) {
		t.Parallel()
		h, broker := outside(t)
		// Over several, values of intervals that follow each other at once may mix.
		h.api().settings["AMPRA_MQTT_CONNECTIONS"] = "1"
		talk(t, h.startAll(), broker)
	})
}

// talk lets each of the devices publish an interval's values, and those that tell
// their time all of it again as when they come back, and then another's.
func talk(t *testing.T, h *house, broker *dynsec) {
	u, now := firstUser(t, h.api()), time.Now().Truncate(time.Second)
	sources := map[string]source{}
	for _, one := range talkers() {
		s := u.add("MQTT", one.name)
		sources[one.name] = s
		address := h.api().mqtt
		if broker != nil {
			broker.device(s)
			address = broker.url.Host
		}
		says := func(at time.Time, found int) {
			d := connect5(t, dial(t, address), s.signIn())
			for _, v := range one.values(at) {
				d.publishAs(&paho.Publish{QoS: one.qos, Retain: one.retain, Topic: *s.Details.Topic + "/" + v[0], Payload: []byte(v[1])})
			}
			d.send(*s.Details.Topic+"/uptime", "none") // the answer comes behind those of all before
			d.leave()
			u.finds(s, found)
		}
		says(now.Add(-2*time.Second), 1)
		if one.retain {
			says(now.Add(-2*time.Second), 1)
			says(now.Add(-time.Second), 2)
		}
	}
	for _, one := range talkers() {
		eventually(t, one.name+" is understood", func() error {
			for i, r := range u.finds(sources[one.name], one.count) {
				for _, field := range slices.Sorted(maps.Keys(one.want)) {
					if r[field] != one.want[field] {
						return fmt.Errorf("%s of reading %d is %v, want %v", field, i, r[field], one.want[field])
					}
				}
			}
			return nil
		})
		u.explains(sources[one.name], one.rules)
		var known struct{ Attempts []any }
		u.want(http.StatusOK, http.MethodGet, "/api/sunsources/"+sources[one.name].ID+"/attempts", nil).into(t, &known)
		if len(known.Attempts) > 0 {
			t.Errorf("%s: refused: %v", one.name, known.Attempts)
		}
	}
	for _, one := range talkers() { // also after all that was held back came
		u.finds(sources[one.name], one.count)
	}
}

// publishAs publishes what must be taken.
func (d *device5) publishAs(p *paho.Publish) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	if ack, err := d.client.Publish(ctx, p); err != nil || ack != nil && ack.ReasonCode >= 0x80 {
		d.t.Fatalf("publishing to %s: %+v, %v", p.Topic, ack, err)
	}
}

// explains waits until the latest reading says by which rules it was understood.
func (u *user) explains(s source, rules map[string]string) {
	u.t.Helper()
	eventually(u.t, s.Name+" is explained", func() error {
		got, err := u.do(http.MethodGet, "/api/sunsources/"+s.ID+"/telemetry/latest?explain=true", nil)
		if err != nil {
			return err
		}
		var latest struct {
			Explain map[string]struct{ Rule *string }
		}
		got.into(u.t, &latest)
		for field, want := range rules {
			if rule := latest.Explain[field].Rule; rule == nil || *rule != want {
				return fmt.Errorf("%s is not explained by %s: %s", field, want, got.body)
			}
		}
		return nil
	})
}
