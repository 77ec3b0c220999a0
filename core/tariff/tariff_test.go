package tariff_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"ampra/core/fault"
	"ampra/core/patch"
	"ampra/core/tariff"
)

func TestAPriceIsExactMoney(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		price, feedIn string
		wrong         []string
	}{
		"a price":                          {"0.25", "", nil},
		"nothing":                          {"0", "0", nil},
		"twelve decimals":                  {"0.123456789012", "0.000000000001", nil},
		"thirteen decimals":                {"0.1234567890123", "0.0000000000001", []string{"feedInPricePerKwh", "initialKwhPrice"}},
		"thirteen decimals that are zeros": {"0.1234567890120", "", nil},
		"the largest":                      {"999999999999999.999999999999", "", nil},
		"too large":                        {"1000000000000000", "", []string{"initialKwhPrice"}},
		"negative":                         {"-0.01", "-0.01", []string{"feedInPricePerKwh", "initialKwhPrice"}},
		"a negative feed-in price":         {"0.25", "-1", []string{"feedInPricePerKwh"}},
		"a huge exponent":                  {"1e10000", "", []string{"initialKwhPrice"}},
		"a tiny exponent":                  {"1e-10000", "", []string{"initialKwhPrice"}},
		"zero with a huge exponent":        {"0e10000", "", nil},
	} {
		p := tariff.Price{PricePerKwh: decimal.RequireFromString(c.price)}
		if c.feedIn != "" {
			feedIn := decimal.RequireFromString(c.feedIn)
			p.FeedInPricePerKwh = &feedIn
		}
		err := p.Validate("initialKwhPrice")
		f, _ := errors.AsType[*fault.Error](err)
		var got []string
		if f != nil && f.Code == fault.Invalid {
			got = slices.Sorted(maps.Keys(f.Fields))
		}
		if !slices.Equal(got, c.wrong) || (err == nil) != (len(c.wrong) == 0) {
			t.Errorf("%s: got %v, want the fields %v", name, err, c.wrong)
		}
	}
}

func TestAPatchChangesWhatIsSentAndNamesAllThatIsWrong(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	before := tariff.Price{PricePerKwh: decimal.RequireFromString("0.25"), FeedInPricePerKwh: new(decimal.RequireFromString("0.08")), EffectiveFrom: from}
	for name, c := range map[string]struct {
		patch tariff.Patch
		price string
		feed  string
		from  time.Time
		wrong []string
	}{
		"nothing":                {tariff.Patch{}, "0.25", "0.08", from, nil},
		"a price":                {tariff.Patch{PricePerKwh: patch.Set(decimal.RequireFromString("0.3"))}, "0.3", "0.08", from, nil},
		"another feed-in price":  {tariff.Patch{FeedInPricePerKwh: patch.Set(decimal.Zero)}, "0.25", "0", from, nil},
		"no feed-in price":       {tariff.Patch{FeedInPricePerKwh: patch.Null[decimal.Decimal]()}, "0.25", "", from, nil},
		"another time":           {tariff.Patch{EffectiveFrom: patch.Set(from.AddDate(1, 0, 0))}, "0.25", "0.08", from.AddDate(1, 0, 0), nil},
		"no price":               {tariff.Patch{PricePerKwh: patch.Null[decimal.Decimal]()}, "", "", from, []string{"pricePerKwh"}},
		"no time":                {tariff.Patch{EffectiveFrom: patch.Null[time.Time]()}, "", "", from, []string{"effectiveFrom"}},
		"a time before all":      {tariff.Patch{EffectiveFrom: patch.Set(time.Date(1899, 12, 31, 0, 0, 0, 0, time.UTC))}, "", "", from, []string{"effectiveFrom"}},
		"all of it wrong":        {tariff.Patch{patch.Set(decimal.New(-1, 0)), patch.Set(decimal.New(1, 15)), patch.Null[time.Time]()}, "", "", from, []string{"effectiveFrom", "feedInPricePerKwh", "pricePerKwh"}},
		"a price beyond reading": {tariff.Patch{PricePerKwh: patch.Set(decimal.New(1, 1_000_000))}, "", "", from, []string{"pricePerKwh"}},
	} {
		p := before
		err := c.patch.Apply(&p)
		if f := fault.FieldsOf(err); (err == nil) != (len(c.wrong) == 0) || !sameFields(f, c.wrong) {
			t.Errorf("%s: got %v, want the fields %v", name, err, c.wrong)
		}
		if err != nil {
			continue
		}
		feed := ""
		if p.FeedInPricePerKwh != nil {
			feed = p.FeedInPricePerKwh.String()
		}
		if p.PricePerKwh.String() != c.price || feed != c.feed || !p.EffectiveFrom.Equal(c.from) {
			t.Errorf("%s: got %s, %q from %s", name, p.PricePerKwh, feed, p.EffectiveFrom)
		}
	}
}

func sameFields(f fault.Fields, want []string) bool {
	e, _ := errors.AsType[*fault.Error](f.Err())
	if e == nil {
		return len(want) == 0
	}
	return slices.Equal(slices.Sorted(maps.Keys(e.Fields)), want)
}
