package e2e

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// site finds a folder of real measurements: below AMPRA_SHARED, or a folder
// "shared" beside the project.
func site(t *testing.T, name string) string {
	t.Helper()
	var places []string
	if root := os.Getenv("AMPRA_SHARED"); root != "" {
		places = append(places, root)
	}
	at, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		at = filepath.Dir(at)
		places = append(places, filepath.Join(at, "shared"))
	}
	for _, place := range places {
		folder := filepath.Join(place, "data", name)
		if _, err := os.Stat(folder); err == nil { //nolint:gosec // whoever runs the tests says where
			return folder
		}
	}
	t.Skipf("the measurements of %s are not here: set AMPRA_SHARED to the folder that has data/%s", name, name)
	return ""
}

// rowsOf reads a small CSV file: its rows by their headers.
func rowsOf(t *testing.T, path string) []map[string]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, cell := range cells {
			row[all[0][i]] = cell
		}
		rows = append(rows, row)
	}
	return rows
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// importing is what the API tells of an import.
type importing struct {
	ID, State, Failure                string
	Rows, Accepted, Rejected, Skipped int
	Warnings                          []struct {
		Code  string
		Count int
	}
	FirstProblems []struct {
		Line         int
		Column, Text string
	}
}

// send uploads a file with options.
func (u *user) send(path, file string, options any) answer {
	u.t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		u.t.Fatal(err)
	}
	told, err := json.Marshal(options)
	if err != nil {
		u.t.Fatal(err)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.WriteField("options", string(told)); err != nil {
		u.t.Fatal(err)
	}
	part, err := w.CreateFormFile("file", filepath.Base(file))
	if err == nil {
		_, err = part.Write(content)
	}
	if err != nil || w.Close() != nil {
		u.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(u.t.Context(), http.MethodPost, u.server.url()+path, &b)
	if err != nil {
		u.t.Fatal(err)
	}
	request.Header.Set("Content-Type", w.FormDataContentType())
	a, err := fetch(u.http, request)
	if err != nil {
		u.t.Fatal(err)
	}
	return a
}

// imports brings a file in and waits until that is done.
func (u *user) imports(s source, file string, options any) importing {
	u.t.Helper()
	a := u.send("/api/sunsources/"+s.ID+"/imports", file, options)
	if a.status != http.StatusAccepted {
		u.t.Fatalf("importing %s: %d: %s", file, a.status, a.body)
	}
	var started struct{ JobID string }
	a.into(u.t, &started)
	var job importing
	within(u.t, 3*time.Minute, "the import is done", func() error {
		u.want(http.StatusOK, http.MethodGet, "/api/jobs/"+started.JobID, nil).into(u.t, &job)
		if job.State != "done" && job.State != "failed" {
			return fmt.Errorf("it is %s", job.State)
		}
		return nil
	})
	if job.State != "done" {
		u.t.Fatalf("the import of %s failed: %s", file, job.Failure)
	}
	return job
}

// bucket is an energy of a period.
type bucket struct {
	Start                         string
	ProductionKwh, ConsumptionKwh *float64
	Flags                         []string
}

func (u *user) energies(s source, query string) []bucket {
	u.t.Helper()
	var found struct{ Buckets []bucket }
	within(u.t, 2*time.Minute, "all days are rolled up", func() error {
		found.Buckets = nil
		u.want(http.StatusOK, http.MethodGet, "/api/sunsources/"+s.ID+"/energy?"+query, nil).into(u.t, &found)
		for _, b := range found.Buckets {
			if slices.Contains(b.Flags, "pending") {
				return fmt.Errorf("%s is pending", b.Start)
			}
		}
		return nil
	})
	return found.Buckets
}

// near compares an energy with what is right.
func near(got *float64, want, within float64) bool {
	return got != nil && math.Abs(*got-want) <= within+1e-9
}

func (u *user) zone(s source, name string) {
	u.t.Helper()
	u.want(http.StatusOK, http.MethodPut, "/api/sunsources/"+s.ID+"/settings", map[string]any{"timeZone": name})
}

func TestAYearOfHalfHoursIsRightOnEveryDay(t *testing.T) {
	t.Parallel()
	folder := site(t, "ausgrid-customer12")
	u := firstUser(t, newServer(t, "the server", nil).start())
	s := u.add("Webhook", "Customer 12")
	u.zone(s, "Australia/Sydney")
	job := u.imports(s, filepath.Join(folder, "halfhours.csv.gz"), fields{"interval": "PT30M", "columns": fields{
		"use_kw": fields{"field": "loadPowerWatts", "unit": "kW", "kind": "mean"},
		"pv_kw":  fields{"field": "acPowerWatts", "unit": "kW", "kind": "mean"},
	}})
	if job.Rows != 17568 || job.Accepted != 17568 || len(job.Warnings) != 2 {
		t.Errorf("the import is %+v", job)
	}
	for _, w := range job.Warnings {
		if w.Count != 2 || w.Code != "nonexistentTime" && w.Code != "ambiguousTime" {
			t.Errorf("a warning is %+v", w)
		}
	}
	days := map[string]bucket{}
	for _, b := range u.energies(s, "resolution=day&from=2011-07-01&to=2012-07-01") {
		days[b.Start[:10]] = b
	}
	right := rowsOf(t, filepath.Join(folder, "daily.csv"))
	for _, row := range right {
		b := days[row["day"]]
		if !near(b.ConsumptionKwh, number(t, row["use_kwh"]), 0.01) || !near(b.ProductionKwh, number(t, row["pv_kwh"]), 0.01) {
			t.Errorf("%s: got %s, right is %s used and %s produced", row["day"], energyText(b), row["use_kwh"], row["pv_kwh"])
		}
	}
	var used, produced float64
	for _, b := range u.energies(s, "resolution=month&from=2011-07-01&to=2012-07-01") {
		used, produced = used+*b.ConsumptionKwh, produced+*b.ProductionKwh
	}
	if math.Abs(used-5938.37) > 0.01 || math.Abs(produced-1296.40) > 0.01 || len(right) != 366 {
		t.Errorf("in %d days %.3f kWh were used and %.3f produced, want 5938.37 and 1296.40", len(right), used, produced)
	}
}

func energyText(b bucket) string {
	text := func(v *float64) string {
		if v == nil {
			return "nothing"
		}
		return strconv.FormatFloat(*v, 'f', 3, 64)
	}
	return text(b.ConsumptionKwh) + " used and " + text(b.ProductionKwh) + " produced " + strings.Join(b.Flags, ",")
}

func TestThreeYearsOfTwoInvertersAreRightOnEveryDay(t *testing.T) {
	t.Parallel()
	folder := site(t, "solarlog-ensdorf")
	u := firstUser(t, newServer(t, "the server", map[string]string{"AMPRA_IMPORT_RATE": "1000000", "AMPRA_ROLLUP_EVERY": "1s"}).start())
	right := rowsOf(t, filepath.Join(folder, "daily.csv"))
	for _, inverter := range []string{"sb2100", "sb4200"} {
		s := u.add("Webhook", inverter)
		u.zone(s, "Europe/Berlin")
		job := u.imports(s, filepath.Join(folder, "readings-2010-2012.csv.gz"), fields{"columns": fields{
			inverter + "_pac_w":  fields{"field": "acPowerWatts", "unit": "W"},
			inverter + "_day_wh": fields{"field": "energyTodayKwh", "unit": "Wh", "kind": "dayCounter"},
			inverter + "_pdc_w":  fields{"field": "solarPowerWatts", "unit": "W"},
		}})
		if job.Rows != 156_522 || job.Rejected > 0 {
			t.Errorf("%s: the import is %+v", inverter, job)
		}
		days := map[string]bucket{}
		for _, b := range u.energies(s, "resolution=day&from=2010-01-01&to=2013-01-01") {
			days[b.Start[:10]] = b
		}
		wrong, total := 0, 0.0
		for _, row := range right {
			b, want := days[row["day"]], number(t, row[inverter+"_counter_wh"])/1000
			if total += want; near(b.ProductionKwh, want, 0.010) {
				continue
			}
			if wrong++; wrong <= 20 {
				t.Errorf("%s %s: got %s, right is %.3f kWh; there are %s readings", inverter, row["day"], energyText(b), want, row["readings"])
			}
		}
		var sum float64
		for _, b := range u.energies(s, "resolution=year&from=2010-01-01&to=2013-01-01") {
			if b.ProductionKwh != nil {
				sum += *b.ProductionKwh
			}
		}
		t.Logf("%s: %d of %d days are wrong; %.3f kWh of %.3f", inverter, wrong, len(right), sum, total)
		for _, day := range []string{"2010-01-11", "2010-01-16", "2010-02-11", "2010-02-14"} {
			if len(days[day].Flags) == 0 {
				t.Errorf("%s %s repeats its readings and has no flag", inverter, day)
			}
		}
	}
}

func TestFilesAsALoggerWroteThemAreTaken(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(site(t, "solarlog-ensdorf"), "raw")
	u := firstUser(t, newServer(t, "the server", nil).start())
	files, err := filepath.Glob(filepath.Join(folder, "*.js"))
	if err != nil || len(files) < 8 {
		t.Fatalf("there are %d files, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := u.add("Webhook", name)
		u.zone(s, "Europe/Berlin")
		options := fields{"columns": fields{
			"inverter1.pac_w":  fields{"field": "acPowerWatts", "unit": "W"},
			"inverter1.day_wh": fields{"field": "energyTodayKwh", "unit": "Wh", "kind": "dayCounter"},
		}}
		dry := u.send("/api/sunsources/"+s.ID+"/imports?dryRun=true", file, options)
		if dry.status != http.StatusOK {
			t.Errorf("%s: the dry run answers %d: %s", name, dry.status, dry.body)
			continue
		}
		job := u.imports(s, file, options)
		if lines := strings.Count(strings.TrimSpace(string(content)), "\n") + 1; job.Rows != lines || job.Accepted != lines {
			t.Errorf("%s has %d lines, the import is %+v", name, lines, job)
		}
		found := u.finds(s, job.Accepted)
		t.Logf("%s: %d readings from %v to %v", name, len(found), found[0]["timestamp"], found[len(found)-1]["timestamp"])
	}
	// In summer's time and in winter's.
	for name, first := range map[string]string{"min110327.js": "2011-03-27T05:15:00Z", "min111030.js": "2011-10-30T06:25:00Z"} {
		var list []source
		u.want(http.StatusOK, http.MethodGet, "/api/sunsources", nil).into(t, &list)
		for _, s := range list {
			if s.Name != name {
				continue
			}
			all, err := u.everything(s.ID)
			if err != nil || len(all) == 0 || all[0]["timestamp"] != first {
				t.Errorf("%s begins at %v, want %s: %v", name, all[0]["timestamp"], first, err)
			}
		}
	}
}

// fields is a JSON object to send.
type fields = map[string]any
