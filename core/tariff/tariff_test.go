package tariff_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/shopspring/decimal"

	"ampra/core/fault"
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
