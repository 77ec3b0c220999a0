package live

import (
	"time"

	"ampra/core/live"
)

// Late readings, of an import or of a device that was offline for long, are told
// too, but no flood of them: of one source lateBurst at once and lateRate a second.
// When more come, those who listen are told to read anew once it is over, and
// every lateResync while it lasts.
const (
	lateAfter  = 15 * time.Minute
	lateBurst  = 300
	lateRate   = 20
	lateResync = 30 * time.Second
	lateQuiet  = 5 * time.Second
)

// late bounds the late readings of one source.
type late struct {
	spent     float64
	at        int64 // unix ms, when spent was true
	dropped   bool
	last, due int64 // when the last was left out, and when listeners are told at the latest
}

// admit reports whether an event is told.
func (l *late) admit(e live.Event, now int64) bool {
	if e.Kind != live.ReadingTaken || e.Reading == nil || e.Reading.ReceivedAt.Sub(e.Reading.Timestamp) < lateAfter {
		return true
	}
	l.spent = max(0, l.spent-float64(now-l.at)/1000*lateRate)
	l.at = now
	if l.spent < lateBurst {
		l.spent++
		return true
	}
	if !l.dropped {
		l.dropped, l.due = true, now+lateResync.Milliseconds()
	}
	l.last = now
	return false
}

// owes reports, once, that listeners have to read anew.
func (l *late) owes(now int64) bool {
	if !l.dropped || now < l.due && now-l.last < lateQuiet.Milliseconds() {
		return false
	}
	l.dropped = false
	return true
}
