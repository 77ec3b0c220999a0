package csvimport_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/csvimport"
	"ampra/core/fault"
	"ampra/core/telemetry"
)

func now() time.Time { return time.Date(2026, 6, 21, 12, 0, 0, 0, time.UTC) }

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// read is all that becomes of a file.
type read struct {
	plan     csvimport.Plan
	rows     []csvimport.Row
	readings []telemetry.Reading // at the rows' times
	slots    []telemetry.Reading // of intervals
	warnings map[string]int64
}

func open(t *testing.T, file string, o csvimport.Options, z *time.Location) (*csvimport.Table, error) {
	t.Helper()
	if err := o.Validate(); err != nil {
		t.Fatalf("the options are wrong: %v", err)
	}
	return csvimport.Open(strings.NewReader(file), o, csvimport.Env{Source: uuid.Nil, Zone: z, Now: now()})
}

func readAll(t *testing.T, file string, o csvimport.Options, z *time.Location) read {
	t.Helper()
	table, err := open(t, file, o, z)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	r := read{plan: table.Plan()}
	for {
		row, err := table.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		row.Text = slices.Clone(row.Text)
		r.rows = append(r.rows, row)
		if !row.Reading.IsEmpty() && row.Problem == "" {
			r.readings = append(r.readings, row.Reading)
		}
	}
	r.slots = slices.Collect(table.Intervals().Readings(nil))
	r.warnings = table.Warnings()
	return r
}

func value(t *testing.T, r telemetry.Reading, f telemetry.Field) float64 {
	t.Helper()
	v, ok := r.Values.Get(f)
	if !ok {
		t.Errorf("%s of %s is not known", f, r.Timestamp)
	}
	return v
}

func stamp(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return at
}

func TestAPlainFileIsUnderstoodWithoutOptions(t *testing.T) {
	t.Parallel()
	r := readAll(t, "timestamp,acPowerWatts,energyTotalKwh\n2026-06-01T10:00:00Z,1500,812.5\n2026-06-01T10:05:00Z,,812.6\n", csvimport.Options{}, time.UTC)
	if len(r.readings) != 2 || value(t, r.readings[0], telemetry.ACPowerWatts) != 1500 || value(t, r.readings[1], telemetry.EnergyTotalKwh) != 812.6 {
		t.Fatalf("got %+v", r.readings)
	}
	if !r.readings[0].Timestamp.Equal(stamp("2026-06-01T10:00:00Z")) || r.plan.TimeFormat != "iso" || r.plan.Delimiter != "," {
		t.Errorf("got %s by %+v", r.readings[0].Timestamp, r.plan)
	}
}

func TestFilesInManyShapesSayTheSame(t *testing.T) {
	t.Parallel()
	power := map[string]*csvimport.Column{"P": {Field: "acPowerWatts", Unit: "kW"}}
	for name, c := range map[string]struct {
		file string
		o    csvimport.Options
	}{
		"semicolons and commas":   {"time;P\n01.06.2026 12:00;1,5\n01.06.2026 12:05;2,5\n", csvimport.Options{Decimal: ",", Columns: power}},
		"a byte order mark":       {"\ufefftime;P\n01.06.2026 12:00;1.5\n01.06.2026 12:05;2.5\n", csvimport.Options{Columns: power}},
		"carriage returns":        {"time;P\r\n01.06.26 12:00:00;1.5\r\n01.06.26 12:05:00;2.5\r\n", csvimport.Options{Columns: power}},
		"quotes":                  {"\"time\",\"P\"\n\"2026-06-01 12:00\",\"1.5\"\n\"2026-06-01 12:05\",\"2.5\"\n", csvimport.Options{Columns: power}},
		"comments and blanks":     {"# made by a logger\n\ntime,P\n# more\n2026-06-01 12:00,1.5\n\n2026-06-01 12:05,2.5\n", csvimport.Options{Columns: power}},
		"unix seconds":            {"t,P\n1780308000,1.5\n1780308300,2.5\n", csvimport.Options{TimeColumn: "t", Columns: power}},
		"unix milliseconds":       {"t,P\n1780308000000,1.5\n1780308300000,2.5\n", csvimport.Options{TimeColumn: "t", Columns: power}},
		"an offset":               {"time,P\n2026-06-01T06:00:00-04:00,1.5\n2026-06-01T06:05:00-0400,2.5\n", csvimport.Options{Columns: power}},
		"tabs":                    {"time\tP\n2026-06-01 12:00\t1.5\n2026-06-01 12:05\t2.5\n", csvimport.Options{Columns: power}},
		"the month first":         {"time,P\n06/01/2026 12:00,1.5\n06/01/2026 12:05,2.5\n", csvimport.Options{TimeFormat: "MM/DD/YYYY HH:mm", Columns: power}},
		"twelve hours":            {"time,P\n2026-06-01 12:00 PM,1.5\n2026-06-01 12:05 pm,2.5\n", csvimport.Options{Columns: power}},
		"packed times":            {"time,P\n20260601120000,1.5\n20260601120500,2.5\n", csvimport.Options{Columns: power}},
		"lines before the header": {"Plant: Roof\nSerial: 1\n\ntime,P\n2026-06-01 12:00,1.5\n2026-06-01 12:05,2.5\n", csvimport.Options{Columns: power}},
		"a header twice":          {"time,P\n2026-06-01 12:00,1.5\ntime,P\n2026-06-01 12:05,2.5\n", csvimport.Options{Columns: power}},
		"a hint of the delimiter": {"sep=;\ntime;P\n2026-06-01 12:00;1.5\n2026-06-01 12:05;2.5\n", csvimport.Options{Columns: power}},
		"thousands":               {"time;P\n2026-06-01 12:00;0,001.5\n2026-06-01 12:05;2.5\n", csvimport.Options{Columns: power}},
		"a pattern by percents":   {"time;P\n2026.06.01_12:00;1.5\n2026.06.01_12:05;2.5\n", csvimport.Options{TimeFormat: "%Y.%m.%d_%H:%M", Columns: power}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := readAll(t, c.file, c.o, zone(t, "Europe/Berlin"))
			if len(r.readings) != 2 {
				t.Fatalf("got %+v", r.rows)
			}
			for i, want := range []struct {
				at    string
				power float64
			}{{"2026-06-01T10:00:00Z", 1500}, {"2026-06-01T10:05:00Z", 2500}} {
				if got := r.readings[i]; !got.Timestamp.Equal(stamp(want.at)) || value(t, got, telemetry.ACPowerWatts) != want.power {
					t.Errorf("row %d: %s %v", i, got.Timestamp, got.Values)
				}
			}
		})
	}
}

