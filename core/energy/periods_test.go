package energy_test

import (
	"slices"
	"testing"
	"time"

	"ampra/core/energy"
)

func parse(t testing.TB, z *time.Location, text string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", text, z)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestPeriodsAreThoseOfTheLocalClock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone, from, to string
		res            energy.Resolution
		count          int
		odd            time.Duration // the length of the one that is not like the others
	}{
		"a day of 23 hours":                         {"Europe/Berlin", "2024-03-31 00:00", "2024-04-01 00:00", energy.Hour, 23, 0},
		"a day of 25 hours":                         {"Europe/Berlin", "2024-10-27 00:00", "2024-10-28 00:00", energy.Hour, 25, 0},
		"days around one of 23 hours":               {"Europe/Berlin", "2024-03-30 00:00", "2024-04-02 00:00", energy.DayOf, 3, 23 * time.Hour},
		"days around one of 25 hours":               {"America/Los_Angeles", "2024-11-02 00:00", "2024-11-05 00:00", energy.DayOf, 3, 25 * time.Hour},
		"an hour of 90 minutes":                     {"Australia/Lord_Howe", "2024-04-07 00:00", "2024-04-08 00:00", energy.Hour, 24, 90 * time.Minute},
		"an hour of 30 minutes":                     {"Australia/Lord_Howe", "2024-10-06 00:00", "2024-10-07 00:00", energy.Hour, 24, 30 * time.Minute},
		"hours of a zone of 5:45":                   {"Asia/Kathmandu", "2024-01-01 00:00", "2024-01-02 00:00", energy.Hour, 24, 0},
		"hours of a zone of 12:45 that is put back": {"Pacific/Chatham", "2024-04-07 00:00", "2024-04-08 00:00", energy.Hour, 25, 0},
		"a day that its zone never had":             {"Pacific/Apia", "2011-12-29 00:00", "2012-01-01 00:00", energy.DayOf, 2, 0},
		"a midnight that is left out":               {"Asia/Beirut", "2024-03-31 01:00", "2024-04-01 00:00", energy.Hour, 23, 0},
		"hours of a zone of 12:45 put forward":      {"Pacific/Chatham", "2024-09-29 00:00", "2024-09-30 00:00", energy.Hour, 23, 0},
		"a midnight that comes twice":               {"America/Havana", "2024-11-03 00:00", "2024-11-04 00:00", energy.Hour, 25, 0},
		"days of a zone that leaves midnight out":   {"Asia/Beirut", "2024-03-30 00:00", "2024-04-02 00:00", energy.DayOf, 3, 23 * time.Hour},
		"months of a year":                          {"Europe/Berlin", "2024-01-01 00:00", "2025-01-01 00:00", energy.Month, 12, -1},
		"years":                                     {"Europe/Berlin", "2020-05-05 00:00", "2025-01-01 00:00", energy.Year, 5, -1},
		"a lifetime":                                {"Europe/Berlin", "2020-05-05 00:00", "2025-01-01 00:00", energy.Lifetime, 1, -1},
		"hours that are asked for in part":          {"Europe/Berlin", "2024-06-01 10:20", "2024-06-01 12:01", energy.Hour, 3, 0},
		"days that are asked for in part":           {"Europe/Berlin", "2024-06-01 10:20", "2024-06-03 00:01", energy.DayOf, 3, 0},
		"nothing":                                   {"Europe/Berlin", "2024-06-01 00:00", "2024-06-01 00:00", energy.DayOf, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z := zone(t, c.zone)
			buckets := energy.Buckets(nil, z, c.res, parse(t, z, c.from), parse(t, z, c.to))
			if len(buckets) != c.count {
				t.Fatalf("%d buckets, want %d", len(buckets), c.count)
			}
			usual := map[energy.Resolution]time.Duration{energy.Hour: time.Hour, energy.DayOf: 24 * time.Hour}[c.res]
			var odd time.Duration
			for i, b := range buckets {
				if i > 0 && !b.Start.Equal(buckets[i-1].End) {
					t.Errorf("%s follows %s", b.Start, buckets[i-1].End)
				}
				if length := b.End.Sub(b.Start); length != usual {
					odd = length
				}
				if b.Flags != energy.Gap || b.Energy != [energy.NumChannels]energy.Amount{} {
					t.Errorf("the empty bucket at %s is %v, flagged %v", b.Start, b.Energy, b.Flags.Names())
				}
			}
			if c.odd >= 0 && odd != c.odd {
				t.Errorf("the odd one is of %s, want %s", odd, c.odd)
			}
		})
	}
}

