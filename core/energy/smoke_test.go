package energy

import (
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	start := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	var days []Day
	var st State
	total := 1000.0
	for d := range 3 {
		f := NewFolder(DayOfMillis(start.AddDate(0, 0, d).UnixMilli()), st)
		for i := range 288 {
			s := Sample{At: start.AddDate(0, 0, d).Add(time.Duration(i) * 5 * time.Minute).UnixMilli()}
			total += 0.1
			s.Set(ProductionTotal, total)
			s.Set(ACPower, 1200)
			s.Set(GridPower, 300)
			f.Add(s)
		}
		day, next := f.Result()
		b, _ := day.AppendBinary(nil)
		back, err := ParseDay(b)
		if err != nil {
			t.Fatal(err)
		}
		days = append(days, back)
		b2, _ := next.AppendBinary(nil)
		if st, err = ParseState(b2); err != nil {
			t.Fatal(err)
		}
		t.Log(len(b), len(b2))
	}
	for _, res := range []Resolution{DayOf, Month, Year, Lifetime} {
		for _, b := range Buckets(days, time.UTC, res, start, start.AddDate(0, 0, 4)) {
			t.Log(b.Start, b.End, b.Energy, b.Coverage, b.Flags.Names(), b.PeakPowerWatts)
		}
	}
	for _, b := range Buckets(days, time.UTC, Hour, start, start.Add(3*time.Hour)) {
		t.Log(b.Start, b.End, b.Energy, b.Coverage, b.Flags.Names(), b.PeakPowerWatts)
	}
}
