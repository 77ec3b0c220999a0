package tariff_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/tariff"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func kwh(text string) tariff.Quantity {
	if text == "" {
		return tariff.Quantity{}
	}
	return tariff.Quantity{MilliWattHours: decimal.RequireFromString(text).Shift(6).IntPart(), Known: true}
}

// day is a local day that produced and exported so many kilowatt-hours, "" for
// unknown.
func day(z *time.Location, date, production, export string) tariff.Span {
	start, err := time.ParseInLocation(time.DateOnly, date, z)
	if err != nil {
		panic(err)
	}
	return tariff.Span{Start: start, End: start.AddDate(0, 0, 1), Production: kwh(production), Export: kwh(export)}
}

// hour is one hour of a day in UTC.
func hour(date string, h int, production, export string) tariff.Span {
	s := day(time.UTC, date, production, export)
	s.Start = s.Start.Add(time.Duration(h) * time.Hour)
	s.End = s.Start.Add(time.Hour)
	return s
}

func price(from, perKwh, feedIn string) tariff.Price {
	at, err := time.Parse(time.RFC3339, from)
	if err != nil {
		panic(err)
	}
	p := tariff.Price{ID: uuid.New(), PricePerKwh: decimal.RequireFromString(perKwh), EffectiveFrom: at}
	if feedIn != "" {
		p.FeedInPricePerKwh = new(decimal.RequireFromString(feedIn))
	}
	return p
}

func amount(text string) *decimal.Decimal { return new(decimal.RequireFromString(text)) }

func utc(text string) time.Time {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return at
}

// told writes a sum as a line: own use, export, savings, income, maintenance, net.
func told(s tariff.Sums) string {
	parts := []string{"own", quantity(s.OwnUse), "out", quantity(s.Export), "saved", money(s.Savings), "fed", money(s.FeedInIncome)}
	return strings.Join(append(parts, "kept", s.Maintenance.String(), "net", s.Net.String()), " ")
}

func quantity(q tariff.Quantity) string {
	if !q.Known {
		return "?"
	}
	return q.Kwh().String()
}

func money(d *decimal.Decimal) string {
	if d == nil {
		return "?"
	}
	return d.String()
}

