package restapi

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

// reading are the names of a reading, in their order.
const readingNames = "timestamp receivedAt solarPowerWatts acPowerWatts gridPowerWatts loadPowerWatts batteryPowerWatts batteryStateOfChargePercent " +
	"batteryVoltageVolts gridVoltageVolts gridFrequencyHertz inverterTemperatureCelsius energyTodayKwh energyTotalKwh loadTotalKwh " +
	"gridImportTotalKwh gridExportTotalKwh batteryChargeTotalKwh batteryDischargeTotalKwh strings phases status extra"

// eventually repeats an act until it holds, for as long as readings may take to
// be found.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

func (s *suite) telemetry(t *testing.T) {
	d := s.newDevice(t)
	path := sourcePath(d.id) + "/telemetry"
	none := d.get(t, path+"/latest")
	none.want(t, 204)
	if got := d.get(t, path); string(got.body) != `{"readings":[],"nextCursor":null}` {
		t.Errorf("a history without readings is %s", got.body)
	}
	begin := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	var body []string
	for i := range 25 {
		body = append(body, fmt.Sprintf(`{"timestamp":%q,"acPowerWatts":%d}`, begin.Add(time.Duration(i)*time.Minute).Format(time.RFC3339), i))
	}
	d.send(t, "["+strings.Join(body, ",")+"]").want(t, 202)
	eventually(t, "25 readings found", func() bool {
		found, ok := d.get(t, path).object(t)["readings"].([]any)
		return ok && len(found) == 25
	})
	t.Run("pages", func(t *testing.T) { s.historyPages(t, d, path) })
	t.Run("bounds", func(t *testing.T) {
		for query, want := range map[string]int{
			"": 25, "?limit=1": 1, "?from=2026-01-01T00:05:00Z": 20, "?to=2026-01-01T00:05:00Z": 5, "?limit=1000": 25,
			"?from=2026-01-01T00:05:00Z&to=2026-01-01T00:06:00Z": 1, "?from=2026-01-01T00:05:00Z&to=2026-01-01T00:05:00Z": 0,
			"?from=" + url.QueryEscape("2026-01-01T02:05:00+02:00"): 20, "?from=2026-01-01T00:04:59.999Z&to=2026-01-01T00:05:00.001Z&x=y": 1,
		} {
			got := d.get(t, path+query)
			if readings, _ := got.object(t)["readings"].([]any); len(readings) != want {
				t.Errorf("%s: %d readings, want %d", query, len(readings), want)
			}
		}
		for field, bad := range map[string][]string{
			"from": {"x", "2026-01-01", "", "1767225600"}, "to": {"x", ""}, "limit": {"0", "1001", "x", "-1", ""}, "order": {"up", "ASC", ""},
			"cursor": {"x", "AAAA", "%00", strings.Repeat("x", 500)},
		} {
			for _, value := range bad {
				d.get(t, path+"?"+field+"="+value).wantErrors(t, field)
			}
		}
		d.get(t, path+"?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z").wantErrors(t, "to")
		d.get(t, path+"?from=x&to=y&limit=0&order=z&cursor=a").wantErrors(t, "from", "to", "limit", "order", "cursor")
	})
	t.Run("a reading has every field", func(t *testing.T) { s.wholeReading(t) })
	t.Run("readings of one moment merge", func(t *testing.T) { s.merging(t) })
	t.Run("a reading without a time has the signed one", func(t *testing.T) {
		d := s.newDevice(t)
		at := s.now().Add(-2 * time.Minute).Truncate(time.Second).UTC()
		const body = `{"acPowerWatts":7}`
		for range 3 {
			d.send(t, body, signStandard(d.secret, body, at)...).want(t, 202)
		}
		eventually(t, "the reading found", func() bool { return d.get(t, sourcePath(d.id)+"/telemetry/latest").status == 200 })
		found := objects(t, d.get(t, sourcePath(d.id)+"/telemetry").object(t)["readings"])
		if len(found) != 1 || found[0]["timestamp"] != at.Format(time.RFC3339) {
			t.Errorf("the readings are %v, want one at %s", found, at)
		}
	})
	t.Run("a deleted source has none", func(t *testing.T) {
		d.del(t, sourcePath(d.id)).want(t, 204)
		d.get(t, path).want(t, 404)
		d.get(t, path+"/latest").want(t, 404)
	})
}