func TestAGainBetweenTwoReadingsIsSplitAtAnEdgeUpToAnHour(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, second string
		before, after float64 // kWh of the 12th and of the 13th, of 1 kWh
		unsure        bool
	}{
		"over midnight":             {"23:50", "00:10", 0.5, 0.5, false},
		"unevenly":                  {"23:45", "00:30", 1.0 / 3, 2.0 / 3, false},
		"an hour apart":             {"23:15", "00:15", 0.75, 0.25, false},
		"more than an hour apart":   {"23:14", "00:15", 0, 1, true},
		"a reading on the edge":     {"22:00", "00:00", 1, 0, false},
		"a reading just after it":   {"22:00", "00:01", 0, 1, true},
		"the first one on the edge": {"00:00", "00:40", 0, 1, false},
		"the first one long before": {"12:00", "06:00", 0, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, name := range []string{"UTC", "Asia/Kathmandu", "America/Los_Angeles"} {
				z := zone(t, name)
				a, b := parse(t, z, "2024-06-12 "+c.first), parse(t, z, "2024-06-13 "+c.second)
				if c.first == "00:00" {
					a = a.AddDate(0, 0, 1)
				}
				start := parse(t, z, "2024-06-12 06:00")
				samples := slices.Concat(every(time.Hour, start, energy.ProductionTotal, 10, 10),
					every(time.Hour, a, energy.ProductionTotal, 10), every(time.Hour, b, energy.ProductionTotal, 11))
				days := energy.Buckets(foldAll(samples), z, energy.DayOf, parse(t, z, "2024-06-12 00:00"), parse(t, z, "2024-06-14 00:00"))
				if got := days[0].Energy[energy.Production]; !near(got, c.before) {
					t.Errorf("%s: %.4f kWh before, want %.4f", name, got.Kwh(), c.before)
				}
				if got := days[1].Energy[energy.Production]; !near(got, c.after) && (c.after != 0 || got.Known) {
					t.Errorf("%s: %.4f kWh after, want %.4f", name, got.Kwh(), c.after)
				}
				if sum := days[0].Energy[0].MilliwattHours + days[1].Energy[0].MilliwattHours; sum != 1_000_000 {
					t.Errorf("%s: %d mWh in all", name, sum)
				}
				if got := days[1].Flags&energy.Estimated != 0; got != c.unsure {
					t.Errorf("%s: flags %v", name, days[1].Flags.Names())
				}
			}
		})
	}
}

// TestWhatIsGainedOverUnseenDaysStandsWhereItIsSeenAgain is silent from the 10th
// to the 13th at noon.
func TestWhatIsGainedOverUnseenDaysStandsWhereItIsSeenAgain(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Europe/Berlin", "Pacific/Auckland", "Pacific/Honolulu"} {
		z := zone(t, name)
		samples := slices.Concat(every(5*time.Minute, parse(t, z, "2024-06-10 10:00"), energy.ProductionTotal, rise(100, 0.1, 24)...),
			every(5*time.Minute, parse(t, z, "2024-06-13 12:00"), energy.ProductionTotal, rise(140, 0.1, 24)...))
		days := foldAll(samples)
		b := energy.Buckets(days, z, energy.DayOf, parse(t, z, "2024-06-10 00:00"), parse(t, z, "2024-06-14 00:00"))
		for i, want := range []struct {
			kwh   float64
			known bool
			flags []string
		}{
			{2.3, true, []string{"gap"}},
			{0, false, []string{"gap"}},
			{0, false, []string{"gap"}},
			{40, true, []string{"gap", "afterGap", "estimated"}},
		} {
			a := b[i].Energy[energy.Production]
			flags := slices.DeleteFunc(b[i].Flags.Names(), func(s string) bool { return s == "gap" && want.known })
			wanted := slices.DeleteFunc(want.flags, func(s string) bool { return s == "gap" && want.known })
			if !near(a, want.kwh) || a.Known != want.known || !slices.Equal(flags, wanted) {
				t.Errorf("%s, day %d: %+v, flags %v, want %+v", name, i, a, b[i].Flags.Names(), want)
			}
		}
		month := energy.Buckets(days, z, energy.Month, parse(t, z, "2024-06-10 00:00"), parse(t, z, "2024-06-14 00:00"))
		if a := month[0].Energy[energy.Production]; len(month) != 1 || !near(a, 42.3) || month[0].Flags&(energy.Gap|energy.AfterGap) != energy.Gap|energy.AfterGap {
			t.Errorf("%s: the month is %+v, flags %v", name, a, month[0].Flags.Names())
		}
		hours := energy.Buckets(days, z, energy.Hour, parse(t, z, "2024-06-10 08:00"), parse(t, z, "2024-06-10 16:00"))
		for i, known := range []bool{false, true, true, true, true, false, false, false} {
			// The last one speaks for 15 minutes more, but no digest of a further day
			// exists to hold them: Auckland's noon is an edge of UTC's days.
			if i != 4 && hours[i].Energy[energy.Production].Known != known {
				t.Errorf("%s: the hour from %s is %+v", name, hours[i].Start, hours[i].Energy[energy.Production])
			}
		}
	}
}

