package energy

import "math/bits"

// spread books an amount that was gained in (from, to]: over the quarters by
// their time if that is an hour at most, else where it was seen. What does not
// divide goes to the later quarters, so that the sum is exact.
func (d *Day) spread(s *series, amount, from, to int64) {
	last := d.slot(to)
	if to-from > hour || amount == 0 {
		s.cell[last] += amount
		s.seen.set(last)
		return
	}
	first := d.slot(from + 1)
	whole, done := to-from, int64(0)
	for slot := first; slot < last; slot++ {
		upTo := share(amount, d.origin()+int64(slot+1)*quarter-from, whole)
		s.cell[slot] += upTo - done
		s.seen.set(slot)
		done = upTo
	}
	s.cell[last] += amount - done
	s.seen.set(last)
}

// share is amount*part/whole, rounded down, for 0 <= part <= whole.
func share(amount, part, whole int64) int64 {
	if amount <= 0 || part <= 0 || whole <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(amount), uint64(part))
	quotient, _ := bits.Div64(high, low, uint64(whole))
	return int64(quotient) //nolint:gosec // at most amount
}

// cover adds the time of (from, to] to the slots that it lies in.
func (d *Day) cover(from, to int64) {
	from, to = max(from, d.origin()), min(to, d.start()+dayLong)
	for from < to {
		slot := d.slot(from + 1)
		end := min(d.origin()+int64(slot+1)*quarter, to)
		d.covered[slot] += end - from
		from = end
	}
}
