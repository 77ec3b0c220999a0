package series_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"ampra/core/series"
)

func zone(t interface{ Fatal(args ...any) }, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestBucketsAreAsNarrowAsThePointsAllow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone     string
		from, to string
		points   int
		finest   series.Tier
		step     string
		tier     series.Tier
		buckets  int
		first    string // the first bucket's start
	}{
		"an hour":                     {"UTC", "2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z", 500, series.Raw, "PT10S", series.Raw, 360, "2026-06-01T10:00:00Z"},
		"an hour of minutes":          {"UTC", "2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z", 500, series.Minutes, "PT5M", series.Minutes, 12, "2026-06-01T10:00:00Z"},
		"a day in 500":                {"UTC", "2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z", 500, series.Raw, "PT5M", series.Minutes, 288, "2026-06-01T00:00:00Z"},
		"a day off its edges":         {"UTC", "2026-06-01T00:01:00Z", "2026-06-02T00:01:00Z", 288, series.Raw, "PT10M", series.Minutes, 145, "2026-06-01T00:00:00Z"},
		"a year in 1,000":             {"Europe/Berlin", "2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z", 1000, series.Raw, "PT12H", series.Hours, 730, "2025-12-31T23:00:00Z"},
		"a year in 400":               {"Europe/Berlin", "2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z", 400, series.Raw, "P1D", series.Hours, 365, "2025-12-31T23:00:00Z"},
		"weeks begin with Mondays":    {"Europe/Berlin", "2026-06-03T00:00:00Z", "2026-07-01T00:00:00Z", 5, series.Raw, "P7D", series.Hours, 5, "2026-05-31T22:00:00Z"},
		"months":                      {"Europe/Berlin", "2026-01-15T00:00:00Z", "2026-12-15T00:00:00Z", 12, series.Raw, "P1M", series.Hours, 12, "2025-12-31T23:00:00Z"},
		"25 years in one":             {"UTC", "2000-01-01T00:00:00Z", "2026-01-01T00:00:00Z", 1, series.Raw, "P100Y", series.Hours, 1, "2000-01-01T00:00:00Z"},
		"a day with 25 hours":         {"Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25, series.Raw, "PT1H", series.Hours, 25, "2026-10-24T22:00:00Z"},
		"a day with 25 hours by six":  {"Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 4, series.Raw, "PT6H", series.Hours, 4, "2026-10-24T22:00:00Z"},
		"a day with 23 hours by six":  {"Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 4, series.Raw, "PT6H", series.Hours, 4, "2026-03-28T23:00:00Z"},
		"a day without midnight":      {"America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z", 1, series.Raw, "P1D", series.Hours, 1, "2018-11-04T03:00:00Z"},
		"a day with two midnights":    {"America/Havana", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", 1, series.Raw, "P1D", series.Hours, 1, "2026-11-01T04:00:00Z"},
		"clocks that show half hours": {"Asia/Kolkata", "2026-06-01T00:00:00Z", "2026-06-01T06:00:00Z", 7, series.Raw, "PT1H", series.Hours, 7, "2026-05-31T23:30:00Z"},
		"a change of half an hour":    {"Australia/Lord_Howe", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", 1, series.Raw, "P1D", series.Hours, 1, "2026-04-04T13:00:00Z"},
	} {
		from, to := moment(t, c.from), moment(t, c.to)
		g, ok := series.Fit(from, to, zone(t, c.zone), c.points, c.finest)
		if !ok {
			t.Errorf("%s: nothing fits", name)
			continue
		}
		if g.Step.String() != c.step || g.Step.Tier() != c.tier || len(g.Edges)-1 != c.buckets || !g.Edges[0].Equal(moment(t, c.first)) {
			t.Errorf("%s: got %d buckets of %s (%s) from %s, want %d of %s (%s) from %s", name,
				len(g.Edges)-1, g.Step, g.Step.Tier(), g.Edges[0].UTC(), c.buckets, c.step, c.tier, c.first)
		}
	}
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestBucketsCoverWhatWasAskedForWithoutGaps(t *testing.T) {
	t.Parallel()
	names := []string{"UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana", "Pacific/Apia", "Africa/Casablanca"}
	rapid.Check(t, func(t *rapid.T) {
		z := zone(t, rapid.SampledFrom(names).Draw(t, "zone"))
		from := time.UnixMilli(rapid.Int64Range(946_684_800_000, 2_000_000_000_000).Draw(t, "from"))
		length := rapid.Int64Range(1, 1<<rapid.IntRange(1, 39).Draw(t, "order")).Draw(t, "length")
		to := from.Add(time.Duration(length) * time.Millisecond)
		points := rapid.IntRange(1, 10_000).Draw(t, "points")
		g, ok := series.Fit(from, to, z, points, series.Raw)
		if !ok {
			if points > 1 {
				t.Fatal("nothing fits")
			}
			return
		}
		n := len(g.Edges) - 1
		if n < 1 || n > points {
			t.Fatalf("%d buckets for %d points", n, points)
		}
		if g.Edges[0].After(from) || !g.Edges[1].After(from) || g.Edges[n].Before(to) || !g.Edges[n-1].Before(to) {
			t.Fatalf("buckets from %s to %s for %s to %s", g.Edges[0], g.Edges[n], from, to)
		}
		for i := range n {
			if !g.Edges[i].Before(g.Edges[i+1]) {
				t.Fatalf("bucket %d ends at %s, where it began", i, g.Edges[i])
			}
		}
	})
}
