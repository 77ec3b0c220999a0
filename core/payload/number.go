package payload

import (
	"bytes"
	"math"
	"strconv"
)

// parseNumber reads a number as devices print it in texts: with spaces around, a
// decimal comma, a unit behind, or as the typed hexadecimal of some storage
// systems (fl_43A12345 is a float). ok is false for anything else: none, NaN and
// infinities are no numbers.
func parseNumber(text []byte) (value float64, unit []byte, ok bool) {
	text = bytes.TrimSpace(text)
	if len(text) > 3 && text[2] == '_' {
		value, ok = typedHex(text)
		return value, nil, ok
	}
	end, digits, commas, points := 0, 0, 0, 0
	for ; end < len(text); end++ {
		switch c := text[end]; {
		case isDigit(c):
			digits++
			continue
		case c == '.':
			points++
			continue
		case c == ',':
			commas++
			continue
		case (c == '-' || c == '+') && (end == 0 || text[end-1]|0x20 == 'e'):
			continue
		case c|0x20 == 'e' && digits > 0 && end+1 < len(text) && (isDigit(text[end+1]) || text[end+1] == '-' || text[end+1] == '+'):
			continue
		}
		break
	}
	if digits == 0 || commas > 1 || points > 1 || commas == 1 && points == 1 || end > 40 {
		return 0, nil, false
	}
	unit = bytes.TrimSpace(text[end:])
	if len(unit) > 4 { // longer words are no units: a date, an address
		return 0, nil, false
	}
	if len(unit) > 1 && bytes.ContainsAny(unit, "0123456789-:/_.,") {
		return 0, nil, false
	}
	number := text[:end]
	if commas == 1 {
		var room [48]byte
		number = append(room[:0], number...)
		number[bytes.IndexByte(number, ',')] = '.'
	}
	value, ok = Float(number)
	return value, unit, ok
}

// typedHex reads fl_ (a 32-bit float), u1_, u3_, u6_, u8_ and i1_, i3_, i8_
// (whole numbers).
func typedHex(text []byte) (float64, bool) {
	bits, err := strconv.ParseUint(string(text[3:]), 16, 64)
	if err != nil {
		return 0, false
	}
	switch kind := string(text[:2]); {
	case kind == "fl" && len(text) == 11:
		value := float64(math.Float32frombits(uint32(bits))) //nolint:gosec // eight digits
		return value, !math.IsNaN(value) && !math.IsInf(value, 0)
	case kind[0] == 'u' && isDigit(kind[1]):
		return float64(bits), true
	case kind == "i1" && len(text) == 7:
		return float64(int16(bits)), true //nolint:gosec // four digits
	case kind == "i3" && len(text) == 11:
		return float64(int32(bits)), true //nolint:gosec // eight digits
	case kind == "i8" && len(text) == 5:
		return float64(int8(bits)), true //nolint:gosec // two digits
	default:
		return 0, false
	}
}

// times multiplies, and divides by the whole number that a scale below one
// stands for: 12345 at a tenth is 1234.5, not 1234.5000000000002.
func times(value, scale float64) float64 {
	if scale == 0 {
		return value
	}
	if part := math.Abs(scale); part < 1 {
		return value/math.Copysign(math.Round(1/part), scale) + 0
	}
	return value*scale + 0
}

// dimension is what a unit measures.
type dimension uint8

const (
	unknownDimension dimension = iota
	power
	energy
	voltage
	current
	frequency
	temperature
	percent
	otherDimension // var, seconds: known, and of no field
)

// unitOf tells what a unit measures and how much of our own unit one of it is.
// mW and MW differ in the capital alone.
func unitOf(unit string) (dimension, float64) {
	switch unit {
	case "W", "w", "Watt", "watt", "Watts", "watts":
		return power, 1
	case "kW", "KW", "kw":
		return power, 1e3
	case "mW":
		return power, 1e-3
	case "MW":
		return power, 1e6
	case "Wh", "wh", "WH":
		return energy, 1e-3
	case "kWh", "KWh", "kwh", "KWH", "Kwh":
		return energy, 1
	case "MWh":
		return energy, 1e3
	case "Wmin":
		return energy, 1.0 / 60_000
	case "J":
		return energy, 1.0 / 3_600_000
	case "V", "v", "Volt", "volt", "Volts", "volts":
		return voltage, 1
	case "mV":
		return voltage, 1e-3
	case "A", "a", "Ampere", "Amperes", "amperes", "Amps", "amps":
		return current, 1
	case "mA":
		return current, 1e-3
	case "Hz", "hz", "Hertz", "hertz":
		return frequency, 1
	case "°C", "C", "c", "Cel", "celsius", "Celsius", "degC":
		return temperature, 1
	case "%", "%EL", "percent", "Percent", "pct":
		return percent, 1
	case "/":
		return percent, 100
	case "":
		return unknownDimension, 1
	default:
		return otherDimension, 1
	}
}

// dimensionOf is what the target is measured in.
func dimensionOf(to Target) dimension {
	switch {
	case to <= Target(BatteryPowerWatts):
		return power
	case to == Target(BatteryStateOfChargePercent):
		return percent
	case to <= Target(GridVoltageVolts):
		return voltage
	case to == Target(GridFrequencyHertz):
		return frequency
	case to == Target(InverterTemperatureCelsius):
		return temperature
	case int(to) < NumFields:
		return energy
	case to < ToStatusCode:
		return [...]dimension{voltage, current, power}[(to-ToString)%parts]
	default:
		return unknownDimension
	}
}
