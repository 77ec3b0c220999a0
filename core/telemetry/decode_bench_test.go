package telemetry_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

// usual is what a hybrid inverter sends every few seconds.
const usual = `{"timestamp":"2026-06-21T12:00:05.250+02:00","solarPowerWatts":4210.4,"acPowerWatts":4096,` +
	`"gridPowerWatts":-1210.4,"loadPowerWatts":912.3,"batteryPowerWatts":-500,"batteryStateOfChargePercent":76.5,` +
	`"batteryVoltageVolts":52.43,"gridVoltageVolts":231.6,"gridFrequencyHertz":50.01,"inverterTemperatureCelsius":41.2,` +
	`"energyTodayKwh":8.12,"energyTotalKwh":26213.502,"gridImportTotalKwh":912.473,"gridExportTotalKwh":5120.4,` +
	`"strings":[{"voltageVolts":344.6,"currentAmperes":6.1,"powerWatts":2102},{"voltageVolts":351.2,"currentAmperes":6,"powerWatts":2108.4}],` +
	`"status":{"code":7,"text":"running"},"fanRpm":1200,"wifiSignal":-64}`

const small = `{"ts":1782036005,"acPowerWatts":612.4,"energyTotalKwh":912.473}`

func benchmarkIntake() telemetry.Intake {
	now := time.Date(2026, time.June, 21, 10, 0, 6, 0, time.UTC)
	return telemetry.Intake{SourceID: uuid.UUID{1}, ReceivedAt: now, Default: now}
}

func BenchmarkDecode(b *testing.B) {
	list := "[" + strings.Repeat(small+",", 999) + small + "]"
	for name, text := range map[string]string{"usual": usual, "small": small, "list of 1000": list} {
		b.Run(name+" "+strconv.Itoa(len(text))+" bytes", func(b *testing.B) {
			data, in := []byte(text), benchmarkIntake()
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var d telemetry.Decoder
			for b.Loop() {
				if report, err := d.Decode(data, in); err != nil || len(report.Readings) == 0 {
					b.Fatal(report, err)
				}
			}
		})
	}
}

func BenchmarkEntry(b *testing.B) {
	report, err := telemetry.Decode([]byte(usual), benchmarkIntake())
	if err != nil {
		b.Fatal(err)
	}
	entry := telemetry.Entry{SourceID: uuid.UUID{1}, Readings: report.Readings}
	data := telemetry.AppendEntry(nil, entry)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			data = telemetry.AppendEntry(data[:0], entry)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := telemetry.DecodeEntry(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
