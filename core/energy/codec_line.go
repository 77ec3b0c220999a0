package energy

// The parts of a line that are mostly not there have a bit each.
const (
	lineKnown = 1 << iota
	lineFresh
	lineFormer
	lineHeld
	lineEnd
)

func (w *writer) line(l *line, now int64) {
	var parts byte
	for i, there := range [...]bool{l.known, l.fresh, l.old.at != 0, l.held.open} {
		if there {
			parts |= 1 << i
		}
	}
	w.byte(parts)
	w.positive(l.rate)
	if !l.known {
		return
	}
	w.positive(l.value)
	w.positive(l.step)
	w.moment(l.at, now)
	w.moment(l.moved, now)
	if l.old.at != 0 {
		w.positive(l.old.value)
		w.moment(l.old.at, now)
	}
	if c := &l.held; c.open {
		w.positive(c.first)
		w.positive(c.last)
		for _, at := range [...]int64{c.firstAt, c.lastAt, c.grewFrom, c.moved} {
			w.moment(at, now)
		}
		w.positive(c.steps)
		w.positive(c.steep)
	}
}

func (r *reader) line(l *line, now int64) {
	parts := r.byte()
	if parts >= lineEnd || parts&lineKnown == 0 && parts != 0 {
		r.fail(errForm)
		return
	}
	l.known, l.fresh = parts&lineKnown != 0, parts&lineFresh != 0
	l.rate = r.positive(maxRate)
	if !l.known {
		return
	}
	l.value = r.positive(maxEnergy)
	l.step = r.positive(maxEnergy)
	l.at = r.moment(now)
	l.moved = r.moment(now)
	if parts&lineFormer != 0 {
		l.old.value = r.positive(maxEnergy)
		l.old.at = r.moment(now)
	}
	if parts&lineHeld != 0 {
		c := &l.held
		c.open = true
		c.first = r.positive(maxEnergy)
		c.last = r.positive(maxEnergy)
		for _, at := range [...]*int64{&c.firstAt, &c.lastAt, &c.grewFrom, &c.moved} {
			*at = r.moment(now)
		}
		c.steps = r.positive(maxTime)
		c.steep = r.positive(maxTime)
	}
}

func (w *writer) daily(d *daily, now int64) {
	w.line(&d.line, now)
	w.moment(d.resetAt, now)
	w.bool(d.habit)
	w.positive(d.doubt)
	w.moment(d.doubtAt, now)
}

func (r *reader) daily(d *daily, now int64) {
	r.line(&d.line, now)
	d.resetAt = r.moment(now)
	d.habit = r.bool()
	d.doubt = r.positive(maxEnergy)
	d.doubtAt = r.moment(now)
}

func (w *writer) bridge(b *bridge) {
	w.positive(b.since)
	w.positive(b.booked)
	w.bool(b.active)
}

func (r *reader) bridge(b *bridge) {
	b.since = r.positive(maxEnergy)
	b.booked = r.positive(maxEnergy)
	b.active = r.bool()
}