func TestEachKilowattHourHasThePriceOfItsTime(t *testing.T) {
	t.Parallel()
	const always = "2020-01-01T00:00:00Z"
	used := func(s tariff.Span, consumption, gridImport string) tariff.Span {
		s.Consumption, s.Import = kwh(consumption), kwh(gridImport)
		return s
	}
	for name, c := range map[string]struct {
		spans  []tariff.Span
		prices []tariff.Price
		want   string
		codes  string
	}{
		"own use at the price, export at the feed-in price": {
			[]tariff.Span{day(time.UTC, "2026-06-14", "10", "4")},
			[]tariff.Price{price(always, "0.30", "0.08")},
			"own 6 out 4 saved 1.8 fed 0.32 kept 0 net 2.12", "",
		},
		"a price that begins at midnight": {
			[]tariff.Span{day(time.UTC, "2026-06-13", "10", "0"), day(time.UTC, "2026-06-14", "10", "0")},
			[]tariff.Price{price(always, "0.30", "0.08"), price("2026-06-14T00:00:00Z", "0.50", "0.08")},
			"own 20 out 0 saved 8 fed 0 kept 0 net 8", "",
		},
		"a price that begins at noon, by hours": {
			[]tariff.Span{hour("2026-06-14", 11, "2", "1"), hour("2026-06-14", 12, "3", "1"), hour("2026-06-14", 13, "1", "1")},
			[]tariff.Price{price(always, "0.30", "0.08"), price("2026-06-14T12:00:00Z", "0.50", "0.10")},
			"own 3 out 3 saved 1.3 fed 0.28 kept 0 net 1.58", "",
		},
		"a price that begins within an hour holds from the next": {
			[]tariff.Span{hour("2026-06-14", 11, "2", "0"), hour("2026-06-14", 12, "2", "0")},
			[]tariff.Price{price(always, "0.30", "0.08"), price("2026-06-14T11:20:00Z", "0.50", "0.08")},
			"own 4 out 0 saved 1.6 fed 0 kept 0 net 1.6", "priceChangedWithinHour",
		},
		"nothing is saved before the first price": {
			[]tariff.Span{day(time.UTC, "2026-06-13", "10", "4"), day(time.UTC, "2026-06-14", "10", "4")},
			[]tariff.Price{price("2026-06-14T00:00:00Z", "0.30", "0.08")},
			"own 12 out 8 saved 1.8 fed 0.32 kept 0 net 2.12", "beforeFirstPrice",
		},
		"without any price nothing has a value": {
			[]tariff.Span{day(time.UTC, "2026-06-14", "10", "4")}, nil, "own 6 out 4 saved ? fed ? kept 0 net 0", "noPrices",
		},
		"a price of nothing is a price": {
			[]tariff.Span{day(time.UTC, "2026-06-14", "10", "4")},
			[]tariff.Price{price(always, "0", "0")},
			"own 6 out 4 saved 0 fed 0 kept 0 net 0", "",
		},
		"no feed-in price": {
			[]tariff.Span{day(time.UTC, "2026-06-14", "10", "4")},
			[]tariff.Price{price(always, "0.30", "")},
			"own 6 out 4 saved 1.8 fed ? kept 0 net 1.8", "noFeedInPrice",
		},
		"what a battery exports was produced the day before": {
			[]tariff.Span{day(time.UTC, "2026-06-13", "10", "1"), day(time.UTC, "2026-06-14", "1", "4")},
			[]tariff.Price{price(always, "0.30", "0.08")},
			"own 6 out 5 saved 1.8 fed 0.4 kept 0 net 2.2", "",
		},
		"own use is never below nothing": {
			[]tariff.Span{day(time.UTC, "2026-06-14", "1", "4")},
			[]tariff.Price{price(always, "0.30", "0.08")},
			"own 0 out 4 saved 0 fed 0.32 kept 0 net 0.32", "",
		},
		"nothing measures the export": {
			[]tariff.Span{day(time.UTC, "2026-06-14", "10", "")},
			[]tariff.Price{price(always, "0.30", "0.08")},
			"own 10 out ? saved 3 fed ? kept 0 net 3", "allProductionUsed",
		},
		"consumption and import tell of own use": {
			[]tariff.Span{used(day(time.UTC, "2026-06-14", "10", ""), "9", "2"), used(day(time.UTC, "2026-06-15", "10", ""), "2", "3")},
			[]tariff.Price{price(always, "0.30", "0.08")},
			"own 7 out ? saved 2.1 fed ? kept 0 net 2.1", "ownUseFromConsumption",
		},
		"a day on which the meter was silent is left out": {
			[]tariff.Span{day(time.UTC, "2026-06-13", "10", "4"), day(time.UTC, "2026-06-14", "10", "")},
			[]tariff.Price{price(always, "0.30", "0.08")},
			"own 6 out 4 saved 1.8 fed 0.32 kept 0 net 2.12", "exportUnknown",
		},
		"no production": {
			[]tariff.Span{day(time.UTC, "2026-06-14", "", "")},
			[]tariff.Price{price(always, "0.30", "0.08")},
			"own ? out ? saved ? fed ? kept 0 net 0", "noProduction",
		},
		"a watt-hour at a price of twelve decimals": {
			[]tariff.Span{day(time.UTC, "2026-06-14", "0.000001", "0")},
			[]tariff.Price{price(always, "0.123456789012", "0")},
			"own 0.000001 out 0 saved 0.000000123456789012 fed 0 kept 0 net 0.000000123456789012", "",
		},
		"the dearest energy": {
			[]tariff.Span{day(time.UTC, "2026-06-14", "9000000", "0")},
			[]tariff.Price{price(always, "999999999999999", "0")},
			"own 9000000 out 0 saved 8999999999999991000000 fed 0 kept 0 net 8999999999999991000000", "",
		},
		"zeros with huge exponents cost nothing": {
			[]tariff.Span{day(time.UTC, "2026-06-14", "10", "4")},
			[]tariff.Price{price(always, "0e10000", "0e-10000")},
			"own 6 out 4 saved 0 fed 0 kept 0 net 0", "",
		},
		"a price with an exponent": {
			[]tariff.Span{day(time.UTC, "2026-06-14", "10", "0")},
			[]tariff.Price{price(always, "3e1", "0")},
			"own 10 out 0 saved 300 fed 0 kept 0 net 300", "",
		},
	} {
		r := tariff.Earned(tariff.Site{Zone: time.UTC, From: utc("2026-06-01"), Until: utc("2026-06-20"), Prices: c.prices, Spans: c.spans})
		var codes []string
		for _, code := range slices.Concat(r.Assumptions, r.Notes) {
			codes = append(codes, string(code))
		}
		if got := told(r.Sums); got != c.want || strings.Join(codes, " ") != c.codes {
			t.Errorf("%s:\ngot  %s, %q\nwant %s, %q", name, got, codes, c.want, c.codes)
		}
	}
}

