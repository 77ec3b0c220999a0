package energy

// Folder folds the readings of one UTC day into its digest. Its zero value is
// of no use.
type Folder struct {
	day   Day
	state State
}

// NewFolder begins the UTC day with this number. Before is the state after the
// last reading before it, however long ago; the zero State for none.
func NewFolder(day int32, before State) *Folder {
	return &Folder{day: Day{number: day}, state: before}
}

// Resume goes on after what Result gave.
func Resume(day Day, at State) *Folder {
	return &Folder{day: day.clone(), state: at}
}

// Result returns the digest of what was added and the state after it. The
// folder may go on.
func (f *Folder) Result() (Day, State) {
	return f.day.clone(), f.state
}

// Add takes the day's next sample. Samples come in time order, each moment once;
// one that does not follow the last, or lies outside the day, changes nothing.
func (f *Folder) Add(s Sample) {
	start := f.day.start()
	if s.At < start || s.At >= start+dayLong || f.state.at != 0 && s.At <= f.state.at {
		return
	}
	f.counters(&s)
	f.powers(&s)
	f.time(s.At)
}

// time counts the reading, and the time that it speaks for.
func (f *Folder) time(at int64) {
	st := &f.state
	if st.at != 0 {
		st.rhythm.add(at - st.at)
		if at-st.at >= longSilence && len(f.day.silences) < maxSilences {
			f.day.silences = append(f.day.silences, silence{from: st.at, to: at})
		}
	}
	reach := st.rhythm.reach()
	if f.day.readings == 0 {
		f.day.first = at
		// What the last reading of the day before speaks for beyond midnight.
		f.day.cover(f.day.start(), st.until)
	}
	f.day.cover(max(st.until, at-reach), at)
	f.day.cover(max(st.until, at), at+reach)
	st.until = max(st.until, at+reach)
	f.day.last = at
	f.day.readings++
	st.at = at
}

// series returns a series to book into.
func (f *Folder) series(id int) *series {
	if f.day.series[id] == nil {
		f.day.series[id] = new(series)
	}
	return f.day.series[id]
}

func (f *Folder) counters(s *Sample) {
	for c := range NumChannels {
		value, ok := s.get(Quantity(c))
		if !ok {
			continue
		}
		if g, ok := f.state.lines[c].add(value, s.At); ok {
			f.day.spread(f.series(counterSeries+c), g.amount, g.from, g.to)
		}
	}
	if value, ok := s.get(DayTotal); ok {
		if g, ok := f.state.daily.add(value, s.At); ok {
			f.day.spread(f.series(dailySeries), g.amount, g.from, g.to)
		}
	}
}
