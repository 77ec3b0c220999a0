package csvimport_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/csvimport"
	"ampra/core/fault"
	"ampra/core/telemetry"
)

// FuzzTable reads any file by any options: whatever it is, each row is taken,
// refused or empty, and what is taken is within bounds.
func FuzzTable(f *testing.F) {
	for _, file := range []string{
		"timestamp,acPowerWatts,energyTotalKwh\n2026-06-01T10:00:00Z,1500,812.5\n",
		"time;P;E\n01.06.26 12:00:00;1,5;7\n\n# x\n\"02.06.26 12:00\";\"1\"\"\n\";\n",
		"m[mi++]=\"27.03.11 07:25:00|33;53;7;310|0;24;26;0;335;384\"\n", "\xef\xbb\xbftime\tP\n1780308000\t5\n", "sep=|\ntime|P\n20260601|1e3\n",
		"timestamp,status.text,strings,extra\n2026-06-01T10:00:00Z,'=x,\"[{\"\"powerWatts\"\":1}]\",\"{\"\"a\"\":1}\"\n",
		"time,P\n2011-10-02 02:00,1\n2011-10-02 02:30,-1\n2012-04-01 02:00,1\n2012-04-01 02:00,1\n", "\xff\xfe\x00", "",
	} {
		for _, how := range []uint8{0, 1, 2, 3} {
			f.Add([]byte(file), how, "")
		}
	}
	f.Add([]byte("time,P\n01/02/2026 10:00 PM,1\n"), uint8(0), "MM/DD/YYYY hh:mm A")
	sydney, err := time.LoadLocation("Australia/Sydney")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file []byte, how uint8, format string) {
		o := csvimport.Options{TimeFormat: format}
		if how&1 != 0 {
			o.Interval = "PT30M"
			o.Columns = map[string]*csvimport.Column{"P": {Field: "gridPowerWatts", Kind: csvimport.Mean}}
		}
		if how&2 != 0 {
			o.Decimal = ","
		}
		if o.Validate() != nil {
			return
		}
		table, err := csvimport.Open(strings.NewReader(string(file)), o, csvimport.Env{Source: uuid.Nil, Zone: sydney, Now: now()})
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("a file can't be opened: %v", err)
			}
			return
		}
		_ = table.Plan()
		line := int64(0)
		for {
			row, err := table.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if row.Line <= line {
				t.Fatalf("line %d follows %d", row.Line, line)
			}
			line = row.Line
			if row.Problem == "" && !row.Empty {
				within(t, row.Reading)
			}
		}
		for r := range table.Intervals().Readings(map[telemetry.Field]float64{telemetry.GridImportTotalKwh: 5}) {
			within(t, r)
		}
	})
}

func within(t *testing.T, r telemetry.Reading) {
	t.Helper()
	if r.Timestamp.Before(telemetry.Earliest()) || r.Timestamp.After(now().Add(telemetry.MaxAhead)) || r.Timestamp.Nanosecond()%1e6 != 0 {
		t.Fatalf("a reading has the time %s", r.Timestamp)
	}
	for f := range telemetry.Field(telemetry.NumFields) {
		if v, ok := r.Values.Get(f); ok && !f.Possible(v) {
			t.Fatalf("%s is %g", f, v)
		}
	}
}
