package energy

// line is one lifetime counter as it is followed.
type line struct {
	known bool
	value int64 // the highest that counts, mWh
	at    int64 // when the counter was last heard
	moved int64 // when value last grew
}

// gained is what a counter's value means: an energy gained in (from, to].
type gained struct{ amount, from, to int64 }

// add takes the next value.
func (l *line) add(value, at int64) (gained, bool) {
	if !l.known {
		*l = line{known: true, value: value, at: at, moved: at}
		return gained{}, false
	}
	g := gained{amount: max(value-l.value, 0), from: l.at, to: at}
	l.at = at
	if value > l.value {
		l.value, l.moved = value, at
	}
	return g, true
}

// daily is the device's own counter of the day.
type daily struct{ line }

func (d *daily) add(value, at int64) (gained, bool) {
	if d.known && value < d.value {
		g := gained{amount: value, from: d.at, to: at}
		d.value, d.at, d.moved = value, at, at
		return g, true
	}
	return d.line.add(value, at)
}
