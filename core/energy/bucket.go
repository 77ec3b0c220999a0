package energy

import "time"

// Amount is the energy of one channel in one period.
type Amount struct {
	// MilliwattHours is 0 where it is not known.
	MilliwattHours int64
	// Known tells 0 from unknown.
	Known bool
	// Method is what most of it was made from; None where it is not known.
	Method Method
	// Estimated is how many of the milliwatt-hours stand on power, or were seen
	// after a silence that began before the period.
	Estimated int64
}

// Kwh is the energy in kilowatt-hours.
func (a Amount) Kwh() float64 { return float64(a.MilliwattHours) / kilowattHour }

// Bucket is what is known of one period.
type Bucket struct {
	// Start and End are on the local clock; End is the next one's Start.
	Start, End time.Time
	// Energy is indexed by Channel.
	Energy [NumChannels]Amount
	// CoveredMillis is how much of its time is within reach of a reading, Coverage
	// the share of it, from 0 to 1.
	CoveredMillis int64
	Coverage      float64
	Flags         Flags
	// PeakPowerWatts is the highest production power that was read; nil for none.
	PeakPowerWatts *float64
}

// SelfConsumption is the share of the production that was not fed in, from 0 to
// 1. It is not ok where nothing was produced or one of both is not known.
func (b Bucket) SelfConsumption() (share float64, ok bool) {
	return without(b.Energy[Production], b.Energy[GridExport])
}

// SelfSufficiency is the share of the consumption that did not come from the
// grid, from 0 to 1. It is not ok where nothing was used or one of both is not
// known.
func (b Bucket) SelfSufficiency() (share float64, ok bool) {
	return without(b.Energy[Consumption], b.Energy[GridImport])
}

// without is the share of whole that is left without part.
func without(whole, part Amount) (float64, bool) {
	if !whole.Known || !part.Known || whole.MilliwattHours <= 0 {
		return 0, false
	}
	rest := whole.MilliwattHours - part.MilliwattHours
	return float64(min(max(rest, 0), whole.MilliwattHours)) / float64(whole.MilliwattHours), true
}

// SpecificYield is the production in kWh for each kW of capacity. It is not ok
// without a capacity or where the production is not known.
func (b Bucket) SpecificYield(capacityWatts float64) (kwhPerKilowatt float64, ok bool) {
	if !b.Energy[Production].Known || !(capacityWatts > 0) {
		return 0, false
	}
	return b.Energy[Production].Kwh() / (capacityWatts / 1_000), true
}

// Sum adds several sources' buckets of the same periods, as Buckets makes them
// from the same zone, resolution and times. A channel is known where any source
// knows it; flags are those of all; the coverage is the sources' mean. A peak
// stands only where one source alone has one, since peaks do not add.
func Sum(list ...[]Bucket) []Bucket {
	if len(list) == 0 {
		return nil
	}
	total := make([]Bucket, len(list[0]))
	for i := range total {
		total[i] = sumOf(list, i)
	}
	return total
}

func sumOf(list [][]Bucket, i int) Bucket {
	sum := Bucket{Start: list[0][i].Start, End: list[0][i].End}
	var tally tally
	var coverage float64
	var peaks, counted int
	for _, buckets := range list {
		if i >= len(buckets) {
			continue
		}
		b := &buckets[i]
		counted++
		for c, amount := range b.Energy {
			tally.add(Channel(c), amount)
		}
		sum.CoveredMillis += b.CoveredMillis
		coverage += b.Coverage
		sum.Flags |= b.Flags
		if b.PeakPowerWatts != nil {
			peaks++
			sum.PeakPowerWatts = b.PeakPowerWatts
		}
	}
	if peaks > 1 {
		sum.PeakPowerWatts = nil
	}
	sum.Coverage = coverage / float64(counted)
	tally.store(&sum)
	return sum
}

// tally adds amounts of different methods.
type tally struct {
	amount [NumChannels]Amount
	days   [NumChannels][numMethods]int64
	energy [NumChannels][numMethods]int64
}

func (t *tally) add(c Channel, a Amount) {
	if !a.Known {
		return
	}
	t.amount[c].Known = true
	t.amount[c].MilliwattHours += a.MilliwattHours
	t.amount[c].Estimated += a.Estimated
	t.days[c][a.Method]++
	t.energy[c][a.Method] += a.MilliwattHours
}

// store gives the sums, each with the method behind most of its energy; where
// that does not tell, behind most of its parts.
func (t *tally) store(b *Bucket) {
	for c := range t.amount {
		a := t.amount[c]
		if a.Known {
			for m := Method(1); m < numMethods; m++ {
				best := a.Method
				if t.days[c][m] > 0 && (best == None || t.energy[c][m] > t.energy[c][best] ||
					t.energy[c][m] == t.energy[c][best] && t.days[c][m] > t.days[c][best]) {
					a.Method = m
				}
			}
		}
		b.Energy[c] = a
	}
}
