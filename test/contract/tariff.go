package contract

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/tariff"
)

// Tariffs runs what every tariff.Repository promises. open is called once.
func Tariffs(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	recordTests(t, open, map[string]func(*testing.T, Records){
		"a history has the earliest price first":       pricesInOrder,
		"prices come back exactly":                     pricesExact,
		"a price needs its source":                     priceOfNothing,
		"a source shows its own prices and no other's": pricesApart,
	})
}

func priceOf(s sunsource.SunSource, minute int) tariff.Price {
	return tariff.Price{
		ID: uuid.New(), SourceID: s.ID, PricePerKwh: decimal.RequireFromString("0.2537"),
		FeedInPricePerKwh: new(decimal.RequireFromString("0.082")),
		EffectiveFrom:     instantOf(minute), CreatedAt: instantOf(-minute),
	}
}

func (r Records) wantPrices(t *testing.T, source uuid.UUID, want ...tariff.Price) {
	t.Helper()
	got, err := r.Tariffs.History(t.Context(), source)
	must(t, err)
	wantSame(t, got, want)
}

func pricesInOrder(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	r.wantPrices(t, s.ID)
	var want []tariff.Price
	for _, minute := range []int{3, -500_000, 2, 900_000} {
		p := priceOf(s, minute)
		must(t, r.Tariffs.Add(t.Context(), p))
		want = append(want, p)
	}
	slices.SortFunc(want, func(a, b tariff.Price) int { return a.EffectiveFrom.Compare(b.EffectiveFrom) })
	r.wantPrices(t, s.ID, want...)
}

func pricesExact(t *testing.T, r Records) {
	for _, amount := range []string{"0", "0.25", "0.1", "999999999999999.999999999999", "0.000000000001", "1000", "0.30000000"} {
		s := r.newSunSource(t, r.newUser(t).ID)
		p := priceOf(s, 0)
		p.PricePerKwh, p.FeedInPricePerKwh = decimal.RequireFromString(amount), nil
		must(t, r.Tariffs.Add(t.Context(), p))
		r.wantPrices(t, s.ID, p)
	}
}

func priceOfNothing(t *testing.T, r Records) {
	wantCode(t, r.Tariffs.Add(t.Context(), priceOf(sunSourceOf(r.newUser(t).ID), 0)), fault.NotFound)
}

func pricesApart(t *testing.T, r Records) {
	one, two := r.newSunSource(t, r.newUser(t).ID), r.newSunSource(t, r.newUser(t).ID)
	first, second := priceOf(one, 0), priceOf(two, 0)
	must(t, r.Tariffs.Add(t.Context(), first))
	must(t, r.Tariffs.Add(t.Context(), second))
	r.wantPrices(t, one.ID, first)
	r.wantPrices(t, two.ID, second)
}
