package energy

// State is what the next fold starts from: all that a sample's meaning depends
// on beside itself. The zero value has seen nothing. It is not changed once made.
type State struct {
	at      int64 // the last reading, unix ms; 0 for none
	until   int64 // up to where time is covered
	rhythm  rhythm
	lines   [NumChannels]line // lifetime counters
	daily   daily
	bridges [NumChannels]bridge
	powers  [numPowers]watched
	// uncounted is for how many days with readings the consumption counter is silent.
	uncounted int64
	// rest is what power has not yet filled a milliwatt-hour with.
	rest [NumChannels]int64
	// Which production power stands: the last times that each kind was seen.
	solarAt, acAt, batteryAt int64
	prints                   prints
	still                    still
}

// Through is the time of the last reading in it, in unix milliseconds; 0 for none.
func (s *State) Through() int64 { return s.at }

// The powers that are integrated.
const (
	productionPower = iota
	loadPower
	gridPower
	batteryPower
	numPowers
)

// watched is a power as it was last seen, in mW.
type watched struct{ at, value int64 }

// rhythm is the time between readings: the median of the last nine.
type rhythm struct {
	count  int
	recent [rhythmSize]int64 // the oldest first
	middle int64             // the median of them, the lower of two
}

const (
	rhythmSize = 9
	maxRhythm  = 2 * hour
	maxReach   = 15 * minute
	// firstReach is the reach of a source's first reading, of which no rhythm is known.
	firstReach = minute
)

func (r *rhythm) add(gap int64) {
	gap = min(gap, maxRhythm)
	if r.count == rhythmSize {
		copy(r.recent[:], r.recent[1:])
		r.count--
	}
	r.recent[r.count] = gap
	r.count++
	r.settle()
}

// median is the usual time between readings; 0 while none is known.
func (r *rhythm) median() int64 { return r.middle }

// settle finds the median again.
func (r *rhythm) settle() {
	if r.count == 0 {
		r.middle = 0
		return
	}
	var sorted [rhythmSize]int64
	for i, gap := range r.recent[:r.count] {
		j := i
		for ; j > 0 && sorted[j-1] > gap; j-- {
			sorted[j] = sorted[j-1]
		}
		sorted[j] = gap
	}
	r.middle = sorted[(r.count-1)/2]
}

// reach is how far a reading speaks for: three times the rhythm, at most 15
// minutes.
func (r *rhythm) reach() int64 {
	if r.count == 0 {
		return firstReach
	}
	return min(3*r.median(), maxReach)
}
