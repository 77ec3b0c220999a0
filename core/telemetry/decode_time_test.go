package telemetry_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ampra/core/telemetry"
)

func TestATimestampIsReadInAnyForm(t *testing.T) {
	t.Parallel()
	for member, want := range map[string]string{
		`"timestamp":"2026-06-21T12:00:00Z"`:                 "2026-06-21T12:00:00.000Z",
		`"time":"2026-06-21T14:00:00+02:00"`:                 "2026-06-21T12:00:00.000Z",
		`"ts":"2026-06-21T02:15:00.25-09:45"`:                "2026-06-21T12:00:00.250Z",
		`"ts":"2026-06-20T23:59:59.9999999999999+00:00"`:     "2026-06-20T23:59:59.999Z",
		`"ts":"2026-06-21t12:00:00z"`:                        "2026-06-21T12:00:00.000Z",
		`"ts":"2026-06-21\u005412:00:00Z"`:                   "2026-06-21T12:00:00.000Z",
		`"ts":"2024-02-29T00:00:00-00:00"`:                   "2024-02-29T00:00:00.000Z",
		`"ts":1782043200`:                                    "2026-06-21T12:00:00.000Z",
		`"ts":1782043200000`:                                 "2026-06-21T12:00:00.000Z",
		`"ts":1782043200.0`:                                  "2026-06-21T12:00:00.000Z",
		`"ts":1782043199.9999`:                               "2026-06-21T11:59:59.999Z",
		`"ts":1782043199.001`:                                "2026-06-21T11:59:59.001Z",
		`"ts":1782043199.123`:                                "2026-06-21T11:59:59.123Z",
		`"ts":1782043199.5`:                                  "2026-06-21T11:59:59.500Z",
		`"ts":1782043199999.99`:                              "2026-06-21T11:59:59.999Z",
		`"ts":1.782043199123e9`:                              "2026-06-21T11:59:59.123Z",
		`"ts":1782043199123E0`:                               "2026-06-21T11:59:59.123Z",
		`"ts":178204319912.3e+1`:                             "2026-06-21T11:59:59.123Z",
		`"ts":1782043199123000000e-6`:                        "2026-06-21T11:59:59.123Z",
		`"ts":0.00001782043199123e14`:                        "2026-06-21T11:59:59.123Z",
		`"ts":946684800`:                                     "2000-01-01T00:00:00.000Z",
		`"ts":946684800000`:                                  "2000-01-01T00:00:00.000Z",
		`"ts":"1999-12-31T23:00:00-01:00"`:                   "2000-01-01T00:00:00.000Z",
		`"ts":1782044100.123`:                                "2026-06-21T12:15:00.123Z",
		`"ts":1782044100.123999`:                             "2026-06-21T12:15:00.123Z",
		`"ts":null`:                                          defaultTime,
		`"ts":null,"time":1782043200,"timestamp":null`:       "2026-06-21T12:00:00.000Z",
		`"ts":1782043200,"time":"2026-06-21T14:00:00+02:00"`: "2026-06-21T12:00:00.000Z",
		`"ts":1782043200,"time":1782043200000,"timestamp":"2026-06-21T12:00:00.0001Z"`: "2026-06-21T12:00:00.000Z",
		`"ts":1782043200.` + strings.Repeat("0", 64<<10) + `1`:                         "2026-06-21T12:00:00.000Z",
	} {
		if got := only(t, decode(t, `{"acPowerWatts":1,`+member+`}`, intake())); got != want+" acPowerWatts=1" {
			t.Errorf("%.80s: got %s, want %s", member, got, want)
		}
	}
}

func TestAReadingWhoseTimeIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	const (
		form   = " must be RFC 3339 with an offset, such as 2026-06-21T12:00:00+02:00, or a unix time in seconds or milliseconds"
		bounds = " is out of the allowed range, 2000-01-01T00:00:00Z until 2026-06-21T12:15:00.123Z"
		differ = "timestamp, time and ts do not say the same"
	)
	for member, want := range map[string]string{
		`"timestamp":"2026-06-21T12:00:00"`:          "timestamp" + form,
		`"time":"2026-06-21 12:00:00Z"`:              "time" + form,
		`"ts":"21/06/2026 12:00:00"`:                 "ts" + form,
		`"ts":"2026-06-21T12:00:00+0200"`:            "ts" + form,
		`"ts":"2026-06-21T12:00:00,5Z"`:              "ts" + form,
		`"ts":"2026-06-21T2:00:00Z"`:                 "ts" + form,
		`"ts":"2026-06-21T12:00:00+25:00"`:           "ts" + form,
		`"ts":"2026-02-29T12:00:00Z"`:                "ts" + form,
		`"ts":"2026-06-21T24:00:00Z"`:                "ts" + form,
		`"ts":"2026-06-21T12:00:61Z"`:                "ts" + form,
		`"ts":" 2026-06-21T12:00:00Z"`:               "ts" + form,
		`"ts":"1782043200"`:                          "ts" + form,
		`"ts":""`:                                    "ts" + form,
		`"ts":"` + strings.Repeat("2", 64<<10) + `"`: "ts" + form,
		`"ts":true`:                             "ts" + form,
		`"ts":{}`:                               "ts" + form,
		`"ts":[1782043200]`:                     "ts" + form,
		`"ts":0`:                                "ts" + bounds,
		`"ts":-0`:                               "ts" + bounds,
		`"ts":0e9999999999`:                     "ts" + bounds,
		`"ts":-1782043200`:                      "ts" + bounds,
		`"ts":1`:                                "ts" + bounds,
		`"ts":946684799.999`:                    "ts" + bounds,
		`"ts":"1970-01-01T00:00:00Z"`:           "ts" + bounds,
		`"ts":"2100-01-01T00:00:00Z"`:           "ts" + bounds,
		`"ts":"0000-01-01T00:00:00Z"`:           "ts" + bounds,
		`"ts":1782044100.124`:                   "ts" + bounds,
		`"ts":4102444800000`:                    "ts" + bounds,
		`"ts":1e400`:                            "ts" + bounds,
		`"ts":-1e400`:                           "ts" + bounds,
		`"ts":1e-400`:                           "ts" + bounds,
		`"ts":1e99999999999999999999`:           "ts" + bounds,
		`"ts":1e-99999999999999999999`:          "ts" + bounds,
		`"ts":99999999999999999999999999999`:    "ts" + bounds,
		`"ts":1782043200,"time":1782043201`:     differ,
		`"ts":1782043200,"time":1782043200.001`: differ,
		`"time":1782043200,"ts":7`:              "ts" + bounds,
		`"time":"noon","ts":1782043200`:         "time" + form,
	} {
		report := decode(t, `{`+member+`,"acPowerWatts":1,"loadPowerWatts":true}`, intake())
		if len(report.Readings) != 0 || len(report.Rejected) != 1 || len(report.Warnings) != 0 {
			t.Errorf("%.60s: got %+v, want a rejection", member, report)
			continue
		}
		if got := report.Rejected[0]; got.Reason != want || got.Index != 0 {
			t.Errorf("%.60s: got %d %q, want %q", member, got.Index, got.Reason, want)
		}
	}
}

func TestWithoutADefaultTimeAReadingHasThatOfItsIntake(t *testing.T) {
	t.Parallel()
	in := intake()
	in.Default = time.Time{}
	if got := only(t, decode(t, `{"acPowerWatts":1}`, in)); got != receivedAt+" acPowerWatts=1" {
		t.Errorf("got %s", got)
	}
}

// TestUnixTimesAreExact compares with exact fractions.
func TestUnixTimesAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.Int64Range(946684800, 1782044099).Draw(t, "seconds")
		fraction := rapid.StringMatching(`[0-9]{0,12}`).Draw(t, "fraction")
		exponent := rapid.IntRange(-20, 20).Draw(t, "exponent")
		number, _ := new(big.Rat).SetString(big.NewInt(whole).String() + "." + fraction + "0")
		in := rapid.SampledFrom([]int64{1, 1000}).Draw(t, "units in a second")
		value := new(big.Rat).Mul(number, big.NewRat(in, 1))
		// Write it with the point somewhere else.
		shift := new(big.Rat).SetFrac(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exponent, -exponent))), nil), big.NewInt(1))
		if exponent > 0 {
			shift.Inv(shift)
		}
		text := new(big.Rat).Mul(value, shift).FloatString(45) + "e" + big.NewInt(int64(exponent)).String()

		report, err := telemetry.Decode([]byte(`{"acPowerWatts":1,"ts":`+text+`}`), intake())
		if err != nil || len(report.Readings) != 1 {
			t.Fatalf("%s: %+v, %v", text, report, err)
		}
		milli := new(big.Rat).Mul(number, big.NewRat(1000, 1))
		want := new(big.Int).Quo(milli.Num(), milli.Denom()).Int64()
		if got := report.Readings[0].Timestamp.UnixMilli(); got != want {
			t.Fatalf("%s: got %d, want %d", text, got, want)
		}
	})
}
