package main

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

// valueOf is what a source's reading of that number says as acPowerWatts.
func valueOf(number int) float64 { return float64(number%9000 + 1) }

// appendReading writes what a hybrid inverter sends: a time and ten values. The
// stamp is in Unix milliseconds.
func appendReading(dst []byte, stamp int64, number int) []byte {
	dst = append(dst, `{"timestamp":"`...)
	dst = time.UnixMilli(stamp).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	dst = append(dst, `","solarPowerWatts":`...)
	dst = strconv.AppendInt(dst, int64(4000+number%97), 10)
	dst = append(dst, `.4,"acPowerWatts":`...)
	dst = strconv.AppendInt(dst, int64(valueOf(number)), 10)
	dst = append(dst, `,"gridPowerWatts":-1210.`...)
	dst = strconv.AppendInt(dst, int64(number%89+10), 10)
	dst = append(dst, `,"loadPowerWatts":912.3,"batteryPowerWatts":-500,"batteryStateOfChargePercent":76.5,`+
		`"gridVoltageVolts":231.6,"gridFrequencyHertz":50.01,"inverterTemperatureCelsius":41.2,"energyTotalKwh":`...)
	dst = strconv.AppendInt(dst, int64(26213+number/1000), 10)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, int64(100+number%900), 10)
	return append(dst, '}')
}

// payloadBytes is the size of a usual reading.
func payloadBytes() int { return len(appendReading(nil, time.Now().UnixMilli(), 1000)) }

// decoded is the reading as the pipeline understands it, for what is measured
// without devices.
func decoded(source uuid.UUID, stamp int64, number int) (telemetry.Reading, error) {
	now := telemetry.Truncate(time.Now())
	report, err := telemetry.Decode(appendReading(nil, stamp, number), telemetry.Intake{SourceID: source, ReceivedAt: now, Default: now})
	if err != nil {
		return telemetry.Reading{}, err
	}
	return report.Readings[0], nil
}
