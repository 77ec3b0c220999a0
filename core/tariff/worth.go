package tariff

import (
	"time"

	"github.com/shopspring/decimal"
)

// worth is a return that is being computed.
type worth struct {
	site    Site
	from    time.Time
	known   time.Time // when the production that is known begins, zero for never
	metered bool      // something measures the export

	// accounts are by month, in the order of time.
	accounts           []account
	assumptions, notes []Code
}

// account is a month's energy, by price: a battery gives today what it stored
// yesterday, so export is set against production over all that one price holds
// for.
type account struct {
	month  time.Time
	sums   Sums
	parts  []part
	valued time.Duration
}

type part struct {
	price       *Price // nil for none
	own, export Quantity
}

func (w *worth) note(applies bool, to *[]Code, code Code) {
	if applies {
		*to = append(*to, code)
	}
}

// begin is where the figures begin.
func (w *worth) begin() time.Time {
	begin := w.site.First()
	switch {
	case !begin.IsZero():
		return begin
	case !w.known.IsZero():
		return w.known
	default:
		return w.site.Until
	}
}

// count puts every span into its month's account.
func (w *worth) count() {
	next := 0 // the first price that does not hold yet
	for _, s := range w.site.Spans {
		if !s.End.After(w.from) || !s.Start.Before(w.site.Until) {
			continue
		}
		for next < len(w.site.Prices) && !w.site.Prices[next].EffectiveFrom.After(s.Start) {
			next++
		}
		w.note(next < len(w.site.Prices) && w.site.Prices[next].EffectiveFrom.Before(s.End), &w.notes, PriceChangedWithinHour)
		a := w.account(monthOf(latest(s.Start, w.from), w.site.Zone))
		a.sums.Production.add(s.Production)
		a.sums.Export.add(s.Export)
		own := w.ownUse(s)
		w.note(s.Pending, &w.notes, Pending)
		w.note(s.Discharge.Known && s.Discharge.MilliWattHours > 0, &w.assumptions, BatteryInOwnUse)
		if next == 0 {
			a.add(part{own: own})
			w.note(own.Known && own.MilliWattHours > 0 && len(w.site.Prices) > 0, &w.notes, BeforeFirstPrice)
			continue
		}
		a.add(part{price: &w.site.Prices[next-1], own: own, export: s.Export})
		if own.Known {
			a.valued += s.End.Sub(s.Start)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func (w *worth) account(month time.Time) *account {
	if n := len(w.accounts); n == 0 || !w.accounts[n-1].month.Equal(month) {
		w.accounts = append(w.accounts, account{month: month})
	}
	return &w.accounts[len(w.accounts)-1]
}

// add counts at a price: prices come in the order of time.
func (a *account) add(more part) {
	if n := len(a.parts); n == 0 || a.parts[n-1].price != more.price {
		a.parts = append(a.parts, more)
		return
	}
	last := &a.parts[len(a.parts)-1]
	last.own.add(more.own)
	last.export.add(more.export)
}

// ownUse is what of a span's production was not exported. It may be negative:
// what a battery exports was produced before.
func (w *worth) ownUse(s Span) Quantity {
	switch {
	case !s.Production.Known:
		return Quantity{}
	case s.Export.Known:
		return Quantity{s.Production.MilliWattHours - s.Export.MilliWattHours, true}
	case s.Consumption.Known && s.Import.Known:
		w.note(true, &w.assumptions, OwnUseFromConsumption)
		return Quantity{max(0, s.Consumption.MilliWattHours-s.Import.MilliWattHours), true}
	case !w.metered:
		w.note(s.Production.MilliWattHours > 0, &w.assumptions, AllProductionUsed)
		return s.Production
	default:
		w.note(s.Production.MilliWattHours > 0, &w.notes, ExportUnknown)
		return Quantity{}
	}
}

// months are all months of the time that is covered, also those without energy.
func (w *worth) months() []Month {
	upkeep := w.upkeep()
	var list []Month
	accounts := w.accounts
	for start := monthOf(w.from, w.site.Zone); start.Before(w.site.Until); {
		year, month, _ := start.Date()
		m := Month{Start: start, End: DayAt(year, month+1, 1, w.site.Zone)}
		if len(accounts) > 0 && accounts[0].month.Equal(start) {
			m.Sums, m.valued = w.settle(accounts[0]), accounts[0].valued
			accounts = accounts[1:]
		}
		m.Maintenance = upkeep.between(m.Start, m.End)
		m.Net = m.Maintenance.Neg()
		for _, income := range []*decimal.Decimal{m.Savings, m.FeedInIncome} {
			if income != nil {
				m.Net = m.Net.Add(*income)
			}
		}
		list = append(list, m)
		start = m.End
	}
	return list
}

// settle sets a value on a month's energy.
func (w *worth) settle(a account) Sums {
	for _, p := range a.parts {
		p.own.MilliWattHours = max(0, p.own.MilliWattHours)
		a.sums.OwnUse.add(p.own)
		if p.price == nil {
			continue
		}
		if p.own.Known {
			a.sums.Savings = plus(a.sums.Savings, times(p.own, p.price.PricePerKwh))
		}
		if !p.export.Known {
			continue
		}
		if p.price.FeedInPricePerKwh == nil {
			w.note(p.export.MilliWattHours > 0, &w.notes, NoFeedInPrice)
			continue
		}
		a.sums.FeedInIncome = plus(a.sums.FeedInIncome, times(p.export, *p.price.FeedInPricePerKwh))
	}
	return a.sums
}

// times is the value of an energy, exactly.
func times(q Quantity, price decimal.Decimal) *decimal.Decimal {
	value := q.Kwh().Mul(plain(price))
	return &value
}

// plain is an amount without the exponent that a zero may have: with a huge one
// a sum would be as long.
func plain(d decimal.Decimal) decimal.Decimal {
	if d.IsZero() {
		return decimal.Zero
	}
	return d
}

// upkeep is the cost of maintenance by local days.
type upkeep struct {
	perYear decimal.Decimal
	// from is its first day, until the day after the last one.
	from, until time.Time
	zone        *time.Location
}

func (w *worth) upkeep() upkeep {
	u := upkeep{from: w.from, until: w.site.Until, zone: w.site.Zone}
	if w.site.MaintenancePerYear != nil {
		u.perYear = plain(*w.site.MaintenancePerYear)
	}
	since := w.known
	if w.site.Installed != nil {
		since = w.site.installed()
		w.note(w.site.From.IsZero() && w.known.After(since.AddDate(0, 1, 1)), &w.notes, DataAfterInstallation)
	} else {
		w.note(u.perYear.IsPositive(), &w.notes, NoInstallationDate)
	}
	if since.IsZero() {
		u.perYear = decimal.Zero
	} else if since.After(u.from) {
		u.from = since
	}
	u.until = u.until.Add(-1).In(u.zone).AddDate(0, 0, 1) // a day that has begun counts
	return u
}

// between is the cost of a month's days. The months of a year add up to the
// year's cost exactly.
func (u upkeep) between(start, end time.Time) decimal.Decimal {
	first, last := dayOf(u.from.In(u.zone)), dayOf(u.until)
	first, last = max(first, dayOf(start)), min(last, dayOf(end))
	if first >= last || u.perYear.IsZero() {
		return decimal.Zero
	}
	return u.upTo(last).Sub(u.upTo(first))
}

// upkeepDecimals is how exactly a part of a year's cost is told.
const upkeepDecimals = 6

// upTo is the cost of all days before one, since the year 1900.
func (u upkeep) upTo(d day) decimal.Decimal {
	const origin = 1900
	at := time.Unix(int64(d)*secondsADay, 0).UTC()
	length := time.Date(at.Year(), time.December, 31, 0, 0, 0, 0, time.UTC).YearDay()
	years := u.perYear.Mul(decimal.NewFromInt(int64(at.Year() - origin)))
	part := u.perYear.Mul(decimal.NewFromInt(int64(at.YearDay() - 1)))
	return years.Add(part.DivRound(decimal.NewFromInt(int64(length)), upkeepDecimals))
}
