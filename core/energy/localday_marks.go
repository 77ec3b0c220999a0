package energy

import "slices"

// heard is when there were readings, as all days together tell it.
type heard struct {
	silences []silence
	// begun and ended are the first and last reading.
	begun, ended int64
}

func (h *heard) of(days []Day) {
	if len(days) == 0 {
		return
	}
	h.begun, h.ended = days[0].first, days[len(days)-1].last
	for i := range days {
		h.silences = append(h.silences, days[i].silences...)
	}
}

// in says of a local day whether it is empty, whether that is since all readings
// are after it or before it, and if it is a gap. Silent is that its own digests
// have no reading in it.
func (h *heard) in(start, end int64, silent bool) (empty, outside bool, flags Flags) {
	empty = silent
	outside = h.begun == 0 || h.begun > end || h.ended <= start
	for _, s := range h.silences {
		if s.from >= end || s.to <= start {
			continue
		}
		if s.from <= start && s.to > end {
			empty, outside = true, false
		}
		if min(s.to, end)-max(s.from, start) > (end-start)/2 && s.to-s.from >= mostOfADay {
			flags |= Gap
		}
	}
	if empty {
		flags |= Gap
	}
	return empty, outside, flags
}

// mostOfADay is from what length on a silence makes a gap of the day that it
// takes more than half of.
const mostOfADay = 20 * hour

// slotFlags are the flags that stand in [start, end).
func (l *localDay) slotFlags(start, end int64) Flags {
	var flags Flags
	for _, d := range l.days {
		origin := d.origin()
		from, to := max((start-origin)/quarter, 0), min((end-origin+quarter-1)/quarter, slots)
		for i := from; i < to; i++ {
			flags |= d.flags[i]
		}
		if d.within(start, end) && l.repeats(d) {
			flags |= Stuck
		}
		for i := range d.spans {
			if s := &d.spans[i]; s.to > start && s.to <= end && s.from <= l.previous {
				flags |= AfterGap
			}
		}
	}
	return flags
}

// ended are the spans that ended in (start, end].
func (l *localDay) ended(into []span, start, end int64) []span {
	for _, d := range l.days {
		for _, s := range d.spans {
			if s.to > start && s.to <= end {
				into = append(into, s)
			}
		}
	}
	return into
}

// gainedBefore is what a channel gained by a method in spans that began before a moment.
func gainedBefore(spans []span, method Method, c int, before int64) int64 {
	switch method {
	case Counter:
	case DayCounter:
		c = dailySpan
	default:
		return 0
	}
	var sum int64
	for i := range spans {
		if spans[i].from < before {
			sum += spans[i].gain[c]
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
func (l *localDay) stood(c Channel, start, end int64, h *heard) bool {
	of := int(c)
	switch l.method[c] {
	case Counter:
	case DayCounter:
		of = dailySpan
	case Balance:
		return l.stood(Production, start, end, h) && l.stood(GridImport, start, end, h) && l.stood(GridExport, start, end, h)
	default:
		return false
	}
	if h.begun > start || h.ended < end {
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
func (l *localDay) hour(b *Bucket, start, end int64, h *heard) {
	from, to := int((start-l.start)/quarter), int((end-l.start+quarter-1)/quarter)
	b.CoveredMillis = total(l.covered[from:to])
	b.peak(slices.Max(l.peak[from:to]))
	spans := l.ended(nil, start, end)
	for c := range Channel(NumChannels) {
		if l.method[c] == None {
			continue
		}
		a := Amount{MilliwattHours: total(l.energy[c][from:to]), Known: true, Method: l.method[c]}
		a.Estimated = total(l.estimated[c][from:to]) + gainedBefore(spans, l.method[c], int(c), start)
		if a.MilliwattHours > 0 || b.CoveredMillis > 0 || l.stood(c, start, end, h) {
			b.Energy[c] = a
		}
	}
	b.Flags |= l.slotFlags(start, end)
}
