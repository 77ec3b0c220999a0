package energy

// localDay is one day of the local clock, quarter by quarter, with the method of
// each channel chosen. It is used again for the next, to spare memory.
type localDay struct {
	all        []Day
	start, end int64
	days       []*Day // of all, that have cells or readings in it
	silent     bool   // no reading in it
	method     [NumChannels]Method
	energy     [NumChannels][]int64
	estimated  [NumChannels][]int64
	covered    []int64
	peak       []int64
	// spans are those of all days; filled for hours alone.
	spans []*span
	// previous is where the local day before begins.
	previous int64
}

// gather reads [start, end) out of the digests. Previous is where the local day
// before begins.
func (l *localDay) gather(start, end, previous int64) {
	l.start, l.end, l.previous = start, end, previous
	l.days = l.days[:0]
	from, to := reach(start, end)
	for n := from; n <= to; n++ {
		if d := dayAt(l.all, n); d != nil {
			l.days = append(l.days, d)
		}
	}
	count := int((end - start + quarter - 1) / quarter)
	l.covered, l.peak = zeroed(l.covered, count), zeroed(l.peak, count)
	for c := range NumChannels {
		l.energy[c], l.estimated[c] = zeroed(l.energy[c], count), zeroed(l.estimated[c], count)
		l.method[c] = None
	}
	l.silent = true
	for _, d := range l.days {
		l.add(l.covered, &d.covered, d)
		l.highest(d)
		l.silent = l.silent && !d.within(start, end)
	}
	if l.silent {
		return
	}
	for c := range NumChannels {
		l.choose(c)
	}
	l.balance()
}

// reach is from which to which UTC day a local day is made: the one after it has
// cells of the hour before it.
func reach(start, end int64) (from, to int32) { return DayOfMillis(start), DayOfMillis(end) + 1 }

// within reports whether the readings reach into (start, end]: one on its start
// belongs to the day before.
func (d *Day) within(start, end int64) bool {
	return d.readings > 0 && d.first <= end && d.last > start
}

func zeroed(cells []int64, count int) []int64 {
	if cap(cells) < count {
		return make([]int64, count, max(count, 104))
	}
	cells = cells[:count]
	clear(cells)
	return cells
}

// overlap says which slots of a digest lie in the local day: slots [from, to),
// the first of them at the local day's quarter number at.
func (l *localDay) overlap(d *Day) (from, to, at int) {
	origin := d.origin()
	from = int(min(max((l.start-origin)/quarter, 0), slots))
	to = int(min(max((l.end-origin+quarter-1)/quarter, 0), slots))
	at = int((origin - l.start) / quarter)
	return from, to, from + at
}

func (l *localDay) add(into []int64, cells *[slots]int64, d *Day) {
	from, to, at := l.overlap(d)
	for i := from; i < to && at < len(into); i++ {
		into[at] += cells[i]
		at++
	}
}

func (l *localDay) highest(d *Day) {
	from, to, at := l.overlap(d)
	for i := from; i < to && at < len(l.peak); i++ {
		l.peak[at] = max(l.peak[at], d.peak[i])
		at++
	}
}

// sum is a series' energy in the local day, and in how many quarters it could
// tell any.
func (l *localDay) sum(id int) (energy int64, seen int) {
	for _, d := range l.days {
		s := d.series[id]
		if s == nil {
			continue
		}
		from, to, _ := l.overlap(d)
		if from < to {
			energy += total(s.cell[from:to])
			seen += s.seen.count(from, to)
		}
	}
	return energy, seen
}

// begins reports whether a lifetime counter was heard for the first time in this
// local day.
func (l *localDay) begins(c int) bool {
	for _, d := range l.days {
		from, to, _ := l.overlap(d)
		if slot := int(d.began[c]); slot != 0 && slot >= from && slot < to {
			return true
		}
	}
	return false
}

func (l *localDay) take(into []int64, id int) {
	for _, d := range l.days {
		if s := d.series[id]; s != nil {
			l.add(into, &s.cell, d)
		}
	}
}

// choose picks what the channel's energy of this day is made from: the lifetime
// counter, with what stood in for it while it was silent; else a day counter
// that behaves as one; else power. On the first day of a lifetime counter, the
// others stand if they tell more of the day.
func (l *localDay) choose(c int) {
	_, counted := l.sum(counterSeries + c)
	_, bridged := l.sum(bridgeSeries + c)
	power, powered := l.sum(powerSeries + c)
	var daily int64
	var told int
	if c == int(Production) {
		daily, told = l.sum(dailySeries)
	}
	byDay := told > 0 && (daily > 0 || power < kilowattHour/2)
	late := counted < max(told, powered) && l.begins(c)
	switch {
	case (counted > 0 || bridged > 0) && !late:
		l.take(l.energy[c], counterSeries+c)
		l.take(l.energy[c], bridgeSeries+c)
		l.take(l.estimated[c], bridgeSeries+c)
		l.method[c] = Counter
		if counted == 0 {
			l.method[c] = Power
			if byDay {
				l.method[c] = DayCounter
			}
		}
	case byDay:
		l.take(l.energy[c], dailySeries)
		l.method[c] = DayCounter
	case powered > 0:
		l.take(l.energy[c], powerSeries+c)
		l.take(l.estimated[c], powerSeries+c)
		l.method[c] = Power
	}
}

// balance fills in the consumption where nothing measured it: what was produced,
// drawn and discharged, less what was fed in and charged. It needs production
// and both ways of the grid; a battery counts where it is known. Where there is
// a consumption counter that is silent, its gain will hold this day: no balance.
func (l *localDay) balance() {
	for _, c := range [...]Channel{Production, GridImport, GridExport} {
		if l.method[c] == None {
			return
		}
	}
	if l.method[Consumption] != None {
		return
	}
	for _, d := range l.days {
		if d.counted && d.first <= l.end && d.last > l.start {
			return
		}
	}
	l.method[Consumption] = Balance
	used, estimated := l.energy[Consumption], l.estimated[Consumption]
	for i := range used {
		used[i] = l.energy[Production][i] + l.energy[GridImport][i] - l.energy[GridExport][i] +
			l.energy[BatteryDischarge][i] - l.energy[BatteryCharge][i]
		for c := range NumChannels {
			if Channel(c) != Consumption {
				estimated[i] += l.estimated[c][i]
			}
		}
	}
	level(used)
	for i := range used {
		estimated[i] = min(estimated[i], used[i])
	}
}

// level lets no quarter be negative and keeps the sum, unless that is negative
// itself: counters step at different moments, so what one quarter lacks is in
// those beside it. It is taken from the later quarters first, the rest from the
// earlier.
func level(cells []int64) {
	var debt int64
	pay := func(i int) {
		cells[i] -= debt
		debt = max(-cells[i], 0)
		cells[i] = max(cells[i], 0)
	}
	for i := range cells {
		pay(i)
	}
	for i := len(cells) - 1; i >= 0 && debt > 0; i-- {
		pay(i)
	}
}
