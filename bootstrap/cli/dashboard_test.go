package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// panel is what is looked at of a panel of the dashboard.
type panel struct {
	ID          int
	Type, Title string
	Description string
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct{ Expr, LegendFormat string }
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "grafana", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheDashboardAsksForMetricsThatExist(t *testing.T) {
	t.Parallel()
	table := documented(t)
	var dashboard struct {
		Title, UID    string
		SchemaVersion int
		Panels        []panel
		Templating    struct{ List []struct{ Name string } }
	}
	if err := json.Unmarshal(read(t, "ampra.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.Title == "" || dashboard.UID == "" || dashboard.SchemaVersion == 0 || len(dashboard.Templating.List) != 3 {
		t.Errorf("the dashboard is %q, %q, version %d", dashboard.Title, dashboard.UID, dashboard.SchemaVersion)
	}
	ids, places, shown, rows := map[int]bool{}, map[[2]int]bool{}, map[string]bool{}, 0
	for _, p := range dashboard.Panels {
		at := [2]int{p.GridPos.X, p.GridPos.Y}
		if p.Title == "" || ids[p.ID] || places[at] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d %q has no title, or the number or place of another", p.ID, p.Title)
		}
		ids[p.ID], places[at] = true, true
		if p.Type == "row" {
			rows++
			continue
		}
		if p.FieldConfig.Defaults.Unit == "" || p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("panel %q has no unit, no description or no query", p.Title)
		}
		for _, target := range p.Targets {
			if err := inQuery(target.Expr, table); err != nil || target.LegendFormat == "" {
				t.Errorf("panel %q, legend %q: %v", p.Title, target.LegendFormat, err)
			}
			for _, name := range expression.FindAllString(target.Expr, -1) {
				shown[name] = true
			}
		}
	}
	if rows < 7 || len(shown) < 40 {
		t.Errorf("the dashboard has %d rows and shows %d metrics", rows, len(shown))
	}
}

func TestTheAlertsAskForMetricsThatExist(t *testing.T) {
	t.Parallel()
	table := documented(t)
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For string
				Labels           map[string]string
				Annotations      map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(read(t, "alerts.yml"), &file); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if err := inQuery(rule.Expr, table); err != nil {
				t.Errorf("%s: %v", rule.Alert, err)
			}
			if names[rule.Alert] || rule.For == "" || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" {
				t.Errorf("%q is there twice, or has no time, severity or summary", rule.Alert)
			}
			names[rule.Alert] = true
		}
	}
	if len(names) < 10 {
		t.Errorf("there are %d alerts", len(names))
	}
}

func TestAQueryForWhatDoesNotExistIsFound(t *testing.T) {
	t.Parallel()
	table := map[string]described{"ampra_a_total": {kind: "counter"}, "ampra_b_seconds": {kind: "histogram"}}
	for query, good := range map[string]bool{
		"rate(ampra_a_total[5m])": true, "ampra_b_seconds_bucket": true, "go_goroutines": true, `up{job="a"} == 0`: true,
		"rate(ampra_c_total[5m])": false, "ampra_b_seconds": false, "ampra_a_total_count": false, "go_x": false, "1 + 1": false,
		"rate(ampra_a_total[5m]": false, "process_nothing": false,
	} {
		if err := inQuery(query, table); (err == nil) != good {
			t.Errorf("%q: %v", query, err)
		}
	}
	if !strings.Contains(string(read(t, "ampra.json")), "ampra_writer_lag_records") {
		t.Error("the dashboard does not show the lag")
	}
}
