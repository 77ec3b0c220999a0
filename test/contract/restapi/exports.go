package restapi

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

func exportPath(id, query string) string { return sourcePath(id) + "/export" + query }

func (s *suite) exports(t *testing.T) {
	t.Run("a raw CSV imports back as it is", s.roundTrip)
	t.Run("energies have their units and the site's times", s.tables)
	t.Run("a workbook has the same rows", s.workbooks)
	t.Run("wrong parameters are named", s.wrongExports)
}

// rows are those of a CSV.
func (a *answer) rows(t *testing.T) [][]string {
	t.Helper()
	a.want(t, 200)
	rows, err := csv.NewReader(bytes.NewReader(a.body)).ReadAll()
	if err != nil {
		t.Fatalf("%s is no CSV: %v: %.300s", a.path, err, a.body)
	}
	return rows
}

func (s *suite) roundTrip(t *testing.T) {
	d := s.newDevice(t)
	d.put(t, sourcePath(d.id)+"/settings", object{"timeZone": "Europe/Berlin"}).want(t, 200)
	payloads := []string{
		`{"timestamp":"2025-10-26T00:30:00.123Z","acPowerWatts":0.1,"energyTotalKwh":1234.5678901234567,"gridPowerWatts":-250.5}`,
		`{"timestamp":"2025-10-26T01:30:00Z","strings":[{"voltageVolts":344.6,"powerWatts":0},{"currentAmperes":1e-9}],"phases":[{"powerWatts":-5.25}]}`,
		`{"timestamp":"2026-01-01T00:00:00Z","status":{"code":-9007199254740993,"text":"=cmd|' /C calc'!A0"}}`,
		`{"timestamp":"2026-01-01T00:01:00Z","status":{"text":"'+ a \"quoted\", # text\nwith lines; ä"},"extra":{"fan,rpm":1200,"\"x\"":-0.000001,"=y":1e300}}`,
		`{"timestamp":"2026-01-01T00:02:00Z","status":{"code":3,"text":"  "},"batteryStateOfChargePercent":0,"solarPowerWatts":12345678.9}`,
	}
	d.send(t, "["+strings.Join(payloads, ",")+"]").want(t, 202)
	before := d.readings(t, len(payloads))
	exported := d.get(t, exportPath(d.id, ""))
	exported.want(t, 200)
	if media := exported.header.Get("Content-Type"); media != "text/csv; charset=utf-8" {
		t.Errorf("Content-Type is %s", media)
	}
	if name := exported.header.Get("Content-Disposition"); !strings.HasPrefix(name, `attachment; filename="source-`) || !strings.HasSuffix(name, `.csv"`) {
		t.Errorf("Content-Disposition is %s", name)
	}
	rows := exported.rows(t)
	if len(rows) != len(payloads)+1 || rows[1][0] != "2025-10-26T02:30:00.123+02:00" || rows[2][0] != "2025-10-26T02:30:00+01:00" {
		t.Fatalf("the rows are %v", rows)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+@\t\r", rune(cell[0])) {
				t.Errorf("a spreadsheet takes %q for a formula", cell)
			}
		}
	}

	copied := s.newDevice(t)
	job := copied.imported(t, copied.id, string(exported.body), "")
	if job["accepted"] != float64(len(payloads)) || job["rejected"] != 0.0 {
		t.Fatalf("the import is %v", job)
	}
	after := copied.readings(t, len(payloads))
	for i := range before {
		delete(before[i], "receivedAt")
		delete(after[i], "receivedAt")
		if sprint(before[i]) != sprint(after[i]) {
			t.Errorf("reading %d came back as\n%v, was\n%v", i, after[i], before[i])
		}
	}
	copied.put(t, sourcePath(copied.id)+"/settings", object{"timeZone": "Europe/Berlin"}).want(t, 200)
	if again := copied.get(t, exportPath(copied.id, "")); !bytes.Equal(again.body, exported.body) {
		t.Errorf("exported again it is\n%s, was\n%s", again.body, exported.body)
	}
	part := d.get(t, exportPath(d.id, "?from=2026-01-01&to=2026-01-01T01:01:30")).rows(t) // dates of the site's clock
	if len(part) != 3 {
		t.Errorf("a part has %d rows", len(part))
	}
}

func (s *suite) tables(t *testing.T) {
	d := s.newDevice(t)
	energies := d.get(t, exportPath(d.id, "?what=energy&resolution=month&from=2026-01-01&to=2026-04-01")).rows(t)
	if len(energies) != 4 || strings.Join(energies[0][:3], ",") != "start,end,productionKwh" || energies[1][0] != "2026-01-01T00:00:00Z" || energies[3][1] != "2026-04-01T00:00:00Z" {
		t.Errorf("the energies are %v", energies)
	}
}

func (s *suite) workbooks(t *testing.T) {
	d := s.newDevice(t)
	d.send(t, `[{"timestamp":"2026-01-01T05:00:00Z","acPowerWatts":1000.5},{"timestamp":"2026-01-01T05:15:00Z","status":{"text":"=1+1"}}]`).want(t, 202)
	d.readings(t, 2)
	for _, what := range []string{"raw", "energy"} {
		got := d.get(t, exportPath(d.id, "?format=xlsx&from=2026-01-01&to=2026-01-02&what="+what))
		got.want(t, 200)
		book, err := excelize.OpenReader(bytes.NewReader(got.body))
		if err != nil {
			t.Fatalf("the workbook with %s can't be opened: %v", what, err)
		}
		rows, err := book.GetRows(what)
		if err != nil || len(rows) < 2 {
			t.Fatalf("%s has %d rows, %v", what, len(rows), err)
		}
		if what == "raw" && (rows[1][0] != "2026-01-01T05:00:00Z" || rows[1][2] != "1000.5" || len(rows) != 3) {
			t.Errorf("the rows are %v", rows)
		}
		_ = book.Close()
	}
}

func (s *suite) wrongExports(t *testing.T) {
	d := s.newDevice(t)
	d.get(t, exportPath(d.id, "?format=pdf&what=all&from=x")).wantErrors(t, "format", "what", "from")
	d.get(t, exportPath(d.id, "?from=2026-01-02&to=2026-01-01")).wantErrors(t, "to")
	d.get(t, exportPath(unknownID, "")).want(t, 404)
	if rows := d.get(t, exportPath(d.id, "")).rows(t); len(rows) != 1 {
		t.Errorf("without readings there are %d rows", len(rows))
	}
}
