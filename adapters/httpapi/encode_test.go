package httpapi

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/shopspring/decimal"

	"ampra/core/telemetry"
)

func TestTimesHaveTheDigitsThatTheyNeed(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"2024-06-01T00:00:00Z": `"2024-06-01T00:00:00Z"`, "2024-06-01T02:00:00.1+02:00": `"2024-06-01T00:00:00.100Z"`,
		"2024-06-01T00:00:00.123Z": `"2024-06-01T00:00:00.123Z"`, "2024-06-01T00:00:00.123456Z": `"2024-06-01T00:00:00.123456Z"`,
		"2024-06-01T00:00:00.000000999Z": `"2024-06-01T00:00:00Z"`, "2024-06-01T00:00:00.123000999Z": `"2024-06-01T00:00:00.123Z"`,
		"2024-06-01T00:00:00.000001Z": `"2024-06-01T00:00:00.000001Z"`, "0001-01-01T00:00:00Z": `"0001-01-01T00:00:00Z"`,
	} {
		at, err := time.Parse(time.RFC3339Nano, sent)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(instant(at)); string(got) != want || err != nil {
			t.Errorf("%s is written as %s (%v), want %s", sent, got, err, want)
		}
	}
}

func TestMoneyIsWrittenDigitByDigit(t *testing.T) {
	t.Parallel()
	for want, amount := range map[string]decimal.Decimal{
		"12500":  decimal.RequireFromString("12500.00"),
		"0.1":    decimal.RequireFromString("0.10"),
		"0":      decimal.Zero,
		"100000": decimal.New(1, 5),
		"999999999999999.999999999999": decimal.NewFromBigInt(func() *big.Int {
			n, _ := new(big.Int).SetString("999999999999999999999999999", 10)
			return n
		}(), -12),
	} {
		if got, err := json.Marshal(cash(&amount)); string(got) != want || err != nil {
			t.Errorf("%s is written as %s (%v)", want, got, err)
		}
	}
	if got, err := json.Marshal(cash(nil)); string(got) != "null" || err != nil {
		t.Errorf("no money is written as %s (%v)", got, err)
	}
}

func TestAReadingIsWrittenWithEveryField(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.June, 21, 12, 0, 0, 5e6, time.UTC)
	r := telemetry.Reading{Timestamp: at, ReceivedAt: at.Truncate(time.Second)}
	r.Values.Set(telemetry.GridPowerWatts, -0.5)
	code := int64(7)
	r.Status, r.Extra = &telemetry.Status{Code: &code}, map[string]float64{"b": 2, "a": 1e21}
	got, err := json.Marshal(ReadingDto(r), json.Deterministic(true))
	const want = `{"timestamp":"2026-06-21T12:00:00.005Z","receivedAt":"2026-06-21T12:00:00Z","solarPowerWatts":null,"acPowerWatts":null,` +
		`"gridPowerWatts":-0.5,"loadPowerWatts":null,"batteryPowerWatts":null,"batteryStateOfChargePercent":null,"batteryVoltageVolts":null,` +
		`"gridVoltageVolts":null,"gridFrequencyHertz":null,"inverterTemperatureCelsius":null,"energyTodayKwh":null,"energyTotalKwh":null,` +
		`"loadTotalKwh":null,"gridImportTotalKwh":null,"gridExportTotalKwh":null,"batteryChargeTotalKwh":null,"batteryDischargeTotalKwh":null,` +
		`"strings":[],"phases":[],"status":{"code":7,"text":null},"extra":{"a":1e+21,"b":2}}`
	if string(got) != want || err != nil {
		t.Errorf("the reading is\n%s (%v), want\n%s", got, err, want)
	}
}

func TestAnEnergyIsShownToTheMilliwattHour(t *testing.T) {
	t.Parallel()
	for energy, want := range map[kwh]string{
		0: "0", 1: "0.000001", 500_000: "0.5", 1_000_000: "1", 4_325_250: "4.32525", 26_213_502_000: "26213.502",
		10_000_000: "10", -1_500_000: "-1.5", math.MaxInt64: "9223372036854.775807",
	} {
		got, err := json.Marshal(energy)
		if err != nil || string(got) != want {
			t.Errorf("%d mWh are %s, %v, want %s", energy, got, err, want)
		}
		exact := decimal.New(int64(energy), -6).String()
		if string(got) != exact {
			t.Errorf("%d mWh are %s, exactly %s", energy, got, exact)
		}
	}
}