func TestMonthsFollowTheSitesClockAndAddUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone   string
		from   string
		hours  []float64 // of the months
		starts string
	}{
		"a month of the change to summer":           {"Europe/Berlin", "2026-03-01", []float64{743, 720}, "2026-02-28T23:00:00Z"},
		"a month of the change to winter":           {"Europe/Berlin", "2026-10-01", []float64{745, 720}, "2026-09-30T22:00:00Z"},
		"half an hour":                              {"Australia/Lord_Howe", "2026-04-01", []float64{720.5, 744}, "2026-03-31T13:00:00Z"},
		"a first of a month without midnight":       {"America/Asuncion", "2017-10-01", []float64{743, 720}, "2017-10-01T04:00:00Z"},
		"a first of a month with two midnights":     {"America/Havana", "2015-11-01", []float64{721, 744}, "2015-11-01T04:00:00Z"},
		"a zone far ahead of UTC":                   {"Pacific/Kiritimati", "2026-01-01", []float64{744, 672}, "2025-12-31T10:00:00Z"},
		"a zone that skipped a day, the 30th":       {"Pacific/Apia", "2011-12-01", []float64{720, 744}, "2011-12-01T10:00:00Z"},
		"a February of a leap year":                 {"UTC", "2028-02-01", []float64{696, 744}, "2028-02-01T00:00:00Z"},
		"a first whose midnight came before change": {"Europe/London", "2026-03-01", []float64{743, 720}, "2026-03-01T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z := zone(t, c.zone)
			from := utc(c.from)
			begin := time.Date(from.Year(), from.Month(), 1, 12, 0, 0, 0, z)
			r := tariff.Earned(tariff.Site{
				Zone: z, From: begin, Until: begin.AddDate(0, 2, -1), Installed: &from, MaintenancePerYear: amount("365"),
				Spans: []tariff.Span{day(z, c.from, "1", "0"), day(z, from.AddDate(0, 1, -1).Format(time.DateOnly), "2", "0"), day(z, from.AddDate(0, 1, 0).Format(time.DateOnly), "4", "0")},
			})
			var hours []float64
			var sum tariff.Sums
			for _, m := range r.Months {
				hours = append(hours, m.End.Sub(m.Start).Hours())
				sum.Production.MilliWattHours += m.Production.MilliWattHours
				sum.Net = sum.Net.Add(m.Net)
			}
			if !slices.Equal(hours, c.hours) || r.Months[0].Start.UTC().Format(time.RFC3339) != c.starts {
				t.Fatalf("the months have %v hours, want %v, the first begins %s, want %s", hours, c.hours, r.Months[0].Start.UTC().Format(time.RFC3339), c.starts)
			}
			if got := quantity(r.Months[0].Production) + " " + quantity(r.Months[1].Production); got != "3 4" {
				t.Errorf("the months produced %s", got)
			}
			if sum.Production.MilliWattHours != r.Production.MilliWattHours || !sum.Net.Equal(r.Net) {
				t.Errorf("the months add up to %v and %s, the whole is %v and %s", sum.Production, sum.Net, r.Production, r.Net)
			}
		})
	}
}

func TestMaintenanceIsSpreadByDaysSinceTheInstallation(t *testing.T) {
	t.Parallel()
	known := []tariff.Span{day(time.UTC, "2026-03-11", "1", "0")}
	for name, c := range map[string]struct {
		installed, from, until string
		spans                  []tariff.Span
		want                   string
		notes                  []tariff.Code
	}{
		"a whole year is its cost": {"2025-01-01", "", "2026-01-01", known, "250", nil},
		"a leap year, too":         {"2024-01-01", "", "2025-01-01", known, "250", nil},
		"four years":               {"2022-07-09", "", "2026-07-09", known, "1000", nil},
		"one day":                  {"2025-01-01", "", "2025-01-02", known, "0.684932", nil},
		"a day of a leap year":     {"2024-01-01", "", "2024-01-02", known, "0.68306", nil},
		"a part of what was asked for is before it":    {"2025-12-31", "2020-01-01", "2026-01-01", known, "0.684932", nil},
		"only what was asked for counts":               {"2020-01-01", "2025-01-01", "2026-01-01", known, "250", nil},
		"an installation that is still to come":        {"2027-01-01", "", "2026-01-01", known, "0", nil},
		"without its date from the first production":   {"", "", "2027-03-11", known, "250", []tariff.Code{tariff.NoInstallationDate}},
		"without its date and production there's none": {"", "2026-01-01", "2026-02-01", nil, "0", []tariff.Code{tariff.NoInstallationDate}},
	} {
		s := tariff.Site{Zone: time.UTC, Until: utc(c.until), MaintenancePerYear: amount("250"), Spans: c.spans}
		if c.installed != "" {
			s.Installed = new(utc(c.installed))
		}
		if c.from != "" {
			s.From = utc(c.from)
		}
		r := tariff.Earned(s)
		if r.Maintenance.String() != c.want || !r.Net.Add(r.Maintenance).IsZero() {
			t.Errorf("%s: %s, net %s, want %s", name, r.Maintenance, r.Net, c.want)
		}
		for _, code := range c.notes {
			if !slices.Contains(r.Notes, code) {
				t.Errorf("%s: the notes are %v, want %s among them", name, r.Notes, code)
			}
		}
	}
}

func TestADateOfInstallationIsADayOfTheSite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ zone, installed, want string }{
		"a date in America":                  {"America/Los_Angeles", "2026-06-01T00:00:00Z", "2026-06-01T07:00:00Z"},
		"a date in Europe":                   {"Europe/Berlin", "2026-06-01T00:00:00Z", "2026-05-31T22:00:00Z"},
		"a moment is in the day that it was": {"Europe/Berlin", "2026-05-31T22:00:00Z", "2026-05-31T22:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.installed)
		if err != nil {
			t.Fatal(err)
		}
		r := tariff.Earned(tariff.Site{Zone: zone(t, c.zone), Installed: &at, Until: utc("2026-07-01")})
		if got := r.From.UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s: it begins at %s, want %s", name, got, c.want)
		}
	}
}
