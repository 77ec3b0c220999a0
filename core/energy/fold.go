package energy

// Folder folds the readings of one UTC day into its digest. Its zero value is
// of no use.
type Folder struct {
	day   Day
	state State
	now   int64 // the time of the sample that is added
	// sealed is the day beside which late readings are folded; nil for a day of its
	// own. See Fill.
	sealed *sealed
}

// NewFolder begins the UTC day with this number. Before is the state after the
// last reading before it, however long ago; the zero State for none.
func NewFolder(day int32, before State) *Folder {
	f := &Folder{day: Day{number: day}, state: before}
	f.state.prints.next()
	f.state.forget()
	return f
}

// Resume goes on after what Result gave.
func Resume(day Day, at State) *Folder {
	return &Folder{day: day.clone(), state: at}
}

// Result returns the digest of what was added and the state after it. The
// folder may go on.
func (f *Folder) Result() (Day, State) {
	if f.sealed != nil {
		return f.sealed.with(&f.day), f.sealed.after
	}
	return f.day.clone(), f.state
}

// Add takes the day's next sample. Samples come in time order, each moment once;
// one that does not follow the last, or lies outside the day, changes nothing.
func (f *Folder) Add(s Sample) {
	start := f.day.start()
	if s.At < start || s.At >= start+dayLong || f.state.at != 0 && s.At <= f.state.at {
		return
	}
	if f.sealed != nil && !f.takes(&s) {
		return
	}
	f.now = s.At
	f.pace(s.At)
	f.counters(&s)
	f.powers(&s)
	f.prints(&s)
	f.time(s.At)
}

// pace looks at the time since the reading before.
func (f *Folder) pace(at int64) {
	st := &f.state
	if st.at == 0 {
		return
	}
	st.rhythm.add(at - st.at)
	if at-st.at >= longSilence && len(f.day.silences) < maxSilences {
		f.day.silences = append(f.day.silences, silence{from: st.at, to: at})
	}
}

// time counts the reading, and the time that it speaks for.
func (f *Folder) time(at int64) {
	st := &f.state
	reach := st.rhythm.reach()
	if f.day.readings == 0 {
		f.day.first = at
		// What the last reading of the day before speaks for beyond midnight.
		f.day.cover(f.day.start(), st.until)
	}
	f.day.cover(max(st.until, at-reach), at)
	f.day.cover(max(st.until, at), at+reach)
	st.until = max(st.until, at+reach)
	f.day.counted = st.lines[Consumption].known
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

// counters follows the sample's counters.
func (f *Folder) counters(s *Sample) {
	for c := range Channel(NumChannels) {
		value, ok := s.get(Quantity(c))
		if !ok {
			continue
		}
		l, b := &f.state.lines[c], &f.state.bridges[c]
		if !l.known {
			f.day.began[c] = uint8(f.day.slot(s.At)) //nolint:gosec // below slots
		}
		v := l.add(value, s.At, lifetimePatience())
		b.settle(&v, b.since >= max(stuckAfter, 3*l.step))
		f.apply(counterSeries+int(c), int(c), &v, s.At)
		if c == Consumption {
			f.state.uncounted = 0
		}
	}
	value, ok := s.get(DayTotal)
	if !ok {
		return
	}
	v := f.state.daily.add(value, s.At)
	f.apply(dailySeries, dailySpan, &v, s.At)
	if v.heard {
		f.flow(Production, f.day.slot(s.At), v.jump.amount+v.gain.amount)
	}
}

// apply books what a counter's value meant.
func (f *Folder) apply(id, of int, v *verdict, at int64) {
	if v.flags != 0 {
		mark := v.mark
		if mark <= f.day.origin() {
			mark = at
		}
		f.day.flags[f.day.slot(mark)] |= v.flags
	}
	if !v.heard {
		return
	}
	for _, g := range [...]gained{v.jump, v.gain} {
		if g.amount == 0 && g != v.gain {
			continue
		}
		if g.to <= f.day.origin() {
			g.from, g.to = at, at // held since a day that is made: it stands where it was believed
		}
		f.day.spread(f.series(id), g.amount, g.from, g.to)
		f.spanned(of, g)
	}
}

// spanned remembers that a counter gained over more than an hour.
func (f *Folder) spanned(of int, g gained) {
	if g.amount == 0 || g.to-g.from <= hour {
		return
	}
	spans := f.day.spans
	if n := len(spans); n > 0 && spans[n-1].from == g.from && spans[n-1].to == g.to {
		spans[n-1].gain[of] += g.amount
		return
	}
	if len(spans) < maxSpans {
		s := span{from: g.from, to: g.to}
		s.gain[of] = g.amount
		f.day.spans = append(spans, s)
	}
}
