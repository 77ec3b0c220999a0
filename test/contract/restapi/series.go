package restapi

import (
	"fmt"
	"strings"
	"testing"
)

func seriesPath(id, query string) string { return sourcePath(id) + "/telemetry/series" + query }

// series tries charts: buckets on the site's clock, with what they come to, and
// gaps as gaps.
func (s *suite) series(t *testing.T) {
	d := s.newDevice(t)
	d.put(t, sourcePath(d.id)+"/settings", object{"timeZone": "Europe/Berlin"}).want(t, 200)
	var readings []string
	for minute := range 120 { // from 10:00 to 12:00, and none for an hour before noon's end
		if minute < 60 || minute >= 90 {
			readings = append(readings, fmt.Sprintf(`{"timestamp":"2026-03-01T%02d:%02d:00+01:00","acPowerWatts":%d}`, 10+minute/60, minute%60, minute))
		}
	}
	d.send(t, "["+strings.Join(readings, ",")+"]").want(t, 202)
	eventually(t, "the readings found", func() bool { return d.get(t, sourcePath(d.id)+"/telemetry/latest").status == 200 })

	for _, query := range []string{
		"?from=2026-03-01T10:00:00%2B01:00&to=2026-03-01T12:00:00%2B01:00&points=4", "?from=2026-03-01T10:00&to=2026-03-01T12:00&points=4&fields=acPowerWatts",
	} {
		got := d.get(t, seriesPath(d.id, query))
		got.want(t, 200)
		chart := got.object(t)
		if chart["timeZone"] != "Europe/Berlin" || chart["bucket"] != "PT30M" || chart["pending"] != false {
			t.Errorf("%s: the chart is %.300s", query, got.body)
		}
		buckets := objects(t, chart["buckets"])
		if len(buckets) != 4 || buckets[0]["start"] != "2026-03-01T10:00:00+01:00" || buckets[3]["end"] != "2026-03-01T12:00:00+01:00" {
			t.Fatalf("%s: the buckets are %v", query, buckets)
		}
		for i, want := range []any{
			object{"min": 0.0, "max": 29.0, "mean": 14.5, "last": 29.0},
			object{"min": 30.0, "max": 59.0, "mean": 44.5, "last": 59.0},
			nil,
			object{"min": 90.0, "max": 119.0, "mean": 104.5, "last": 119.0},
		} {
			values, _ := buckets[i]["values"].(map[string]any)
			if have, listed := values["acPowerWatts"]; !listed || len(values) != 1 || sprint(have) != sprint(want) {
				t.Errorf("%s: bucket %d has %v, want acPowerWatts to be %v", query, i, values, want)
			}
		}
	}

	silent := d.get(t, seriesPath(d.id, "?from=2026-02-01&to=2026-02-03&fields=gridPowerWatts")).object(t)
	for _, bucket := range objects(t, silent["buckets"]) {
		if values, _ := bucket["values"].(map[string]any); len(values) != 1 || values["gridPowerWatts"] != nil {
			t.Fatalf("a bucket without a reading is %v", bucket)
		}
	}
	if first := objects(t, silent["buckets"])[0]["start"]; first != "2026-02-01T00:00:00+01:00" {
		t.Errorf("a date begins at %v", first)
	}

	for field, bad := range map[string][]string{
		"from": {"x", "", "1767225600"}, "to": {"x", "", "2200-01-01"}, "points": {"0", "10001", "x", ""}, "fields": {"power", "acPowerWatts,", "acPowerWatts,%FF"},
	} {
		for _, value := range bad {
			d.get(t, seriesPath(d.id, "?"+field+"="+value)).wantErrors(t, field)
		}
	}
	d.get(t, seriesPath(d.id, "?from=2026-01-02&to=2026-01-01")).wantErrors(t, "to")
	d.get(t, seriesPath(d.id, "?from=x&to=y&points=0&fields=z")).wantErrors(t, "from", "to", "points", "fields")
}
