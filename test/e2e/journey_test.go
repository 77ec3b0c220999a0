package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTheJourneyFromSignUpToAReadingReadBack(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		journey(t, embedded(t, nil).startAll(), nil)
	})
	t.Run("scale in one process", func(t *testing.T) {
		t.Parallel()
		journey(t, scale(t, nil).startAll(), nil)
	})
	t.Run("scale in three processes", func(t *testing.T) {
		t.Parallel()
		journey(t, split(t, 1).startAll(), nil)
	})
	t.Run("scale behind a Mosquitto", func(t *testing.T) {
		t.Parallel()
		h, broker := outside(t)
		journey(t, h.startAll(), broker)
	})
}

// journey is what a new user does with two devices. With an outside broker the
// MQTT device is a client there.
func journey(t *testing.T, h *house, broker *dynsec) {
	u := firstUser(t, h.api())
	var me struct{ Email, Role string }
	u.want(http.StatusOK, http.MethodGet, "/api/auth/me", nil).into(t, &me)
	if me.Email != u.email || me.Role != "Overseer" {
		t.Errorf("the first account is %+v, want %s as Overseer", me, u.email)
	}
	roof, garage := u.add("MQTT", "Roof"), u.add("Webhook", "Garage")
	checkDetails(t, h.api(), roof, garage)

	base := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	at := func(minute int) string { return base.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339) }
	topic := *roof.Details.Topic
	secure, open := net.Conn(nil), ""
	if broker == nil {
		secure, open = dialTLS(t, h.api()), h.api().mqtt
	} else {
		broker.device(roof)
		secure, open = dial(t, broker.url.Host), broker.url.Host
	}
	five := connect5(t, secure, roof.signIn())
	five.send(topic, `{"timestamp": "`+at(0)+`", "solarPowerWatts": 2622.7, "gridPowerWatts": -1210.4, "energyTotalKwh": 26213.502}`)
	five.leave()
	three, code := connect3(t, dial(t, open), roof.signIn())
	if code != 0 {
		t.Fatalf("signing in by MQTT 3.1.1: code %d", code)
	}
	if err := three.publish(topic, `[{"timestamp": "`+at(1)+`", "solarPowerWatts": 2600}, {"timestamp": "`+at(2)+`", "solarPowerWatts": 2500, "foo": 7}]`); err != nil {
		t.Fatalf("publishing by MQTT 3.1.1: %v", err)
	}

	receipt := deliver(t, garage, `{"timestamp": "`+at(0)+`", "acPowerWatts": 812.5, "status": {"text": "OK"}}`, standard)
	if want := `{"accepted":1,"rejected":[],"warnings":[]}`; receipt.body != want {
		t.Errorf("the webhook answered %s, want %s", receipt.body, want)
	}
	deliver(t, garage, `[{"timestamp": "`+at(1)+`", "acPowerWatts": 800, "phases": [{"voltageVolts": 231.5}]}]`, plain)
	again := deliver(t, garage, `{"timestamp": "`+at(1)+`", "gridFrequencyHertz": 50.01}`, plain)
	if !strings.Contains(again.body, `"accepted":1`) {
		t.Errorf("the webhook answered %s", again.body)
	}

	sent := time.Now()
	readings := u.finds(roof, 3)
	t.Logf("found %s after the last acknowledgement; started in %s", time.Since(sent).Round(time.Millisecond), h.api().startTook.Round(time.Millisecond))
	checkRoof(t, u, roof, readings, base)
	eventually(t, "the two deliveries for one moment are one reading", func() error {
		all, err := u.everything(garage.ID)
		if err != nil {
			return err
		}
		if len(all) != 2 || all[1]["acPowerWatts"] != 800.0 || all[1]["gridFrequencyHertz"] != 50.01 {
			return fmt.Errorf("%v", all)
		}
		return nil
	})
	checkUse(t, u, roof, garage)

	u.want(http.StatusNoContent, http.MethodDelete, "/api/sunsources/"+garage.ID, nil)
	u.want(http.StatusNotFound, http.MethodGet, "/api/sunsources/"+garage.ID+"/telemetry/latest", nil)
	u.finds(roof, 3)
}

