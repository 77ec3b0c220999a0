package energy

// A milliwatt-hour is this many milliwatts times milliseconds, twice: a
// trapezoid is half of the sum of its sides times its base.
const twiceMilliwattHour = 2 * hour

// powers integrates what the sample says of power since it was last seen.
func (f *Folder) powers(s *Sample) {
	if value, ok := f.productionPower(s); ok {
		value = max(value, 0)
		slot := f.day.slot(s.At)
		f.day.peak[slot] = max(f.day.peak[slot], value)
		f.integrate(productionPower, value, s.At)
	}
	if value, ok := s.get(LoadPower); ok {
		f.integrate(loadPower, max(value, 0), s.At)
	}
	if value, ok := s.get(GridPower); ok {
		f.integrate(gridPower, value, s.At)
	}
	if value, ok := s.get(BatteryPower); ok {
		f.integrate(batteryPower, value, s.At)
	}
}

// productionPower is the inverter's output, else the power of its strings. The
// output of a hybrid holds what its battery gave, so there it is the strings'.
func (f *Folder) productionPower(s *Sample) (int64, bool) {
	st := &f.state
	solar, hasSolar := s.get(SolarPower)
	ac, hasAC := s.get(ACPower)
	if hasSolar {
		st.solarAt = s.At
	}
	if hasAC {
		st.acAt = s.At
	}
	if s.known&(1<<BatteryPower) != 0 {
		st.batteryAt = s.At
	}
	hybrid := st.solarAt != 0 && st.batteryAt != 0 && s.At-st.solarAt <= hour && s.At-st.batteryAt <= hour
	switch {
	case hybrid:
		return solar, hasSolar
	case hasAC:
		return ac, true
	case st.acAt != 0 && s.At-st.acAt <= hour:
		return 0, false
	default:
		return solar, hasSolar
	}
}

// signs says which channels a power's positive and negative values go to.
func signs(power int) (positive, negative Channel) {
	switch power {
	case loadPower:
		return Consumption, Consumption
	case gridPower:
		return GridImport, GridExport
	case batteryPower:
		return BatteryDischarge, BatteryCharge
	default:
		return Production, Production
	}
}

// integrate books the energy of a power since it was last seen: the trapezoid
// between both values if they are near enough, else what each speaks for.
func (f *Folder) integrate(power int, value, at int64) {
	last := f.state.powers[power]
	f.state.powers[power] = watched{at: at, value: value}
	if last.at != 0 {
		f.reached(power, last.value, value)
	}
	reach := f.state.rhythm.reach()
	gap := at - last.at
	switch {
	case last.at == 0:
		f.ramp(power, value, value, at, at)
	case gap <= max(2*reach, min(3*f.state.rhythm.median(), hour)):
		f.slope(power, last.value, value, last.at, at)
	default:
		if last.at >= f.day.origin() {
			f.slope(power, last.value, last.value, last.at, last.at+reach)
		}
		f.slope(power, value, value, max(at-reach, f.day.origin()), at)
	}
}

// reached remembers for the counters what power was seen twice in a row.
func (f *Folder) reached(power int, a, b int64) {
	positive, negative := signs(power)
	if a > 0 && b > 0 {
		l := &f.state.lines[positive]
		l.rate = max(l.rate, min(a, b))
	}
	if a < 0 && b < 0 {
		l := &f.state.lines[negative]
		l.rate = max(l.rate, min(-a, -b))
	}
	if power == productionPower {
		f.state.daily.rate = max(f.state.daily.rate, min(a, b))
	}
}

// slope books a straight line of power, parted where it crosses zero.
func (f *Folder) slope(power int, a, b, from, to int64) {
	if a < 0 && b > 0 || a > 0 && b < 0 {
		sizeA, sizeB := max(a, -a), max(b, -b)
		zero := from + share(sizeA, to-from, sizeA+sizeB)
		f.ramp(power, a, 0, from, zero)
		f.ramp(power, 0, b, zero, to)
		return
	}
	f.ramp(power, a, b, from, to)
}

// ramp books a line of power of one sign, quarter by quarter.
func (f *Folder) ramp(power int, a, b, from, to int64) {
	positive, negative := signs(power)
	channel := positive
	if a < 0 || b < 0 {
		channel, a, b = negative, -a, -b
	}
	f.see(positive, to)
	f.see(negative, to)
	if from >= to {
		return
	}
	start, first := from, a
	for start < to {
		slot := f.day.slot(start + 1)
		end := f.day.origin() + int64(slot+1)*quarter
		last := b
		if end < to {
			last = a + (b-a)*(end-from)/(to-from)
		} else {
			end = to
		}
		f.trapezoid(channel, slot, first, last, end-start)
		start, first = end, last
	}
}

func (f *Folder) see(c Channel, at int64) {
	f.series(powerSeries + int(c)).seen.set(f.day.slot(at))
}

// trapezoid books into one slot, and keeps for the next what does not fill a
// milliwatt-hour.
func (f *Folder) trapezoid(c Channel, slot int, a, b, length int64) {
	rest := &f.state.rest[c]
	*rest += (a + b) * length
	energy := *rest / twiceMilliwattHour
	*rest %= twiceMilliwattHour
	s := f.series(powerSeries + int(c))
	s.cell[slot] += energy
	s.seen.set(slot)
	if c != Production || !f.state.daily.known || f.now-f.state.daily.at > silentAfter {
		f.flow(c, slot, energy)
	}
}