func (s *suite) historyPages(t *testing.T, d device, path string) {
	for order, watts := range map[string]func(i int) float64{
		"": func(i int) float64 { return float64(24 - i) }, "&order=desc": func(i int) float64 { return float64(24 - i) },
		"&order=asc": func(i int) float64 { return float64(i) },
	} {
		for _, limit := range []int{1, 7, 25, 26} {
			seen, cursor := 0, ""
			for pages := 0; pages <= 26; pages++ {
				got := d.get(t, fmt.Sprintf("%s?limit=%d%s%s", path, limit, order, cursor))
				got.want(t, 200)
				for _, r := range objects(t, got.object(t)["readings"]) {
					if have := r["acPowerWatts"]; have != watts(seen) {
						t.Fatalf("limit %d%s: reading %d has %v, want %v", limit, order, seen, have, watts(seen))
					}
					seen++
				}
				next := got.object(t)["nextCursor"]
				if next == nil {
					break
				}
				cursor = "&cursor=" + sprint(next)
			}
			if seen != 25 {
				t.Errorf("limit %d%s: %d readings in all, want 25", limit, order, seen)
			}
		}
	}
}

func (s *suite) wholeReading(t *testing.T) {
	d := s.newDevice(t)
	latest := sourcePath(d.id) + "/telemetry/latest"
	d.send(t, `{"timestamp":"2026-03-01T12:00:00.250+01:00","acPowerWatts":3120.5,"strings":[{"voltageVolts":612.4,"currentAmperes":null}],
		"status":{"code":7,"text":"ok"},"fanRpm":1200}`).want(t, 202)
	eventually(t, "the reading found", func() bool { return d.get(t, latest).status == 200 })
	got := d.get(t, latest)
	if list := strings.Join(names(t, got.body), " "); list != readingNames {
		t.Errorf("the names are\n%s, want\n%s", list, readingNames)
	}
	want := object{
		"timestamp": "2026-03-01T11:00:00.250Z", "acPowerWatts": 3120.5, "solarPowerWatts": nil, "batteryDischargeTotalKwh": nil,
		"strings": []any{object{"voltageVolts": 612.4, "currentAmperes": nil, "powerWatts": nil}},
		"phases":  []any{}, "status": object{"code": 7.0, "text": "ok"}, "extra": object{"fanRpm": 1200.0},
	}
	for name, value := range want {
		if have := got.object(t)[name]; !reflect.DeepEqual(have, value) {
			t.Errorf("%s is %v, want %v", name, have, value)
		}
	}
	if !likeTime(got.object(t)["receivedAt"]) {
		t.Errorf("receivedAt is %v", got.object(t)["receivedAt"])
	}
	d.send(t, `{"timestamp":"2026-03-02T12:00:00Z","solarPowerWatts":0}`).want(t, 202)
	eventually(t, "the newer reading found", func() bool { return d.get(t, latest).text(t, "timestamp") == "2026-03-02T12:00:00Z" })
	bare := d.get(t, latest).object(t)
	if bare["status"] != nil || !reflect.DeepEqual(bare["strings"], []any{}) || !reflect.DeepEqual(bare["extra"], object{}) || bare["solarPowerWatts"] != 0.0 {
		t.Errorf("a bare reading is %v", bare)
	}
}

func (s *suite) merging(t *testing.T) {
	d := s.newDevice(t)
	for _, body := range []string{
		`{"timestamp":"2026-03-01T12:00:00Z","acPowerWatts":1,"solarPowerWatts":2,"a":1}`,
		`{"timestamp":"2026-03-01T12:00:00Z","acPowerWatts":3,"solarPowerWatts":null,"b":2}`,
		`{"timestamp":"2026-03-01T12:00:00Z","acPowerWatts":3,"solarPowerWatts":null,"b":2}`,
	} {
		d.send(t, body).want(t, 202)
	}
	eventually(t, "the merged reading found", func() bool {
		got := d.get(t, sourcePath(d.id)+"/telemetry/latest")
		if got.status != 200 {
			return false
		}
		o := got.object(t)
		return o["acPowerWatts"] == 3.0 && o["solarPowerWatts"] == 2.0 && reflect.DeepEqual(o["extra"], object{"a": 1.0, "b": 2.0})
	})
	if found, _ := d.get(t, sourcePath(d.id)+"/telemetry").object(t)["readings"].([]any); len(found) != 1 {
		t.Errorf("there are %d readings, want 1", len(found))
	}
}
