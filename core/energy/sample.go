package energy

import "math"

// Quantity is one of the measurements that energies are made from.
type Quantity uint8

// The quantities. Lifetime counters come first, in the order of the channels.
const (
	ProductionTotal Quantity = iota // kWh
	ConsumptionTotal
	GridImportTotal
	GridExportTotal
	BatteryChargeTotal
	BatteryDischargeTotal
	DayTotal     // kWh: the device's production counter of the day
	SolarPower   // W: DC power of all strings
	ACPower      // W: the inverter's output
	GridPower    // W: + import, - export
	LoadPower    // W
	BatteryPower // W: + discharge, - charge
)

// numQuantities is how many there are.
const numQuantities = 12

// What a sample can hold at the most: beyond it a number is left out.
const (
	maxKwh   = 1e10
	maxWatts = 1e8
)

// Sample is what one reading says about energies. The zero value knows nothing.
type Sample struct {
	// At is the reading's time in unix milliseconds.
	At    int64
	known uint16
	whole [numQuantities]int64 // milliwatt-hours and milliwatts
}

// Set makes a quantity known: counters in kWh, powers in W. A number that is
// not finite, a negative counter and what no site reaches stay unknown.
func (s *Sample) Set(q Quantity, number float64) {
	if math.IsNaN(number) || q >= numQuantities {
		return
	}
	if q <= DayTotal {
		if number < 0 || number > maxKwh {
			return
		}
		s.whole[q] = int64(math.Round(number * kilowattHour))
	} else {
		if number < -maxWatts || number > maxWatts {
			return
		}
		s.whole[q] = int64(math.Round(number * 1_000))
	}
	s.known |= 1 << q
}

// Get returns a quantity as Set took it, to the milliwatt or milliwatt-hour, and
// whether it is known.
func (s *Sample) Get(q Quantity) (float64, bool) {
	whole, ok := s.get(q)
	if q <= DayTotal {
		return float64(whole) / kilowattHour, ok
	}
	return float64(whole) / 1_000, ok
}

// get returns a quantity in whole milliwatt-hours or milliwatts.
func (s *Sample) get(q Quantity) (int64, bool) {
	if q >= numQuantities || s.known&(1<<q) == 0 {
		return 0, false
	}
	return s.whole[q], true
}

// IsEmpty reports whether the sample says nothing about energies. It still
// tells that the device was there.
func (s *Sample) IsEmpty() bool { return s.known == 0 }
