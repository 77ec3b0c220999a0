package tariff_test

import (
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"ampra/core/tariff"
)

// sunny is a site that produces every day: in summer 20 kWh, in winter 2, all
// used at 0.50.
func sunny(from, until string, keep func(day time.Time) bool) tariff.Site {
	s := tariff.Site{
		Zone: time.UTC, Installed: new(utc(from)), Until: utc(until),
		Prices: []tariff.Price{price("2020-01-01T00:00:00Z", "0.50", "0.08")},
	}
	for at := utc(from); at.Before(s.Until); at = at.AddDate(0, 0, 1) {
		production := "2"
		if at.Month() >= time.April && at.Month() <= time.September {
			production = "20"
		}
		if keep == nil || keep(at) {
			s.Spans = append(s.Spans, day(time.UTC, at.Format(time.DateOnly), production, "0"))
		}
	}
	return s
}

// A year of sunny earns 183 days * 10 + 182 days * 1 = 2012.
func TestThePaybackIsReachedProjectedOrUnknownForAReason(t *testing.T) {
	t.Parallel()
	type site = tariff.Site
	for name, c := range map[string]struct {
		site           tariff.Site
		edit           func(*site)
		cost           string
		state          tariff.PaybackState
		month          string
		reason         tariff.Code
		share, perYear string
	}{
		"reached in the month that earned the rest": {
			sunny("2024-01-01", "2026-01-01", nil), nil, "2000", tariff.PaybackReached, "2024-12-01", "", "201.25", "100.6",
		},
		"reached in its first month": {sunny("2025-06-01", "2025-06-20", nil), nil, "50", tariff.PaybackReached, "2025-06-01", "", "380", ""},
		"projected with the seasons: winter brings little": {
			sunny("2025-01-01", "2026-01-01", nil), nil, "2100", tariff.PaybackProjected, "2026-03-01", "", "95.81", "95.81",
		},
		"projected over whole years": {sunny("2025-01-01", "2026-01-01", nil), nil, "20120", tariff.PaybackProjected, "2034-12-01", "", "10", "10"},
		"projected into a summer, which ends before its year": {
			sunny("2025-01-01", "2026-01-01", nil), nil, "20000", tariff.PaybackProjected, "2034-09-01", "", "10.06", "10.06",
		},
		"the running month counts as it was a year ago": {
			sunny("2025-01-01", "2026-06-15", nil), nil, "2900", tariff.PaybackProjected, "2026-06-01", "", "", "69.38",
		},
		"no cost":              {sunny("2025-01-01", "2026-01-01", nil), nil, "", tariff.PaybackUnknown, "", tariff.NoSystemCost, "", ""},
		"a cost of nothing":    {sunny("2025-01-01", "2026-01-01", nil), nil, "0", tariff.PaybackUnknown, "", tariff.NoSystemCost, "", ""},
		"no prices":            {sunny("2025-01-01", "2026-01-01", nil), func(s *site) { s.Prices = nil }, "9000", tariff.PaybackUnknown, "", tariff.NoPrices, "", ""},
		"no production":        {sunny("2025-01-01", "2026-01-01", nil), func(s *site) { s.Spans = nil }, "9000", tariff.PaybackUnknown, "", tariff.NoProduction, "", ""},
		"a few months":         {sunny("2025-07-01", "2026-01-01", nil), nil, "9200", tariff.PaybackUnknown, "", tariff.LessThanAYear, "11", ""},
		"a month less a day":   {sunny("2025-01-02", "2026-01-01", nil), nil, "20110", tariff.PaybackProjected, "2034-12-01", "", "10", "10"},
		"begun within a month": {sunny("2025-01-20", "2026-01-01", nil), nil, "9000", tariff.PaybackUnknown, "", tariff.LessThanAYear, "22.14", ""},
		"a year before the prices": {
			sunny("2025-01-01", "2026-01-01", nil), func(s *site) { s.Prices[0].EffectiveFrom = utc("2025-10-01") }, "920",
			tariff.PaybackUnknown, "", tariff.LessThanAYear, "10", "",
		},
		"a month of which half is missing": {
			sunny("2024-01-01", "2026-01-01", func(d time.Time) bool { return !d.After(utc("2025-05-31")) || d.After(utc("2025-06-15")) }), nil, "9000",
			tariff.PaybackUnknown, "", tariff.GapsInLastYear, "43.06", "",
		},
		"maintenance eats it all": {
			sunny("2025-01-01", "2026-01-01", nil), func(s *site) { s.MaintenancePerYear = amount("2012") }, "9000",
			tariff.PaybackUnknown, "", tariff.NoGain, "0", "0",
		},
		"centuries": {sunny("2025-01-01", "2026-01-01", nil), nil, "1000000", tariff.PaybackUnknown, "", tariff.BeyondHundredYears, "0.2", "0.2"},
		"a cost beyond all": {
			sunny("2025-01-01", "2026-01-01", nil), nil, "999999999999999.999999999999", tariff.PaybackUnknown, "", tariff.BeyondHundredYears, "0", "0",
		},
	} {
		if c.edit != nil {
			c.edit(&c.site)
		}
		var cost *decimal.Decimal
		if c.cost != "" {
			cost = amount(c.cost)
		}
		p := tariff.Earned(c.site).Payback(cost)
		month := ""
		if !p.Month.IsZero() {
			month = p.Month.Format(time.DateOnly)
		}
		if p.State != c.state || month != c.month || p.Reason != c.reason {
			t.Errorf("%s: %s %q %q, want %s %q %q", name, p.State, month, p.Reason, c.state, c.month, c.reason)
		}
		if c.share != "" && (p.Percent == nil || p.Percent.String() != c.share) || c.perYear == "" && p.PercentPerYear != nil ||
			c.perYear != "" && (p.PercentPerYear == nil || p.PercentPerYear.String() != c.perYear) {
			t.Errorf("%s: %s %% so far and %s %% a year, want %s and %s", name, money(p.Percent), money(p.PercentPerYear), c.share, c.perYear)
		}
	}
}

// A projection by whole years comes to the same as one month after another.
func TestAProjectionIsTheFirstMonthThatEarnsTheRest(t *testing.T) {
	t.Parallel()
	for _, maintenance := range []string{"0", "100", "1500", "1990"} {
		s := sunny("2025-01-01", "2026-01-01", nil)
		s.MaintenancePerYear = amount(maintenance)
		r := tariff.Earned(s)
		for cost := int64(2100); cost < 4000; cost += 97 {
			sum, want := r.Net, utc("2026-01-01")
			for i := range 12 * 99 {
				if sum = sum.Add(r.Months[i%12].Net); sum.GreaterThanOrEqual(decimal.NewFromInt(cost)) {
					break
				}
				want = want.AddDate(0, 1, 0)
			}
			got := r.Payback(new(decimal.NewFromInt(cost)))
			if got.State == tariff.PaybackProjected && !got.Month.Equal(want) {
				t.Errorf("maintenance %s, cost %d: %s, want %s", maintenance, cost, got.Month, want)
			}
		}
	}
}
