package energy

// bridge is what stands in for a lifetime counter that is silent, or stands
// still though power flows. Without it the days of the silence would be empty or
// made from power, and the counter's gain over them would count their energy
// again in the month. So what stood in is booked apart, counts with the counter,
// and is taken from what the counter gains when it speaks again.
type bridge struct {
	since  int64 // energy by other means since the counter last grew
	booked int64 // how much of it stands in
	active bool
}

const (
	// silentAfter is from when on a counter is silent.
	silentAfter = hour
	// stuckAfter is what must have flowed, and three steps of the counter, before
	// it counts as stuck.
	stuckAfter = 3 * kilowattHour
)

// flow books energy of a channel that was made by other means than its counter.
func (f *Folder) flow(c Channel, slot int, amount int64) {
	l, b := &f.state.lines[c], &f.state.bridges[c]
	if !l.known || l.moved == f.now {
		return // the counter has counted it
	}
	at := f.now
	b.since = min(b.since+amount, maxEnergy)
	silent := at-l.at > silentAfter
	stuck := b.since >= max(stuckAfter, 3*l.step) && at-l.moved >= hour
	switch {
	case b.active:
		b.book(f.series(bridgeSeries+int(c)), amount, slot)
	case silent || stuck:
		b.active = true
		b.book(f.series(bridgeSeries+int(c)), b.since-b.booked, slot)
	}
	if stuck && !silent {
		f.day.flags[slot] |= Stuck
	}
}

func (b *bridge) book(s *series, amount int64, slot int) {
	s.cell[slot] += amount
	s.seen.set(slot)
	b.booked += amount
}

// settle takes what stood in from what the counter gained.
func (b *bridge) settle(v *verdict, stuck bool) {
	for _, g := range [...]*gained{&v.jump, &v.gain} {
		if g.amount > 0 {
			taken := min(b.booked, g.amount)
			g.amount -= taken
			b.booked -= taken
			b.since = 0
		}
	}
	switch {
	case b.since == 0:
		*b = bridge{}
	case v.heard && !stuck:
		b.active = false
	}
}

// forgetAfter is after how many days of readings without it a consumption
// counter is taken to be gone.
const forgetAfter = 30

// forget begins a day. A balance would be counted again by a consumption counter
// that is only silent, so there is none while there may be such a counter; one
// that stays away begins anew should it ever come back.
func (s *State) forget() {
	if !s.lines[Consumption].known {
		return
	}
	s.uncounted++
	if s.uncounted > forgetAfter {
		s.lines[Consumption] = line{rate: s.lines[Consumption].rate}
		s.bridges[Consumption] = bridge{}
		s.uncounted = 0
	}
}
