package tariff

import (
	"slices"
	"time"

	"github.com/shopspring/decimal"
)

// Quantity is an amount of energy in milliwatt-hours. One that is not known is
// not 0.
type Quantity struct {
	MilliWattHours int64
	Known          bool
}

// Kwh is the amount in kilowatt-hours, exactly.
func (q Quantity) Kwh() decimal.Decimal { return decimal.New(q.MilliWattHours, -6) }

func (q *Quantity) add(other Quantity) {
	if other.Known {
		q.MilliWattHours, q.Known = q.MilliWattHours+other.MilliWattHours, true
	}
}

// Span is what a source did in a stretch of time over which one price holds: a
// local day, or an hour of a day in which the price changed.
type Span struct {
	Start, End time.Time
	// Production and Export are what the panels made and what the grid took.
	Production, Export Quantity
	// Consumption and Import are what the site used and what the grid gave.
	Consumption, Import Quantity
	// Discharge is what a battery gave.
	Discharge Quantity
	// Pending says that readings are not counted yet.
	Pending bool
}

// Site is what a return is computed from.
type Site struct {
	// Zone is where months begin and days end.
	Zone *time.Location
	// From is the beginning; zero for the installation, or without its date for the
	// first day of which production is known. Until is the end: now, or earlier.
	From, Until time.Time
	// Installed is the day of the installation, SystemCost what it cost and
	// MaintenancePerYear what it costs to keep; nil where unknown.
	Installed          *time.Time
	SystemCost         *decimal.Decimal
	MaintenancePerYear *decimal.Decimal
	// Prices have the earliest first.
	Prices []Price
	// Spans are in the order of time and lie apart.
	Spans []Span
}

// First is when the figures begin; zero for the first day of which production is
// known.
func (s Site) First() time.Time {
	if s.From.IsZero() && s.Installed != nil {
		return s.installed()
	}
	return s.From
}

// installed is the beginning of the day of the installation. A date comes as
// midnight in UTC, whatever the site's zone is.
func (s Site) installed() time.Time {
	t := s.Installed.UTC()
	if !t.Equal(t.Truncate(secondsADay * time.Second)) {
		t = t.In(s.Zone)
	}
	year, month, day := t.Date()
	return DayAt(year, month, day, s.Zone)
}

// Sums are energies and what they were worth. Amounts of money are exact; nil
// says that nothing is known, which is not 0.
type Sums struct {
	Production, OwnUse, Export Quantity
	// Savings is what own use would have cost, each part at the price of its time.
	Savings *decimal.Decimal
	// FeedInIncome is what the export earned at the feed-in prices of its time.
	FeedInIncome *decimal.Decimal
	Maintenance  decimal.Decimal
	// Net is what is known of savings and income, less maintenance.
	Net decimal.Decimal
}

// Month is a calendar month of the site, or the part of it that was asked for.
type Month struct {
	// Start and End are its edges on the local clock.
	Start, End time.Time
	Sums
	// valued is how long production is known and has a price.
	valued time.Duration
}

// Return is what a source's energy has been worth.
type Return struct {
	// From and Until are the time that it covers; they are equal where there is
	// nothing to tell of.
	From, Until time.Time
	Sums
	Months []Month
	// Assumptions and Notes have no code twice and are sorted.
	Assumptions, Notes []Code
}

// Code names something that whoever reads a return has to know.
type Code string

// Assumptions: what stands for something that was not measured.
const (
	// AllProductionUsed: nothing measures the export, so all production counts as
	// own use and the savings are an upper bound.
	AllProductionUsed Code = "allProductionUsed"
	// OwnUseFromConsumption: own use is consumption less import where the export is
	// not known.
	OwnUseFromConsumption Code = "ownUseFromConsumption"
	// BatteryInOwnUse: what a battery keeps or loses counts as used at the time of
	// its production.
	BatteryInOwnUse Code = "batteryInOwnUse"
)

// Notes: what is missing from the figures.
const (
	NoPrices               Code = "noPrices"               // nothing has a value
	BeforeFirstPrice       Code = "beforeFirstPrice"       // production before the first price has none
	NoFeedInPrice          Code = "noFeedInPrice"          // some export earned an unknown amount, which is left out
	ExportUnknown          Code = "exportUnknown"          // some production is left out: how much of it was used is not known
	PriceChangedWithinHour Code = "priceChangedWithinHour" // an hour has the price of its beginning
	NoInstallationDate     Code = "noInstallationDate"     // maintenance counts from the first production
	DataAfterInstallation  Code = "dataAfterInstallation"  // production begins more than a month after the installation
	NoProduction           Code = "noProduction"           // no production is known
	Pending                Code = "pending"                // some readings are not counted yet
)

// Earned computes the return of a site.
func Earned(s Site) Return {
	w := &worth{site: s, known: firstKnown(s.Spans)}
	w.from = w.begin()
	r := Return{From: w.from, Until: w.from}
	if w.from.Before(s.Until) {
		r.Until = s.Until
		w.metered = slices.ContainsFunc(s.Spans, func(span Span) bool { return span.Export.Known })
		w.count()
		r.Months = w.months()
		for _, m := range r.Months {
			r.add(m.Sums)
		}
	}
	w.note(len(s.Prices) == 0, &w.notes, NoPrices)
	w.note(!r.Production.Known, &w.notes, NoProduction)
	r.Assumptions, r.Notes = sortedOnce(w.assumptions), sortedOnce(w.notes)
	return r
}

// add sums up; amounts of which nothing is known on either side stay unknown.
func (s *Sums) add(more Sums) {
	s.Production.add(more.Production)
	s.OwnUse.add(more.OwnUse)
	s.Export.add(more.Export)
	s.Savings, s.FeedInIncome = plus(s.Savings, more.Savings), plus(s.FeedInIncome, more.FeedInIncome)
	s.Maintenance, s.Net = s.Maintenance.Add(more.Maintenance), s.Net.Add(more.Net)
}

func plus(a, b *decimal.Decimal) *decimal.Decimal {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	default:
		sum := a.Add(*b)
		return &sum
	}
}

func sortedOnce(codes []Code) []Code {
	slices.Sort(codes)
	return slices.Compact(codes)
}

// firstKnown is when the production that is known begins, zero for never.
func firstKnown(spans []Span) time.Time {
	for _, s := range spans {
		if s.Production.Known {
			return s.Start
		}
	}
	return time.Time{}
}
