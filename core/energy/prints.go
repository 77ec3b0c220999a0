package energy

// prints tell whether a day repeats an earlier one: a logger that stopped and
// shows the same rows again and again.
type prints struct {
	samples int64
	first   uint64 // the day's first sample
	moved   bool   // another sample was different
	current uint64 // of the day that is folded
	before  uint64 // of the last day that could be told from others
	suspect uint64 // of the last that came twice
}

// fewest is how many readings a day has that can be told from others.
const fewest = 10

// still is how long everything was measured the same.
type still struct {
	since, samples int64
	print          uint64
}

// Everything stands still that shows power, and the same in so many readings
// over so long a time.
const (
	stillFor     = 2 * hour
	stillSamples = 12
	stillPower   = 50 * 1_000 // mW
)

// next begins another day.
func (p *prints) next() {
	if p.tells() {
		if p.current == p.before {
			p.suspect = p.current
		}
		p.before = p.current
	}
	*p = prints{before: p.before, suspect: p.suspect}
}

func (p *prints) tells() bool { return p.moved && p.samples >= fewest }

func (p *prints) repeated() bool {
	return p.tells() && (p.current == p.before || p.current == p.suspect)
}

// mix is a step of FNV-1a with 64-bit words, and a shift that brings the high
// bits down.
func mix(print, word uint64) uint64 {
	print = (print ^ word) * 0x100000001b3
	return print ^ print>>29
}

func (s *Sample) print() uint64 {
	print := mix(0xcbf29ce484222325, uint64(s.known))
	for q := range Quantity(numQuantities) {
		if s.known&(1<<q) != 0 {
			print = mix(print, uint64(s.whole[q])) //nolint:gosec // only mixed
		}
	}
	return print
}

// prints compares the sample with those before it.
func (f *Folder) prints(s *Sample) {
	if s.known == 0 {
		return
	}
	print := s.print()
	st, p := &f.state.still, &f.state.prints
	if print != st.print || st.since == 0 {
		*st = still{since: s.At, print: print}
	}
	st.samples++
	if st.samples >= stillSamples && s.At-st.since >= stillFor && s.flows() {
		f.day.flags[f.day.slot(s.At)] |= Stuck
	}
	if p.samples == 0 {
		p.first = print
	}
	p.samples++
	p.moved = p.moved || print != p.first
	p.current = mix(mix(p.current, uint64(s.At-f.day.start())), print) //nolint:gosec // only mixed
	f.day.print, f.day.repeated = p.current, p.repeated()
}

// flows reports whether the sample shows power.
func (s *Sample) flows() bool {
	for q := SolarPower; q < numQuantities; q++ {
		if s.known&(1<<q) != 0 && (s.whole[q] >= stillPower || s.whole[q] <= -stillPower) {
			return true
		}
	}
	return false
}