// checkDetails looks at what the devices are told.
func checkDetails(t *testing.T, s *server, roof, garage source) {
	t.Helper()
	d := roof.Details
	if d.Host == nil || d.Port == nil || d.ClientID == nil || d.Key == nil || d.Topic == nil || d.URL != nil || d.Secret != nil {
		t.Fatalf("an MQTT source's details: %+v", d)
	}
	_, port, _ := net.SplitHostPort(s.mqttTLS)
	if *d.Host != "127.0.0.1" || fmt.Sprint(*d.Port) != port {
		t.Errorf("the broker is shown at %s:%d, want 127.0.0.1:%s", *d.Host, *d.Port, port)
	}
	if want := "sunsource_" + roof.ID[:8]; *d.ClientID != want {
		t.Errorf("the client id is %s, want %s", *d.ClientID, want)
	}
	if want := "sunsource/" + roof.ID + "/data"; *d.Topic != want {
		t.Errorf("the topic is %s, want %s", *d.Topic, want)
	}
	if !strings.HasPrefix(*d.Key, "ak_") || len(*d.Key) != len("ak_")+43 {
		t.Errorf("the key is not ak_ and 32 bytes in base64url: %d characters", len(*d.Key))
	}
	d = garage.Details
	if d.Host != nil || d.Port != nil || d.ClientID != nil || d.Key != nil || d.Topic != nil || d.URL == nil || d.Secret == nil {
		t.Fatalf("a webhook source's details: %+v", d)
	}
	if want := s.url() + "/api/webhook/sunsource/" + garage.ID; *d.URL != want {
		t.Errorf("the webhook is at %s, want %s", *d.URL, want)
	}
}

// checkRoof looks at values, nulls, order and pages.
func checkRoof(t *testing.T, u *user, roof source, readings []reading, base time.Time) {
	t.Helper()
	first := readings[0]
	for name, want := range map[string]any{
		"timestamp": base.Format("2006-01-02T15:04:05.000Z"), "solarPowerWatts": 2622.7, "gridPowerWatts": -1210.4,
		"energyTotalKwh": 26213.502, "acPowerWatts": nil, "status": nil,
	} {
		got, there := first[name]
		if text, ok := got.(string); ok && name == "timestamp" {
			moment, err := time.Parse(time.RFC3339Nano, text)
			if err != nil || !moment.Equal(base) || !strings.HasSuffix(text, "Z") {
				t.Errorf("timestamp is %s, want %s", text, want)
			}
			continue
		}
		if !there || got != want {
			t.Errorf("%s is %v (there: %t), want %v", name, got, there, want)
		}
	}
	if strings, ok := first["strings"].([]any); !ok || len(strings) != 0 {
		t.Errorf("strings is %v, want an empty list", first["strings"])
	}
	if extra, ok := readings[2]["extra"].(map[string]any); !ok || extra["foo"] != 7.0 {
		t.Errorf("extra is %v, want foo kept", readings[2]["extra"])
	}
	var latest reading
	u.want(http.StatusOK, http.MethodGet, "/api/sunsources/"+roof.ID+"/telemetry/latest", nil).into(t, &latest)
	if latest["solarPowerWatts"] != 2500.0 {
		t.Errorf("the latest reading is %v, want that of minute 2", latest)
	}
	var powers []any
	for query := "?limit=1"; query != ""; {
		p, err := u.history(roof.ID, query)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Readings {
			powers = append(powers, r["solarPowerWatts"])
		}
		query = ""
		if p.Next != nil {
			query = "?limit=1&cursor=" + *p.Next
		}
	}
	if got, want := fmt.Sprint(powers), "[2500 2600 2622.7]"; got != want {
		t.Errorf("page by page, newest first: %s, want %s", got, want)
	}
	from, to := base.Add(time.Minute).Format(time.RFC3339), base.Add(2*time.Minute).Format(time.RFC3339)
	if p, err := u.history(roof.ID, "?from="+from+"&to="+to); err != nil || len(p.Readings) != 1 {
		t.Errorf("from inclusive, to exclusive: %v, %v; want the one of minute 1", p.Readings, err)
	}
}

// checkUse looks at what the owner is told of the credentials' use: an outside
// broker does not tell us of sign-ins.
func checkUse(t *testing.T, u *user, roof, garage source) {
	t.Helper()
	for _, s := range []source{roof, garage} {
		if u.server.settings["AMPRA_MQTT_URL"] != "" && s.Type == "MQTT" {
			continue
		}
		eventually(t, "the use of "+s.Name+"'s credential shows", func() error {
			var c struct {
				Kind       string
				LastUsedAt *time.Time
			}
			u.want(http.StatusOK, http.MethodGet, "/api/sunsources/"+s.ID+"/credentials", nil).into(t, &c)
			if c.LastUsedAt == nil {
				return fmt.Errorf("%+v", c)
			}
			return nil
		})
	}
}
