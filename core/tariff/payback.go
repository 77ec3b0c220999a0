package tariff

import (
	"time"

	"github.com/shopspring/decimal"
)

// PaybackState says how certain a payback date is.
type PaybackState string

// The states.
const (
	PaybackReached   PaybackState = "reached"   // the system has earned its cost
	PaybackProjected PaybackState = "projected" // it will, if each month brings what it brought in the last year
	PaybackUnknown   PaybackState = "unknown"   // it can't be told
)

// Why a payback or a return can't be told.
const (
	NoSystemCost       Code = "noSystemCost"
	LessThanAYear      Code = "lessThanAYear"      // there are no twelve whole months yet
	GapsInLastYear     Code = "gapsInLastYear"     // a month of the last twelve is not known well enough
	NoGain             Code = "noGain"             // the last twelve months earned nothing
	BeyondHundredYears Code = "beyondHundredYears" // it would take longer
)

// Payback is how a system's cost stands against what it earned.
type Payback struct {
	State PaybackState
	// Month is the beginning of the month in which the cost is earned; zero for
	// PaybackUnknown.
	Month time.Time
	// Reason says why the state is PaybackUnknown.
	Reason Code
	// Percent is how much of the cost has been earned so far, PercentPerYear what
	// the last twelve whole months earned of it; nil where that can't be told.
	Percent, PercentPerYear *decimal.Decimal
}

// percentDecimals is how exactly a percentage is told.
const percentDecimals = 2

// yearMonths is how many months a year has.
const yearMonths = 12

// Payback compares a return since the installation with the system's cost.
func (r Return) Payback(cost *decimal.Decimal) Payback {
	unknown := func(reason Code) Payback { return Payback{State: PaybackUnknown, Reason: reason} }
	switch {
	case cost == nil || !cost.IsPositive():
		return unknown(NoSystemCost)
	case !r.Production.Known:
		return unknown(NoProduction)
	case r.Savings == nil && r.FeedInIncome == nil:
		return unknown(NoPrices)
	}
	of := func(net decimal.Decimal) *decimal.Decimal {
		share := net.Shift(2).DivRound(*cost, percentDecimals)
		return &share
	}
	p := Payback{State: PaybackUnknown, Percent: of(r.Net)}
	year, whole, obstacle := r.lastYear()
	var earned decimal.Decimal
	if obstacle == "" {
		for _, net := range year {
			earned = earned.Add(net)
		}
		p.PercentPerYear = of(earned)
	}
	if month, reached := r.reached(*cost); reached {
		p.State, p.Month = PaybackReached, month
		return p
	}
	if obstacle == "" && !earned.IsPositive() {
		obstacle = NoGain
	}
	if obstacle == "" {
		missing := *cost
		for _, m := range r.Months[:whole] {
			missing = missing.Sub(m.Net)
		}
		if months, ok := ahead(missing, year, earned); ok {
			at := r.Months[whole-1].Start
			p.State, p.Month = PaybackProjected, DayAt(at.Year(), at.Month()+time.Month(1+months), 1, at.Location())
			return p
		}
		obstacle = BeyondHundredYears
	}
	p.Reason = obstacle
	return p
}

// reached finds the month from which on the cost stands earned.
func (r Return) reached(cost decimal.Decimal) (month time.Time, ok bool) {
	var sum decimal.Decimal
	for _, m := range r.Months {
		if sum = sum.Add(m.Net); sum.GreaterThanOrEqual(cost) {
			return m.Start, true
		}
	}
	return time.Time{}, false
}

// lastYear are the nets of the last twelve whole months, the earliest first, and
// how many whole months there are; or why these don't tell of a year.
func (r Return) lastYear() (nets []decimal.Decimal, whole int, obstacle Code) {
	whole = len(r.Months)
	for whole > 0 && r.Months[whole-1].End.After(r.Until) {
		whole--
	}
	if whole < yearMonths || !r.Months[whole-yearMonths].told() && r.nothingBefore(whole-yearMonths) {
		return nil, whole, LessThanAYear
	}
	for _, m := range r.Months[whole-yearMonths : whole] {
		if !m.told() {
			return nil, whole, GapsInLastYear
		}
		nets = append(nets, m.Net)
	}
	return nets, whole, ""
}

// nothingBefore reports whether no month before the one at i has a value.
func (r Return) nothingBefore(i int) bool {
	for _, m := range r.Months[:i] {
		if m.valued > 0 {
			return false
		}
	}
	return true
}

// told reports whether three quarters of the month have a value: a month of which
// less is known says little about the same month of another year.
func (m Month) told() bool { return 4*m.valued >= 3*m.End.Sub(m.Start) }

// maxYears is how far a projection goes.
const maxYears = 100

// ahead counts the months, of the year's nets again and again, until what is
// missing is earned: 0 for the first of them. earned, their sum, is positive.
func ahead(missing decimal.Decimal, year []decimal.Decimal, earned decimal.Decimal) (months int, ok bool) {
	var sum, most decimal.Decimal
	for _, net := range year {
		sum = sum.Add(net)
		most = decimal.Max(most, sum)
	}
	// Whole years at once, but none in which it could be reached.
	if left := missing.Sub(most); left.IsPositive() {
		if left.GreaterThan(earned.Mul(decimal.NewFromInt(maxYears))) {
			return 0, false
		}
		years, _ := left.QuoRem(earned, 0)
		missing = missing.Sub(earned.Mul(years))
		months = yearMonths * int(years.IntPart())
	}
	for missing = missing.Sub(year[0]); missing.IsPositive(); missing = missing.Sub(year[months%yearMonths]) {
		months++
		if months > yearMonths*(maxYears+2) {
			return 0, false
		}
	}
	return months, true
}
