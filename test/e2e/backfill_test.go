package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"
)

// TestWhatADeviceSendsOfYearsAgoIsRightAtOnceAndDisturbsNothing sends what a
// device had stored for ten years, in any order and some of it twice, by webhook
// and by MQTT, while it goes on sending.
func TestWhatADeviceSendsOfYearsAgoIsRightAtOnceAndDisturbsNothing(t *testing.T) {
	t.Parallel()
	u := firstUser(t, newServer(t, "the server", nil).start())
	draw := rand.New(rand.NewPCG(10, 2026)) //nolint:gosec // not a secret
	begin := time.Date(2016, 12, 20, 0, 0, 0, 0, time.UTC)
	const days = 12
	// Each day produces 1 kWh more than the day before, from 6 to 18 o'clock.
	var readings []map[string]any
	total := 1000.0
	for day := range days {
		for hour := 6; hour <= 18; hour++ {
			if hour > 6 {
				total += float64(day+1) / 12
			}
			at := begin.AddDate(0, 0, day).Add(time.Duration(hour) * time.Hour)
			readings = append(readings, map[string]any{"timestamp": at.Format(time.RFC3339), "energyTotalKwh": total})
		}
	}
	all := append(slices.Clone(readings), readings[:40]...)
	draw.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })

	for _, kind := range []string{"Webhook", "MQTT"} {
		t.Run(kind, func(t *testing.T) {
			u := u.in(t)
			s := u.add(kind, kind+" with a memory")
			u.zone(s, "Etc/UTC")
			send := func(body string) { deliver(t, s, body, plain) }
			if kind == "MQTT" {
				d := connect5(t, dial(t, u.server.mqtt), s.signIn())
				send = func(body string) { d.send(*s.Details.Topic, body) }
			}
			now := time.Now().UTC().Truncate(time.Second)
			newest := fmt.Sprintf(`{"timestamp":%q,"energyTotalKwh":50000,"acPowerWatts":777}`, now.Format(time.RFC3339))
			send(newest)
			u.finds(s, 1)
			for part := range slices.Chunk(all, 20) {
				body, err := json.Marshal(part)
				if err != nil {
					t.Fatal(err)
				}
				send(string(body))
			}
			u.finds(s, 1+len(readings))
			for i, b := range u.energies(s, "resolution=day&from=2016-12-20&to=2017-01-01") {
				if !near(b.ProductionKwh, float64(i+1), 0.000001) {
					t.Errorf("%s: got %s, want %d kWh", b.Start, energyText(b), i+1)
				}
			}
			var latest reading
			u.want(http.StatusOK, http.MethodGet, "/api/sunsources/"+s.ID+"/telemetry/latest", nil).into(t, &latest)
			if latest["timestamp"] != now.Format(time.RFC3339) || latest["acPowerWatts"] != 777.0 {
				t.Errorf("the newest is %v", latest)
			}
			var summary struct {
				Now map[string]*struct{ Value float64 }
			}
			u.want(http.StatusOK, http.MethodGet, "/api/sunsources/"+s.ID+"/summary", nil).into(t, &summary)
			if p := summary.Now["acPowerWatts"]; p == nil || p.Value != 777 {
				t.Errorf("now is %v", summary.Now)
			}
		})
	}
}