func TestAQuietNightIsKnownToBeZero(t *testing.T) {
	t.Parallel()
	samples := slices.Concat(every(5*time.Minute, noon(), energy.ProductionTotal, rise(100, 0.1, 24)...),
		every(5*time.Minute, noon().Add(20*time.Hour), energy.ProductionTotal, rise(102.3, 0.1, 24)...))
	for _, b := range energy.Buckets(foldAll(samples), time.UTC, energy.Hour, noon().Add(3*time.Hour), noon().Add(19*time.Hour)) {
		if a := b.Energy[energy.Production]; !a.Known || a.MilliwattHours != 0 || b.Coverage > 0.25 || b.Flags != 0 {
			t.Errorf("the hour from %s is %+v, flags %v, coverage %f", b.Start, a, b.Flags.Names(), b.Coverage)
		}
	}
}

func TestCoverageIsTheTimeWithinReachOfAReading(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step    time.Duration
		silence time.Duration // that ends at 12 o'clock
		want    float64       // of 24 hours
	}{
		"every ten seconds":                       {10 * time.Second, 0, 1},
		"every five minutes":                      {5 * time.Minute, 0, 1},
		"every half an hour":                      {30 * time.Minute, 0, 1},
		"every hour, of which half is in reach":   {time.Hour, 0, 0.5},
		"every ten seconds, six hours missing":    {10 * time.Second, 6 * time.Hour, 0.75 + 60.0/86400},
		"every five minutes, six hours missing":   {5 * time.Minute, 6 * time.Hour, 0.75 + 1800.0/86400},
		"every five minutes, one reading missing": {5 * time.Minute, 10 * time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Date(2024, 6, 11, 12, 0, 0, 0, time.UTC)
			var samples []energy.Sample
			for at := start; at.Before(start.AddDate(0, 0, 3)); at = at.Add(c.step) {
				if at.Before(noon()) && at.After(noon().Add(-c.silence)) {
					continue
				}
				samples = append(samples, energy.Sample{At: at.UnixMilli()})
			}
			day := energy.Buckets(foldAll(samples), time.UTC, energy.DayOf, noon(), noon().Add(1))[0]
			if difference := day.Coverage - c.want; difference > 0.000_2 || difference < -0.000_2 {
				t.Errorf("coverage %.5f, want %.5f", day.Coverage, c.want)
			}
		})
	}
}

func TestASilenceOfANightIsNoGap(t *testing.T) {
	t.Parallel()
	z := zone(t, "Europe/Berlin")
	samples := slices.Concat(every(5*time.Minute, parse(t, z, "2024-06-10 12:00"), energy.ProductionTotal, rise(100, 0.1, 72)...),
		every(5*time.Minute, parse(t, z, "2024-06-11 10:00"), energy.ProductionTotal, rise(110, 0.1, 72)...))
	for _, b := range energy.Buckets(foldAll(samples), z, energy.DayOf, parse(t, z, "2024-06-10 00:00"), parse(t, z, "2024-06-12 00:00")) {
		if b.Flags&(energy.Gap|energy.AfterGap) != 0 {
			t.Errorf("%s is flagged %v", b.Start, b.Flags.Names())
		}
	}
}
