package energy

// sealed is a day whose readings were deleted, while late ones are folded beside
// it.
type sealed struct {
	day   Day
	after State
	next  Day
	// seen are the late samples of each slot that count.
	seen [slots]struct{ count, first, last int64 }
}

// Fill begins with a day whose readings were deleted, the state after it, and the
// digest of the day after that, of which the zero value stands for none. What is
// added fills quarters that no reading speaks for, and changes no others: samples
// of other quarters are left out. Energies are filled only where power alone tells
// of them: what flowed in a silence of a counter is in what the counter showed
// after it. The state stays as it is.
func Fill(day Day, after State, next Day) *Folder {
	s := &sealed{day: day.clone(), after: after}
	if next.number == day.number+1 {
		s.next = next
	}
	return &Folder{day: Day{number: day.number}, sealed: s}
}

// free reports whether no reading speaks for a slot of the day itself.
func (s *sealed) free(slot int) bool {
	if slot < carried || s.day.covered[slot] != 0 {
		return false
	}
	return slot < quartersADay || s.next.covered[slot-quartersADay] == 0
}

// told reports whether more than power tells of a channel.
func (s *sealed) told(c Channel) bool {
	return s.after.lines[c].known || c == Production && s.day.series[dailySeries] != nil
}

// powered reports whether power told of a slot.
func (s *sealed) powered(c Channel, slot int) bool {
	if own := s.day.series[powerSeries+int(c)]; own != nil && own.seen.has(slot) {
		return true
	}
	next := s.next.series[powerSeries+int(c)]
	return slot >= quartersADay && next != nil && next.seen.has(slot-quartersADay)
}

// takes says whether a late sample counts. Of one that does not only the power is
// seen, from which that of the next goes on.
func (f *Folder) takes(s *Sample) bool {
	slot := f.day.slot(s.At)
	if !f.sealed.free(slot) {
		f.now = s.At
		f.pace(s.At)
		f.state.powers = [numPowers]watched{}
		f.powers(s)
		f.state.at = s.At
		return false
	}
	seen := &f.sealed.seen[slot]
	if seen.count == 0 {
		seen.first = s.At
	}
	seen.last = s.At
	seen.count++
	return true
}

// with is the day, filled with what was folded beside it.
func (s *sealed) with(late *Day) Day {
	day := s.day.clone()
	for slot := carried; slot < slots; slot++ {
		if !s.free(slot) {
			continue
		}
		day.covered[slot] = late.covered[slot]
		day.peak[slot] = max(day.peak[slot], late.peak[slot])
		if s.seen[slot].count > 0 {
			day.join(s.seen[slot].count, s.seen[slot].first, s.seen[slot].last)
		}
		for c := range Channel(NumChannels) {
			power := late.series[powerSeries+int(c)]
			if power == nil || !power.seen.has(slot) || s.told(c) || s.powered(c, slot) {
				continue
			}
			if day.series[powerSeries+int(c)] == nil {
				day.series[powerSeries+int(c)] = new(series)
			}
			into := day.series[powerSeries+int(c)]
			into.cell[slot] = power.cell[slot]
			into.seen.set(slot)
		}
	}
	return day
}

// join counts readings that came late, and ends silences where they speak.
func (d *Day) join(count, first, last int64) {
	if d.readings == 0 {
		d.first, d.last = first, last
	}
	d.readings += count
	d.first, d.last = min(d.first, first), max(d.last, last)
	d.speak(first)
	d.speak(last)
}

// speak parts silences at a moment.
func (d *Day) speak(at int64) {
	var parted []silence
	for _, s := range d.silences {
		if at <= s.from || at >= s.to {
			parted = append(parted, s)
			continue
		}
		for _, part := range [...]silence{{s.from, at}, {at, s.to}} {
			if part.to-part.from >= longSilence && len(parted) < maxSilences {
				parted = append(parted, part)
			}
		}
	}
	d.silences = parted
}

// Follows is the day after it became known that a reading came as late as at
// before it: silences that it ends there are shorter than was thought. Nothing else
// changes, as what counters gained stays where they showed it.
func (d Day) Follows(at int64) Day {
	if at == 0 || at >= d.start() {
		return d
	}
	day := d.clone()
	day.silences = nil
	for _, s := range d.silences {
		if s.from = max(s.from, at); s.to-s.from >= longSilence {
			day.silences = append(day.silences, s)
		}
	}
	return day
}

// Under is the day without the energies that a later one tells of, whose readings
// were deleted before this day's came: a counter that was known before that later
// day showed there, in one gain, what it had gained over this one. After is the
// state after the later day.
func (d Day) Under(later Day, after State) Day {
	day := d.clone()
	for c := range Channel(NumChannels) {
		told := after.lines[c].known && later.began[c] == 0
		if !told && (c != Production || !later.spannedDaily(d.start())) {
			continue
		}
		for _, id := range [...]int{counterSeries, powerSeries, bridgeSeries} {
			day.series[id+int(c)] = nil
		}
		gains := []int{int(c)}
		if c == Production {
			day.series[dailySeries] = nil
			gains = append(gains, dailySpan)
		}
		for i := range day.spans {
			for _, of := range gains {
				day.spans[i].gain[of] = 0
			}
		}
		day.began[c] = 0
	}
	return day
}

// spannedDaily reports whether the day counter's gain since before a moment is in
// the day.
func (d *Day) spannedDaily(before int64) bool {
	for i := range d.spans {
		if d.spans[i].gain[dailySpan] > 0 && d.spans[i].from <= before+dayLong {
			return true
		}
	}
	return false
}