func TestWhatCanNotBeReadIsRefusedWithItsLineAndColumn(t *testing.T) {
	t.Parallel()
	file := "# one\ntime,P,SOC\n2026-06-01 12:00,1.5,50\n2026-06-01 12:05,x,50\n2026-13-01 12:00,1,50\n,1,50\n2026-06-01 12:10,1.5,150\n" +
		"1999-06-01 12:10,1.5,50\n2036-06-01 12:10,1.5,50\n2026-06-01 12:15,,n/a\n2026-06-01 12:20,1.5,50,7\n\"2026-06-01 12:25,1.5,50\n2026-06-01 12:30,2,50\n"
	o := csvimport.Options{Columns: map[string]*csvimport.Column{"P": {Field: "acPowerWatts"}, "SOC": {Field: "batteryStateOfChargePercent"}}}
	r := readAll(t, file, o, time.UTC)
	type outcome struct {
		line   int64
		column string
		part   string
		empty  bool
	}
	for i, want := range []outcome{
		{3, "", "", false},
		{4, "P", `"x" is no number`, false},
		{5, "time", "no time written as iso", false},
		{6, "time", "there is no time", false},
		{7, "SOC", "between 0 and 100", false},
		{8, "time", "before 2000", false},
		{9, "time", "in the future", false},
		{10, "", "", true},
		{11, "", "has 4 cells, the header 3", false},
		{12, "", "a quote is opened", false},
		{13, "", "", false},
	} {
		if i >= len(r.rows) {
			t.Fatalf("there are only %d rows", len(r.rows))
		}
		got := r.rows[i]
		if got.Line != want.line || got.Column != want.column || (got.Problem == "") != (want.part == "") || !strings.Contains(got.Problem, want.part) || got.Empty != want.empty {
			t.Errorf("row %d: line %d, column %q, problem %q, empty %t; want %+v", i, got.Line, got.Column, got.Problem, got.Empty, want)
		}
	}
}

func TestACommaInPlaceOfAPointIsNamed(t *testing.T) {
	t.Parallel()
	r := readAll(t, "time;P\n2026-06-01 12:00;1,5\n", csvimport.Options{Columns: map[string]*csvimport.Column{"P": {Field: "acPowerWatts"}}}, time.UTC)
	if len(r.rows) != 1 || !strings.Contains(r.rows[0].Problem, `set "decimal" to ","`) {
		t.Errorf("got %+v", r.rows)
	}
}

func TestAQuotedCellMayHaveSeveralLines(t *testing.T) {
	t.Parallel()
	r := readAll(t, "time,status.text,acPowerWatts\n2026-06-01 12:00,\"two\nlines, \"\"quoted\"\"\",5\n2026-06-01 12:05,one,x\n", csvimport.Options{}, time.UTC)
	if len(r.readings) != 1 || r.readings[0].Status == nil || *r.readings[0].Status.Text != "two\nlines, \"quoted\"" {
		t.Fatalf("got %+v", r.readings)
	}
	if last := r.rows[1]; last.Line != 4 || last.Column != "acPowerWatts" {
		t.Errorf("the row after it is line %d, column %s", last.Line, last.Column)
	}
}

