package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"ampra/test/rotation"
	"ampra/test/stack"
)

// rotations is how often keys are rotated here: AMPRA_ROTATIONS, or few.
func rotations(t *testing.T) int {
	t.Helper()
	text := os.Getenv("AMPRA_ROTATIONS")
	if text == "" {
		return 160
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("AMPRA_ROTATIONS is %q, expected a number", text)
	}
	return n
}

func TestNoSessionOfAnOldKeyOutlivesItsRotation(t *testing.T) {
	t.Parallel()
	t.Run("embedded broker", func(t *testing.T) {
		t.Parallel()
		h := embedded(t, map[string]string{"AMPRA_LOG_LEVEL": "info"}).startAll()
		rotateOften(t, h.api(), h.api().mqtt)
	})
	t.Run("Mosquitto", func(t *testing.T) {
		t.Parallel()
		m := newMosquitto(t)
		settings := m.settings()
		settings["AMPRA_LOG_LEVEL"] = "info"
		h := embedded(t, settings).startAll()
		rotateOften(t, h.api(), m.address)
	})
}

// rotateOften rotates the keys of a few sources while devices use them.
func rotateOften(t *testing.T, s *server, broker string) {
	t.Helper()
	const sources = 8
	u := firstUser(t, s)
	cfg := rotation.Config{Broker: broker, Rotations: rotations(t), Seed: 1, Rotate: func(ctx context.Context, source string) (string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url()+"/api/sunsources/"+source+"/regenerate-mqtt-key", nil)
		if err != nil {
			return "", err
		}
		a, err := fetch(u.http, request)
		if err != nil || a.status != http.StatusOK {
			return "", fmt.Errorf("%s: status %d: %s: %w", a.call, a.status, a.body, err)
		}
		var made struct{ MqttApiKey string }
		err = json.Unmarshal([]byte(a.body), &made)
		return made.MqttApiKey, err
	}}
	for i := range sources {
		one := u.add("MQTT", fmt.Sprintf("Roof %d", i))
		cfg.Sources = append(cfg.Sources, rotation.Source{
			ID: one.ID, ClientID: *one.Details.ClientID, Key: *one.Details.Key, Topic: *one.Details.Topic,
		})
	}
	report, err := rotation.Run(t.Context(), cfg)
	t.Logf("%s: %s", t.Name(), report)
	if err != nil {
		t.Fatal(err)
	}
	if report.Late > 0 || len(report.Wrong) > 0 {
		t.Error("sessions of old keys live on, see above")
	}
	if report.Sessions < report.Rotations/2 {
		t.Errorf("%d sessions in %d rotations: nothing was tried", report.Sessions, report.Rotations)
	}
	for _, one := range cfg.Sources {
		all, err := u.everything(one.ID)
		if err != nil || len(all) == 0 {
			t.Fatalf("%d readings of %s, %v", len(all), one.ID, err)
		}
		for _, r := range all {
			if r["batteryVoltageVolts"] != nil {
				t.Errorf("a reading that was published with an old key after the answer is found: %v", r)
			}
		}
	}
}

// guardedBroker is a Mosquitto whose clients Ampra keeps.
type guardedBroker struct {
	t             *testing.T
	url           *url.URL
	address, name string
}

// newMosquitto prepares the settings of an installation of its own at it.
func newMosquitto(t *testing.T) *guardedBroker {
	t.Helper()
	u, err := url.Parse(stack.Mosquitto(t))
	if err != nil {
		t.Fatal("the broker's address is no URL")
	}
	return &guardedBroker{t: t, url: u, address: u.Host, name: "e2e-" + strings.ToLower(rand.Text())}
}

// settings are those of a process: it administers the broker, and reads it under
// an account that it makes itself.
func (g *guardedBroker) settings() map[string]string {
	reader := *g.url
	reader.User = url.UserPassword(g.name, "reads-all")
	return map[string]string{
		"AMPRA_MQTT_URL": reader.String(), "AMPRA_MQTT_ADMIN_URL": g.url.String(), "AMPRA_MQTT_GROUP": g.name, "AMPRA_MQTT_CONNECTIONS": "2",
		"AMPRA_MQTT_SESSION_EXPIRY": "10m",
	}
}
