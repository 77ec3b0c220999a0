package energy_test

import (
	"compress/gzip"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"ampra/core/energy"
)

// site finds a folder of real measurements: below AMPRA_SHARED, or a folder
// "shared" beside the project.
func site(t *testing.T, name string) string {
	t.Helper()
	places := []string{}
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
		if _, err := os.Stat(folder); err == nil { //nolint:gosec // whoever runs the test names the folder
			return folder
		}
	}
	t.Skipf("the measurements of %s are not here: set AMPRA_SHARED to the folder that has data/%s", name, name)
	return ""
}

// table reads a CSV file, also a compressed one, row by row by its headers.
func table(t *testing.T, path string, row func(get func(column string) string)) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var from io.Reader = file
	if filepath.Ext(path) == ".gz" {
		if from, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	reader := csv.NewReader(from)
	head, err := reader.Read()
	if err != nil {
		t.Fatal(err)
	}
	columns := map[string]int{}
	for i, name := range head {
		columns[name] = i
	}
	for {
		record, err := reader.Read()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		row(func(column string) string {
			i, ok := columns[column]
			if !ok {
				t.Fatalf("%s has no column %s", path, column)
			}
			return record[i]
		})
	}
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// foldAll folds samples in time order into days, each from the state that the
// one before left.
func foldAll(samples []energy.Sample) []energy.Day {
	var days []energy.Day
	var state energy.State
	var folder *energy.Folder
	number := int32(0)
	for _, s := range samples {
		if n := energy.DayOfMillis(s.At); folder == nil || n != number {
			if folder != nil {
				var day energy.Day
				day, state = folder.Result()
				days = append(days, day)
			}
			folder, number = energy.NewFolder(n, state), n
		}
		folder.Add(s)
	}
	if folder != nil {
		day, _ := folder.Result()
		days = append(days, day)
	}
	return days
}

// TestTwoInvertersOfThreeYearsGiveTheirOwnCountersDays takes what a logger in
// Bavaria wrote every five minutes: power, and a day counter that begins anew at
// night, steps back in the evening and dips to 0 in the morning.
func TestTwoInvertersOfThreeYearsGiveTheirOwnCountersDays(t *testing.T) {
	t.Parallel()
	folder, berlin := site(t, "solarlog-ensdorf"), zone(t, "Europe/Berlin")
	for _, inverter := range []string{"sb2100", "sb4200"} {
		t.Run(inverter, func(t *testing.T) {
			t.Parallel()
			var samples []energy.Sample
			table(t, filepath.Join(folder, "readings-2010-2012.csv.gz"), func(get func(string) string) {
				at, err := time.ParseInLocation(time.DateTime, get("local_time"), berlin)
				if err != nil {
					t.Fatal(err)
				}
				s := energy.Sample{At: at.UnixMilli()}
				s.Set(energy.ACPower, number(t, get(inverter+"_pac_w")))
				s.Set(energy.SolarPower, number(t, get(inverter+"_pdc_w")))
				s.Set(energy.DayTotal, number(t, get(inverter+"_day_wh"))/1_000)
				samples = append(samples, s)
			})
			days := foldAll(samples)
			from, to := time.Date(2010, 1, 1, 0, 0, 0, 0, berlin), time.Date(2013, 1, 1, 0, 0, 0, 0, berlin)
			byDay := map[string]energy.Bucket{}
			for _, b := range energy.Buckets(days, berlin, energy.DayOf, from, to) {
				byDay[b.Start.Format(time.DateOnly)] = b
			}
			var wrong, compared int
			table(t, filepath.Join(folder, "daily.csv"), func(get func(string) string) {
				b := byDay[get("day")]
				got, want := float64(b.Energy[energy.Production].MilliwattHours)/1_000, number(t, get(inverter+"_counter_wh"))
				compared++
				if difference := got - want; difference > 10 || difference < -10 {
					wrong++
					t.Errorf("%s: %.1f Wh by %s, want %.0f Wh, flags %v", get("day"), got, b.Energy[energy.Production].Method, want, b.Flags.Names())
				}
			})
			t.Logf("%d of %d days within 10 Wh", compared-wrong, compared)
			flagged := map[string]int{}
			for _, b := range byDay {
				for _, name := range b.Flags.Names() {
					flagged[name]++
				}
			}
			t.Logf("flags: %v", flagged)
			for day, want := range map[string]energy.Flags{
				"2010-01-11": energy.Stuck, "2010-01-12": energy.Stuck, "2010-01-16": energy.Stuck,
				"2010-02-11": energy.Stuck, "2010-02-14": energy.Stuck, "2010-01-17": 0, "2010-02-12": 0,
				// Nobody had noticed that these are one day's rows, too.
				"2012-12-08": energy.Stuck, "2012-12-20": energy.Stuck, "2012-12-31": energy.Stuck, "2012-12-07": 0,
				"2012-04-21": energy.Gap, "2012-08-09": energy.Gap, "2012-12-04": energy.Gap, "2012-08-08": 0, "2012-08-10": 0,
			} {
				if got := byDay[day].Flags & (energy.Stuck | energy.Gap); got != want {
					t.Errorf("%s is flagged %v, want %v", day, got.Names(), want.Names())
				}
			}
			for day := time.Date(2012, 8, 10, 0, 0, 0, 0, berlin); day.Day() < 20; day = day.AddDate(0, 0, 1) {
				if got := byDay[day.Format(time.DateOnly)].Energy[energy.Production].Method; got != energy.DayCounter {
					t.Errorf("%s is made from %q, want the day counter while power is 0", day.Format(time.DateOnly), got)
				}
			}
		})
	}
}

// TestAYearOfHalfHoursAddsUpToItsDays takes the energies of half hours, added up
// to lifetime counters.
func TestAYearOfHalfHoursAddsUpToItsDays(t *testing.T) {
	t.Parallel()
	folder, sydney := site(t, "ausgrid-customer12"), zone(t, "Australia/Sydney")
	var samples []energy.Sample
	var used, produced float64
	sample := func(at time.Time) {
		s := energy.Sample{At: at.UnixMilli()}
		s.Set(energy.ConsumptionTotal, used)
		s.Set(energy.ProductionTotal, produced)
		if n := len(samples); n > 0 && samples[n-1].At == s.At {
			samples[n-1] = s // the half hours that the clock left out
			return
		}
		samples = append(samples, s)
	}
	table(t, filepath.Join(folder, "halfhours.csv.gz"), func(get func(string) string) {
		wall, err := time.Parse("2006-01-02 15:04", get("local_time"))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, sydney)
		if len(samples) == 0 {
			sample(start)
		}
		used += number(t, get("use_kw")) / 2
		produced += number(t, get("pv_kw")) / 2
		if end := start.Add(30 * time.Minute); end.UnixMilli() >= samples[len(samples)-1].At {
			sample(end)
		}
	})
	days := foldAll(samples)
	from, to := time.Date(2011, 7, 1, 0, 0, 0, 0, sydney), time.Date(2012, 7, 1, 0, 0, 0, 0, sydney)
	buckets := energy.Buckets(days, sydney, energy.DayOf, from, to)
	i := 0
	table(t, filepath.Join(folder, "daily.csv"), func(get func(string) string) {
		b := buckets[i]
		i++
		if got := b.Start.Format(time.DateOnly); got != get("day") {
			t.Fatalf("bucket %d is %s, want %s", i, got, get("day"))
		}
		for c, column := range map[energy.Channel]string{energy.Consumption: "use_kwh", energy.Production: "pv_kwh"} {
			if got, want := b.Energy[c].Kwh(), number(t, get(column)); got > want+0.01 || got < want-0.01 {
				t.Errorf("%s: %s is %.3f kWh, want %.3f", get("day"), c, got, want)
			}
		}
	})
	if i != 366 || len(buckets) != 366 {
		t.Errorf("%d days of %d buckets, want 366", i, len(buckets))
	}
	var useYear, pvYear int64
	for _, b := range energy.Buckets(days, sydney, energy.Month, from, to) {
		useYear += b.Energy[energy.Consumption].MilliwattHours
		pvYear += b.Energy[energy.Production].MilliwattHours
	}
	if u, p := float64(useYear)/1e6, float64(pvYear)/1e6; u < 5938.365 || u > 5938.375 || p < 1296.395 || p > 1296.405 {
		t.Errorf("the year: %.3f kWh used, %.3f produced, want 5938.37 and 1296.40", u, p)
	}
}
