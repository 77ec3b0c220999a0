package energy

func (w *writer) line(l *line, now int64) {
	w.bool(l.known)
	if !l.known {
		return
	}
	w.positive(l.value)
	w.moment(l.at, now)
	w.moment(l.moved, now)
}

func (r *reader) line(l *line, now int64) {
	l.known = r.bool()
	if !l.known {
		return
	}
	l.value = r.positive(maxEnergy)
	l.at = r.moment(now)
	l.moved = r.moment(now)
}

func (w *writer) daily(d *daily, now int64) { w.line(&d.line, now) }

func (r *reader) daily(d *daily, now int64) { r.line(&d.line, now) }