func TestColumnsAreGuessedByTheirNamesAndNamedInThePlan(t *testing.T) {
	t.Parallel()
	file := "Zeit;Battery SOC %;grid export kWh total;PV Power (kW);pv power;fnord;Tagesertrag\n2026-06-01 12:00;50;1;2;3;4;5\n"
	r := readAll(t, file, csvimport.Options{Columns: map[string]*csvimport.Column{"Tagesertrag": nil}}, time.UTC)
	fields := map[string]string{}
	for _, c := range r.plan.Columns {
		fields[c.Header] = c.Field
		if c.Field == "" && c.Note == "" {
			t.Errorf("%s is left out without a reason", c.Header)
		}
	}
	for header, want := range map[string]string{"Battery SOC %": "batteryStateOfChargePercent", "PV Power (kW)": "solarPowerWatts", "pv power": "", "fnord": "", "Tagesertrag": ""} {
		if fields[header] != want {
			t.Errorf("%s is %q, want %q: %+v", header, fields[header], want, r.plan.Columns)
		}
	}
	if r.plan.TimeColumn != "Zeit" || value(t, r.readings[0], telemetry.SolarPowerWatts) != 2000 {
		t.Errorf("got %+v of %+v", r.readings[0].Values, r.plan)
	}
}

func TestWrongOptionsAreNamedTogether(t *testing.T) {
	t.Parallel()
	err := csvimport.Options{
		TimeFormat: "YYYY-YYYY", Decimal: "x", Delimiter: "xx", Interval: "30",
		Columns: map[string]*csvimport.Column{
			"a": {Field: "nothing"}, "b": {Field: "acPowerWatts", Unit: "kWh"}, "c": {Field: "acPowerWatts", Kind: csvimport.Counter},
			"d": {Field: "energyTotalKwh", Kind: "sum"}, "e": {Field: "energyTodayKwh", Kind: csvimport.Instant}, "f": {Field: "loadPowerWatts"}, "g": {Field: "loadPowerWatts"},
		},
	}.Validate()
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	for _, field := range []string{"timeFormat", "decimal", "delimiter", "interval", "columns.a", "columns.b", "columns.c", "columns.d", "columns.e"} {
		if len(e.Fields[field]) == 0 {
			t.Errorf("%s is not named: %v", field, e.Fields)
		}
	}
	if len(e.Fields["columns.f"])+len(e.Fields["columns.g"]) != 1 {
		t.Errorf("two columns of one field: %v", e.Fields)
	}
	needs := csvimport.Options{Columns: map[string]*csvimport.Column{"a": {Field: "loadPowerWatts", Kind: csvimport.Mean}}}.Validate()
	if e, ok := errors.AsType[*fault.Error](needs); !ok || len(e.Fields["interval"]) == 0 {
		t.Errorf("means without an interval: %v", needs)
	}
}

func TestAHeadThatCanNotBeUnderstoodNamesTheOptionThatHelps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		o    csvimport.Options
		want string
	}{
		"an empty file":         {"", csvimport.Options{}, "delimiter"},
		"one column":            {"time\n1\n2\n", csvimport.Options{}, "delimiter"},
		"no time":               {"a,b\n1,2\n", csvimport.Options{}, "timeColumn"},
		"another time's column": {"a,b\n1,2\n", csvimport.Options{TimeColumn: "c"}, "timeColumn"},
		"a column that is not":  {"time,b\n1780308000,2\n", csvimport.Options{Columns: map[string]*csvimport.Column{"x": {Field: "acPowerWatts"}}}, "columns.x"},
		"day or month":          {"time,b\n01/02/2026 10:00,2\n03/02/2026 10:00,2\n", csvimport.Options{}, "timeFormat"},
		"no time at all":        {"time,b\nyesterday,2\n", csvimport.Options{}, "timeFormat"},
		"UTF-16":                {"\xff\xfet\x00", csvimport.Options{}, "file"},
	} {
		_, err := open(t, c.file, c.o, time.UTC)
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Code != fault.Invalid || len(e.Fields[c.want]) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFileFullOfQuotesIsReadInTime(t *testing.T) {
	t.Parallel()
	line := `"` + strings.Repeat(`""`, 100) + "\n" + strings.Repeat(strings.Repeat(`""`, 200)+"\n", 150)
	r := readAll(t, "time,P\n2026-06-01 12:00,5\n"+strings.Repeat(line, 30), csvimport.Options{TimeFormat: "iso", Columns: map[string]*csvimport.Column{"P": {Field: "acPowerWatts"}}}, time.UTC)
	if len(r.readings) != 1 || len(r.rows) != 1+30*151 {
		t.Errorf("%d readings of %d rows", len(r.readings), len(r.rows))
	}
}
