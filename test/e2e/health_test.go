package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// attempt is a time that a device knocked in vain.
type attempt struct{ Transport, Reason, Detail string }

// attempts of a source, the first one first.
func (u *user) attempts(id string) []attempt {
	u.t.Helper()
	var found struct{ Attempts []attempt }
	u.want(http.StatusOK, http.MethodGet, "/api/sunsources/"+id+"/attempts", nil).into(u.t, &found)
	slices.Reverse(found.Attempts)
	return found.Attempts
}

// wantAttempts waits for attempts with these reasons, of which each detail holds
// the word that stands behind the colon.
func (u *user) wantAttempts(s source, want ...string) {
	u.t.Helper()
	var got []attempt
	eventually(u.t, fmt.Sprintf("%d attempts of %s are told", len(want), s.Name), func() error {
		if got = u.attempts(s.ID); len(got) < len(want) {
			return fmt.Errorf("so far %v", got)
		}
		return nil
	})
	matches := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		reason, word, _ := strings.Cut(want[i], ":")
		matches = matches && got[i].Reason == reason && strings.Contains(got[i].Detail, word)
	}
	if !matches {
		u.t.Errorf("the attempts of %s are %q, want %q", s.Name, got, want)
	}
}

// knocks are all the ways in which a device may knock in vain.
func knocks(t *testing.T, p pair, roof, off, garage source) {
	t.Helper()
	refused := func(as signIn) {
		t.Helper()
		if _, _, err := try5(t, dial(t, p.holds.mqtt), as); err == nil {
			t.Fatalf("%+v is let in", as)
		}
	}
	good := roof.signIn()
	refused(signIn{good.clientID, good.user, "ak_wrong"})
	refused(signIn{"another", roof.ID, good.password})
	refused(signIn{good.clientID, "another", good.password})
	refused(off.signIn())
	d := connect5(t, dial(t, p.holds.mqtt), good)
	// One after another is noted, since each is acknowledged.
	for _, payload := range []string{
		`{"acPowerWatts": NaN}`, `{"acPowerWatts": 1, "timestamp": "` + time.Now().Add(40*time.Minute).UTC().Format(time.RFC3339Nano) + `"}`,
	} {
		if code, err := d.publish(*roof.Details.Topic, payload); err != nil || code != payloadInvalid {
			t.Fatalf("%s: code 0x%02x, %v", payload, code, err)
		}
	}
	if code, err := d.publish(*off.Details.Topic, watts(1)); err != nil || code != notAuthorized {
		t.Fatalf("another's topic: code 0x%02x, %v", code, err)
	}
	post(t, garage, *garage.Details.Secret, watts(1), standardAt(time.Now().Add(-40*time.Minute)))
	post(t, garage, "wh_wrong", watts(1), plain)
	post(t, garage, *garage.Details.Secret, `{"acPowerWatts": NaN}`, plain)
}

func TestOwnersSeeHowTheirDevicesAreAndKnockInVainWhereverThatWas(t *testing.T) {
	pairs(t, func(t *testing.T, p pair) {
		u := p.u.in(t)
		roof, off, garage := u.add("MQTT", "Roof"), u.add("MQTT", "Off"), u.add("Webhook", "Garage")
		u.want(http.StatusOK, http.MethodPut, "/api/sunsources/"+off.ID, map[string]any{"isActive": false})
		url := p.holds.url() + "/api/webhook/sunsource/" + garage.ID
		garage.Details.URL = &url
		ear := u.listen("/api/live", "")
		ear.identified()

		deliver(t, garage, watts(1500), plain)
		for told := ""; told != "state"; {
			var data map[string]any
			if told, data = ear.event(); told == "state" && (data["sourceId"] != garage.ID || data["state"] != "online") {
				t.Errorf("heard %v", data)
			}
		}
		var status struct {
			State      string
			LastSeenAt time.Time
			Changes    []struct{ State string }
		}
		u.want(http.StatusOK, http.MethodGet, "/api/sunsources/"+garage.ID+"/status", nil).into(t, &status)
		if status.State != "online" || time.Since(status.LastSeenAt) > patience || len(status.Changes) != 1 {
			t.Errorf("the status is %+v", status)
		}
		var over struct {
			Sources int
			States  map[string]int
			Now     map[string]*struct{ Value float64 }
		}
		u.want(http.StatusOK, http.MethodGet, "/api/overview", nil).into(t, &over)
		if over.Sources != 3 || over.States["online"] != 1 || over.States["unknown"] != 2 || over.Now["solarPowerWatts"] == nil || over.Now["solarPowerWatts"].Value != 1500 {
			t.Errorf("the overview is %+v", over)
		}

		knocks(t, p, roof, off, garage)
		u.wantAttempts(roof, "wrongKey:mqttApiKey", "wrongClientId:mqttClientId", "wrongUserName:user name", "unreadable:byte 17",
			"wrongClock:40 minutes ahead", "foreignTopic:"+*off.Details.Topic)
		u.wantAttempts(off, "inactive:not active")
		u.wantAttempts(garage, "wrongClock:40 minutes behind", "badSignature:does not match", "unreadable:byte 17")
		for told := ""; told != "attempt"; {
			told, _ = ear.event()
		}
	})
}
