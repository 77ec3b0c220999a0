package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// quickStart returns the shell blocks below the README's "Quick start", in order.
func quickStart(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n## Quick start\n")
	if !ok {
		t.Fatal("the README has no section Quick start")
	}
	section, _, _ := strings.Cut(rest, "\n## ")
	var blocks []string
	for {
		_, rest, ok := strings.Cut(section, "\n```sh\n")
		if !ok {
			return blocks
		}
		block, after, ok := strings.Cut(rest, "\n```\n")
		if !ok {
			t.Fatal("a shell block of the README has no end")
		}
		blocks, section = append(blocks, block), after
	}
}

func TestTheReadmesQuickStartWorksWhenPasted(t *testing.T) {
	t.Parallel()
	blocks := quickStart(t)
	if len(blocks) != 7 || !strings.Contains(blocks[0], "serve") {
		t.Fatalf("the quick start has %d blocks, want 7 of which the first starts the server: %q", len(blocks), blocks)
	}
	reader := shell(t, t.TempDir(),
		tool{"curl", "curl"}, tool{"jq", "jq"}, tool{"openssl", "openssl"}, tool{"mosquitto_pub", "mosquitto-clients"})
	// As the reader's, but for ports of the test's own.
	s := embedded(t, map[string]string{"AMPRA_MQTT_PUBLIC_HOST": "localhost"}).startAll().api()
	_, http, _ := strings.Cut(s.http, ":")
	_, mqtt, _ := strings.Cut(s.mqtt, ":")
	ports := strings.NewReplacer("localhost:8080", "127.0.0.1:"+http, "-h localhost -p 1883", "-h 127.0.0.1 -p "+mqtt,
		"go run . simulate", ampra(t)+" simulate --url "+s.url())
	said := make([]string, len(blocks))
	for i, block := range blocks[1:] {
		said[i+1] = reader.run(ports.Replace(block))
	}
	if !strings.Contains(said[1], `"role":"Overseer"`) {
		t.Errorf("signing up says %q", said[1])
	}
	if !strings.Contains(said[2], `"role":"Overseer"`) {
		t.Errorf("signing in says %q", said[2])
	}
	if !strings.Contains(said[4], `"accepted":1`) {
		t.Errorf("posting says %q", said[4])
	}
	// Reading back prints two documents one behind the other.
	documents := json.NewDecoder(strings.NewReader(said[5]))
	var latest reading
	var history page
	if err := documents.Decode(&latest); err != nil {
		t.Fatalf("the latest reading: %v: %q", err, said[5])
	}
	if err := documents.Decode(&history); err != nil {
		t.Fatalf("the history: %v: %q", err, said[5])
	}
	if got, want := fmt.Sprint(latest["solarPowerWatts"], latest["gridPowerWatts"], latest["energyTotalKwh"]), "2622.7 -1210.4 26213.502"; got != want {
		t.Errorf("the roof's reading says %s, want %s", got, want)
	}
	if len(history.Readings) != 1 || history.Readings[0]["acPowerWatts"] != 812.5 {
		t.Errorf("the garage's history is %v, want the one reading", history.Readings)
	}
	checkToday(t, said[6])
}

// checkToday looks at what is printed of the simulation and of today's energies.
func checkToday(t *testing.T, said string) {
	t.Helper()
	_, answer, ok := strings.Cut(said, "lost 0, twice 0\n")
	if !ok {
		t.Fatalf("the simulation says %q", said)
	}
	var today struct {
		Start, End                    time.Time
		ProductionKwh, ConsumptionKwh *float64
		GridImportKwh                 *float64
		Coverage                      float64
		Method                        map[string]*string
	}
	if err := json.Unmarshal([]byte(answer), &today); err != nil {
		t.Fatalf("today's energies: %v: %q", err, answer)
	}
	now := time.Now()
	if now.Before(today.Start) || today.Start.Before(now.Add(-25*time.Hour)) || today.End.Sub(today.Start) < 23*time.Hour {
		t.Errorf("today is from %s to %s", today.Start, today.End)
	}
	if now.Sub(today.Start) < 30*time.Minute {
		return // the day is too young for any figures
	}
	if today.ProductionKwh == nil || today.ConsumptionKwh == nil || today.GridImportKwh == nil || *today.ConsumptionKwh <= 0 || today.Coverage <= 0 || today.Method["consumptionKwh"] == nil {
		t.Errorf("today's energies are %s", answer)
	}
}
