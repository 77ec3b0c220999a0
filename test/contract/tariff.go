package contract

import (
	"context"
	"slices"
	"testing"
	"time"

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
		"a source has one price from a moment on":      pricesTaken,
		"an update saves what the change decides":      priceUpdated,
		"an error of the change saves nothing":         priceNotUpdated,
		"a price is deleted, the last one, too":        priceDeleted,
		"another user's price is not found by any way": priceForeign,
		"of prices from one moment one is taken":       pricesAtOnce,
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

// pricesTaken wants no two prices from one moment on, to the microsecond, and a
// transaction that goes on after the refusal of an Add.
func pricesTaken(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	first, second := priceOf(s, 0), priceOf(s, 1)
	must(t, r.Tariffs.Add(t.Context(), first))
	again := priceOf(s, 0)
	must(t, r.Transactions.Run(t.Context(), func(ctx context.Context) error {
		wantCode(t, r.Tariffs.Add(ctx, again), fault.Conflict)
		return r.Tariffs.Add(ctx, second)
	}))
	_, err := r.Tariffs.Update(t.Context(), s.OwnerID, second.ID, func(p *tariff.Price) error {
		p.EffectiveFrom = first.EffectiveFrom
		return nil
	})
	wantCode(t, err, fault.Conflict)
	r.wantPrices(t, s.ID, first, second)
	again.EffectiveFrom = again.EffectiveFrom.Add(time.Microsecond)
	must(t, r.Tariffs.Add(t.Context(), again))
	r.wantPrices(t, s.ID, first, again, second)
	other := r.newSunSource(t, s.OwnerID)
	must(t, r.Tariffs.Add(t.Context(), priceOf(other, 0)))
}

func priceUpdated(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	want := priceOf(s, 0)
	must(t, r.Tariffs.Add(t.Context(), want))
	for range 2 { // also to what it is already
		before := want
		got, err := r.Tariffs.Update(t.Context(), s.OwnerID, want.ID, func(p *tariff.Price) error {
			wantSame(t, *p, before)
			p.PricePerKwh, p.FeedInPricePerKwh = decimal.RequireFromString("999999999999999.999999999999"), nil
			p.EffectiveFrom = instantOf(7)
			return nil
		})
		must(t, err)
		want.PricePerKwh, want.FeedInPricePerKwh = decimal.RequireFromString("999999999999999.999999999999"), nil
		want.EffectiveFrom = instantOf(7)
		wantSame(t, got, want)
		r.wantPrices(t, s.ID, want)
	}
}

func priceNotUpdated(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	want := priceOf(s, 0)
	must(t, r.Tariffs.Add(t.Context(), want))
	_, err := r.Tariffs.Update(t.Context(), s.OwnerID, want.ID, func(p *tariff.Price) error {
		p.PricePerKwh = decimal.NewFromInt(9)
		return actError{}
	})
	if err != (actError{}) { //nolint:errorlint // it is returned as it is
		t.Errorf("Update returned %v", err)
	}
	r.wantPrices(t, s.ID, want)
}

func priceDeleted(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	first, second := priceOf(s, 0), priceOf(s, 1)
	must(t, r.Tariffs.Add(t.Context(), first))
	must(t, r.Tariffs.Add(t.Context(), second))
	must(t, r.Tariffs.Delete(t.Context(), s.OwnerID, first.ID))
	r.wantPrices(t, s.ID, second)
	wantCode(t, r.Tariffs.Delete(t.Context(), s.OwnerID, first.ID), fault.NotFound)
	must(t, r.Tariffs.Delete(t.Context(), s.OwnerID, second.ID))
	r.wantPrices(t, s.ID)
	must(t, r.Tariffs.Add(t.Context(), priceOf(s, 0))) // its moment is free again
}

func priceForeign(t *testing.T, r Records) {
	s, stranger := r.newSunSource(t, r.newUser(t).ID), r.newUser(t).ID
	p := priceOf(s, 0)
	must(t, r.Tariffs.Add(t.Context(), p))
	for _, key := range [][2]uuid.UUID{{stranger, p.ID}, {s.OwnerID, uuid.New()}, {uuid.Nil, p.ID}} {
		_, err := r.Tariffs.Update(t.Context(), key[0], key[1], func(*tariff.Price) error {
			t.Error("the change was asked")
			return nil
		})
		wantCode(t, err, fault.NotFound)
		wantCode(t, r.Tariffs.Delete(t.Context(), key[0], key[1]), fault.NotFound)
	}
	r.wantPrices(t, s.ID, p)
}

// pricesAtOnce adds prices from one moment on at the same time.
func pricesAtOnce(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	taken := 0
	for _, err := range atOnce(6, func(int) error { return r.Tariffs.Add(t.Context(), priceOf(s, 0)) }) {
		if err == nil {
			taken++
		} else {
			wantCode(t, err, fault.Conflict)
		}
	}
	if history, err := r.Tariffs.History(t.Context(), s.ID); err != nil || taken != 1 || len(history) != 1 {
		t.Errorf("%d were taken, the history has %d, %v", taken, len(history), err)
	}
}
