package energy

// silent finds out whether the local day has a reading at all; one on its start
// belongs to the day before.
func (l *localDay) silent() {
	l.empty = true
	for _, d := range l.days {
		if d.readings > 0 && d.first <= l.end && d.last > l.start {
			l.empty = false
		}
	}
	l.outside = l.begun == 0 || l.begun > l.end || l.ended <= l.start
	for _, s := range l.silences {
		if s.from <= l.start && s.to > l.end {
			l.empty = true
			l.outside = false
		}
		if min(s.to, l.end)-max(s.from, l.start) > (l.end-l.start)/2 && s.to-s.from >= mostOfADay {
			l.flags |= Gap
		}
	}
	if l.empty {
		l.flags |= Gap
	}
}

// mostOfADay is from what length on a silence makes a gap of the day that it
// takes more than half of.
const mostOfADay = 20 * hour

// dayFlags are the flags of the whole day.
func (l *localDay) dayFlags() Flags {
	flags := l.flags
	if l.empty {
		return flags
	}
	return flags | l.slotFlags(l.start, l.end)
}

// slotFlags are the flags that stand in [start, end).
func (l *localDay) slotFlags(start, end int64) Flags {
	var flags Flags
	for _, d := range l.days {
		origin := d.origin()
		from, to := max((start-origin)/quarter, 0), min((end-origin+quarter-1)/quarter, slots)
		for i := from; i < to; i++ {
			flags |= d.flags[i]
		}
		if d.readings > 0 && d.first <= end && d.last > start && l.repeats(d) {
			flags |= Stuck
		}
	}
	for _, s := range l.spans {
		if s.to > start && s.to <= end && s.from <= l.previous {
			flags |= AfterGap
		}
	}
	return flags
}

// late is what a channel gained in silences that began before begin and ended in
// (start, end].
func (l *localDay) late(c int, begin, start, end int64) int64 {
	var sum int64
	switch l.method[c] {
	case Counter:
	case DayCounter:
		c = dailySpan
	default:
		return 0
	}
	for _, s := range l.spans {
		if s.to > start && s.to <= end && s.from < begin {
			sum += s.gain[c]
		}
	}
	return sum
}

// repeats reports whether a digest shows the same as another day's: the next
// one's, or one before it.
func (l *localDay) repeats(d *Day) bool {
	if d.repeated {
		return true
	}
	for _, other := range l.days {
		if other.number == d.number+1 && other.repeated && other.print == d.print {
			return true
		}
	}
	return false
}

// stood reports whether a counter is known not to have moved in a stretch
// without readings: it was read later, and had gained nothing.
func (l *localDay) stood(c Channel, start, end int64) bool {
	of := int(c)
	switch l.method[c] {
	case Counter:
	case DayCounter:
		of = dailySpan
	case Balance:
		return l.stood(Production, start, end) && l.stood(GridImport, start, end) && l.stood(GridExport, start, end)
	default:
		return false
	}
	if l.begun > start || l.ended < end {
		return false
	}
	for _, s := range l.spans {
		if s.gain[of] > 0 && s.from < end && s.to > start {
			return false
		}
	}
	return true
}

// hour fills in one hour of the day.
func (l *localDay) hour(b *Bucket, start, end int64) {
	from, to := int((start-l.start)/quarter), int((end-l.start+quarter-1)/quarter)
	b.CoveredMillis = total(l.covered[from:to])
	b.peak(l.peak[from:to])
	for c := range Channel(NumChannels) {
		if l.method[c] == None {
			continue
		}
		a := Amount{MilliwattHours: total(l.energy[c][from:to]), Known: true, Method: l.method[c]}
		a.Estimated = total(l.estimated[c][from:to]) + l.late(int(c), start, start, end)
		if a.MilliwattHours > 0 || b.CoveredMillis > 0 || l.stood(c, start, end) {
			b.Energy[c] = a
		}
	}
	b.Flags |= l.slotFlags(start, end)
}
