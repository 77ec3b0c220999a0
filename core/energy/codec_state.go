package energy

import "fmt"

// AppendBinary appends the encoding of the state. It never fails.
func (s State) AppendBinary(dst []byte) ([]byte, error) {
	w := writer{data: dst}
	w.byte(stateVersion)
	w.int(s.at)
	w.int(s.until - s.at)
	w.positive(int64(s.rhythm.count))
	for _, gap := range s.rhythm.recent[:s.rhythm.count] {
		w.positive(gap)
	}
	for i := range s.lines {
		w.line(&s.lines[i], s.at)
	}
	w.daily(&s.daily, s.at)
	for i := range s.bridges {
		w.bridge(&s.bridges[i])
	}
	for _, p := range s.powers {
		w.moment(p.at, s.at)
		w.int(p.value)
	}
	w.positive(s.uncounted)
	for _, rest := range s.rest {
		w.positive(rest)
	}
	for _, at := range [...]int64{s.solarAt, s.acAt, s.batteryAt} {
		w.moment(at, s.at)
	}
	w.positive(s.prints.samples)
	w.bool(s.prints.moved)
	for _, print := range [...]uint64{s.prints.first, s.prints.current, s.prints.before, s.prints.suspect, s.still.print} {
		w.fixed(print)
	}
	w.moment(s.still.since, s.at)
	w.positive(s.still.samples)
	return w.data, nil
}

// moment is a time before that of the state; 0 stays 0.
func (w *writer) moment(at, before int64) {
	if at == 0 {
		w.uint(0)
		return
	}
	w.positive(before - at + 1)
}

// ParseState reads what AppendBinary wrote. Anything else is an error.
func ParseState(data []byte) (State, error) {
	r := reader{data: data}
	if version := r.byte(); r.err == nil && version != stateVersion {
		return State{}, fmt.Errorf("state of energies: version %d is not known", version)
	}
	var s State
	s.at = r.int(maxTime)
	s.until = s.at + r.int(maxTime)
	s.rhythm.count = int(r.positive(rhythmSize))
	for i := range s.rhythm.count {
		s.rhythm.recent[i] = r.positive(maxRhythm)
	}
	s.rhythm.settle()
	for i := range s.lines {
		r.line(&s.lines[i], s.at)
	}
	r.daily(&s.daily, s.at)
	for i := range s.bridges {
		r.bridge(&s.bridges[i])
	}
	for i := range s.powers {
		s.powers[i].at = r.moment(s.at)
		s.powers[i].value = r.int(maxPower)
	}
	s.uncounted = r.positive(dayLong)
	for i := range s.rest {
		s.rest[i] = r.positive(twiceMilliwattHour - 1)
	}
	for _, at := range [...]*int64{&s.solarAt, &s.acAt, &s.batteryAt} {
		*at = r.moment(s.at)
	}
	s.prints.samples = r.positive(dayLong)
	s.prints.moved = r.bool()
	for _, print := range [...]*uint64{&s.prints.first, &s.prints.current, &s.prints.before, &s.prints.suspect, &s.still.print} {
		*print = r.fixed()
	}
	s.still.since = r.moment(s.at)
	s.still.samples = r.positive(maxTime)
	if err := r.end(); err != nil {
		return State{}, fmt.Errorf("state of energies: %w", err)
	}
	return s, nil
}

func (r *reader) moment(before int64) int64 {
	ago := r.positive(2 * maxTime)
	if ago == 0 {
		return 0
	}
	return before - ago + 1
}
