package kafka

// room is what is left of a queue, by count and by bytes. Who finds too little
// waits in line, and everyone until it is opened. The journal's lock guards it.
type room struct {
	opened               bool
	records, bytes       int
	maxRecords, maxBytes int
	line                 []*waiter
}

// waiter is somebody in line. granted is closed when the room is theirs.
type waiter struct {
	records, bytes int
	granted        chan struct{}
}

func newRoom(records, bytes int) room {
	return room{records: records, bytes: bytes, maxRecords: records, maxBytes: bytes}
}

// clamp makes what is larger than the whole queue fit into an empty one.
func (r *room) clamp(records, bytes int) (int, int) {
	return min(records, r.maxRecords), min(bytes, r.maxBytes)
}

// take takes room, or returns a place in line.
func (r *room) take(records, bytes int) *waiter {
	records, bytes = r.clamp(records, bytes)
	if len(r.line) == 0 && r.fits(records, bytes) {
		r.records -= records
		r.bytes -= bytes
		return nil
	}
	w := &waiter{records: records, bytes: bytes, granted: make(chan struct{})}
	r.line = append(r.line, w)
	return w
}

func (r *room) fits(records, bytes int) bool {
	return r.opened && r.records >= records && r.bytes >= bytes
}

// open lets in whoever waited for it.
func (r *room) open() {
	r.opened = true
	r.advance()
}

// free gives room back and lets those in line have it.
func (r *room) free(records, bytes int) {
	records, bytes = r.clamp(records, bytes)
	r.records += records
	r.bytes += bytes
	r.advance()
}

func (r *room) advance() {
	for len(r.line) > 0 && r.fits(r.line[0].records, r.line[0].bytes) {
		w := r.line[0]
		r.line[0] = nil
		r.line = r.line[1:]
		r.records -= w.records
		r.bytes -= w.bytes
		close(w.granted)
	}
}

// leave takes somebody out of line. It reports false when the room was theirs
// already.
func (r *room) leave(w *waiter) bool {
	for i, other := range r.line {
		if other == w {
			r.line = append(r.line[:i], r.line[i+1:]...)
			r.advance() // the next may want less
			return true
		}
	}
	return false
}
