package csvimport

import "time"

// wall turns written local times into moments, in the order of the file.
type wall struct {
	zone *time.Location
	// falling is set where the file has the newest row first.
	falling bool
	// last is the moment of the row before, in milliseconds.
	last  int64
	began bool

	// plain is a civil day, in days since 1970, all of whose times have one offset.
	plain  int64
	offset int64
	known  bool

	ambiguous, nonexistent int64
}

const daySeconds = 86400

// moment is the time that was meant. What exists twice is the one that follows
// the row before; what does not exist moves by the clock's change.
func (w *wall) moment(c *civil) int64 {
	wall := c.seconds()
	if c.hasOffset {
		return w.note((wall-int64(c.offset))*1000 + int64(c.milli))
	}
	d := floorDay(wall)
	if !w.known || d != w.plain {
		w.known = false
		before, after := w.offsetAt((d-1)*daySeconds), w.offsetAt((d+2)*daySeconds)
		if before != after {
			return w.note(w.changing(wall)*1000 + int64(c.milli))
		}
		w.plain, w.offset, w.known = d, before, true
	}
	return w.note((wall-w.offset)*1000 + int64(c.milli))
}

func (w *wall) note(milli int64) int64 {
	w.last, w.began = milli, true
	return milli
}

func floorDay(seconds int64) int64 {
	d := seconds / daySeconds
	if seconds%daySeconds < 0 {
		d--
	}
	return d
}

func (w *wall) offsetAt(seconds int64) int64 {
	_, offset := time.Unix(seconds, 0).In(w.zone).Zone()
	return int64(offset)
}

// changing resolves a time near a change of the clock.
func (w *wall) changing(wall int64) int64 {
	before, after := w.offsetAt(wall-daySeconds), w.offsetAt(wall+daySeconds)
	early, late := wall-before, wall-after
	earlyIs, lateIs := w.offsetAt(early) == before, w.offsetAt(late) == after
	switch {
	case before == after:
		return early
	case earlyIs && lateIs:
		w.ambiguous++
		if w.falling {
			if w.began && w.last <= late*1000 {
				return early
			}
			return late
		}
		if w.began && w.last >= early*1000 {
			return late
		}
		return early
	case lateIs:
		return late
	case !earlyIs: // the clock jumps over it
		w.nonexistent++
	}
	return early
}
