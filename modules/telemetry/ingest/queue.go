package ingest

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/fault"
)

// QueueConfig bounds what is on its way to the journal. Zero values stand for the
// defaults.
type QueueConfig struct {
	// Readings and Bytes are how much may be at the journal, 8,192 readings and
	// 64 MiB; one source has at most an eighth of either. An entry that is larger
	// than that goes when nothing else of its source is there.
	Readings, Bytes int
	// Least is how many readings may be there however slow the journal is, 256.
	Least int
	// Target is how long the journal may take for an entry, 400 ms. When it takes
	// longer, fewer readings are given to it at a time: whoever comes next stands
	// behind all of them.
	Target time.Duration
	// WaitingBytes bounds what waits before it, 128 MiB, of which one user has at most
	// half; and Patience for how long, 30 s. Beyond either a delivery is Unavailable.
	WaitingBytes int
	Patience     time.Duration
}

func (c QueueConfig) withDefaults() QueueConfig {
	orDefault := func(v *int, otherwise int) {
		if *v <= 0 {
			*v = otherwise
		}
	}
	orDefault(&c.Readings, 8192)
	orDefault(&c.Bytes, 64<<20)
	orDefault(&c.Least, 256)
	orDefault(&c.WaitingBytes, 128<<20)
	if c.Target <= 0 {
		c.Target = 400 * time.Millisecond
	}
	if c.Patience <= 0 {
		c.Patience = 30 * time.Second
	}
	return c
}

// share is the part of the queue that one source may have: 1 of so many.
const share = 8

// readingBytes is about what a decoded reading takes, beside its payload.
const readingBytes = 400

// Queue stands before the journal and says whose turn it is. What the journal
// has, it works off in order; so that the wait behind others is short, little is
// given to it at a time, and who waits before it is let in by turns: the user
// that has had least, and of that user's sources the one that has had least. A
// sender that floods waits for itself. A source whose user is not known is a user of
// its own.
type Queue struct {
	cfg   QueueConfig
	clock clock.Clock

	mu sync.Mutex
	// limit is how many readings may be at the journal now.
	limit int
	// readings and bytes are at the journal; of each source in away.
	readings, bytes int
	away            map[uuid.UUID]load
	// waiting and waitingBytes stand before it.
	waiting, waitingBytes int
	// users are those with a source that may go next, the first to go first; known
	// are all that have waited since anybody does: what they had then counts.
	users line[*userLine]
	known map[uuid.UUID]*userLine
	// begun is what the last that was let in had had before: who comes new begins
	// there.
	begun  int64
	shrunk time.Time
}

type load struct{ readings, bytes int }

// turn is somebody's place in a line.
type turn struct {
	had   int64
	index int // in the line, -1: not there
}

func (t *turn) at() *turn { return t }

// userLine are the sources of one user that have something waiting.
type userLine struct {
	turn
	ready   line[*sourceLine]
	sources map[uuid.UUID]*sourceLine
	begun   int64
	bytes   int // that wait
}

// sourceLine are the deliveries of one source that wait, in order.
type sourceLine struct {
	turn
	id      uuid.UUID
	waiters []*waiter
}

type waiter struct {
	load
	granted chan struct{}
}

// NewQueue returns an empty queue. It begins with a part of its room, until it
// knows how fast the journal is.
func NewQueue(cfg QueueConfig, c clock.Clock) *Queue {
	cfg = cfg.withDefaults()
	return &Queue{cfg: cfg, clock: c, limit: max(cfg.Least, cfg.Readings/share), away: map[uuid.UUID]load{}, known: map[uuid.UUID]*userLine{}}
}

// Depth is how many readings are at the journal and wait before it, and the most
// that are given to it at present.
func (q *Queue) Depth() (away, waiting, limit int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.readings, q.waiting, q.limit
}

// Enter waits for a source's turn. An error is a fault Unavailable or ctx's;
// else Leave is to be called once.
func (q *Queue) Enter(ctx context.Context, user, source uuid.UUID, readings, payload int) error {
	user = whose(user, source)
	l := load{readings, payload + readings*readingBytes}
	q.mu.Lock()
	if q.waiting == 0 && q.fits(l) && q.within(source, l) {
		q.take(source, l)
		q.mu.Unlock()
		return nil
	}
	if q.waitingBytes+l.bytes > q.cfg.WaitingBytes || q.crowds(user, l) {
		q.mu.Unlock()
		return fault.Retry(fault.Unavailable, 5*time.Second, "Too much waits to be stored. Send the readings again.")
	}
	w := &waiter{load: l, granted: make(chan struct{})}
	q.join(user, source, w)
	q.advance() // others may wait for their own sources alone
	q.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	default:
	}
	patience := time.NewTimer(q.cfg.Patience)
	defer patience.Stop()
	var err error
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		err = fault.Wrap(fault.Unavailable, ctx.Err(), "The readings could not be stored in time. Send them again.")
	case <-patience.C:
		err = fault.Retry(fault.Unavailable, 5*time.Second, "The readings could not be stored in time. Send them again.")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.part(user, source, w) {
		return nil // its turn came in that moment
	}
	return err
}

// Leave gives back what Enter took. took is how long the journal had it, ok
// whether it was stored.
func (q *Queue) Leave(user, source uuid.UUID, readings, payload int, took time.Duration, ok bool) {
	user = whose(user, source)
	l := load{readings, payload + readings*readingBytes}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.readings -= l.readings
	q.bytes -= l.bytes
	if left := q.away[source]; left.readings > l.readings {
		q.away[source] = load{left.readings - l.readings, left.bytes - l.bytes}
	} else {
		delete(q.away, source)
	}
	if ok { // what failed tells nothing of how fast the journal is
		q.adapt(l.readings, took)
	}
	if q.waiting == 0 {
		return
	}
	if u := q.known[user]; u != nil {
		if s := u.sources[source]; s != nil {
			q.settle(u, s)
		}
	}
	q.advance()
}

// whose is in whose line a source stands.
func whose(user, source uuid.UUID) uuid.UUID {
	if user == uuid.Nil {
		return source
	}
	return user
}

// crowds reports whether a user would have more than its part of what may wait. The
// first to wait may always: it has no less than others then.
func (q *Queue) crowds(user uuid.UUID, l load) bool {
	u := q.known[user]
	return u != nil && u.bytes > 0 && u.bytes+l.bytes > q.cfg.WaitingBytes/2
}

// adapt finds how much the journal can have without a long wait: less by a
// quarter when an entry took too long, a little more with each that did not.
func (q *Queue) adapt(readings int, took time.Duration) {
	switch {
	case took > q.cfg.Target:
		// One step for all that were there together.
		if now := q.clock.Now(); now.Sub(q.shrunk) > took || now.Before(q.shrunk) {
			q.limit, q.shrunk = max(q.cfg.Least, q.limit-q.limit/4), now
		}
	case took < q.cfg.Target/2 && q.limit < q.cfg.Readings:
		q.limit = min(q.cfg.Readings, q.limit+max(1, readings/8))
	}
}

// fits reports whether there is room at the journal; something larger than the
// room fits when nothing is there.
func (q *Queue) fits(l load) bool {
	return q.readings == 0 || q.readings+l.readings <= q.limit && q.bytes+l.bytes <= q.cfg.Bytes
}

// within reports whether a source keeps to its share with this.
func (q *Queue) within(source uuid.UUID, l load) bool {
	there, some := q.away[source]
	return !some || there.readings+l.readings <= max(1, q.limit/share) && there.bytes+l.bytes <= q.cfg.Bytes/share
}

func (q *Queue) take(source uuid.UUID, l load) {
	q.readings += l.readings
	q.bytes += l.bytes
	there := q.away[source]
	q.away[source] = load{there.readings + l.readings, there.bytes + l.bytes}
}

// join puts a waiter at the end of its source's line.
func (q *Queue) join(user, source uuid.UUID, w *waiter) {
	q.waiting += w.readings
	q.waitingBytes += w.bytes
	u := q.known[user]
	if u == nil {
		u = &userLine{turn: turn{index: -1}, sources: map[uuid.UUID]*sourceLine{}}
		q.known[user] = u
	}
	if len(u.ready) == 0 { // it saves up nothing while it does not wait
		u.had = max(u.had, q.begun)
	}
	s := u.sources[source]
	if s == nil {
		s = &sourceLine{turn: turn{index: -1}, id: source}
		u.sources[source] = s
	}
	if len(s.waiters) == 0 {
		s.had = max(s.had, u.begun)
	}
	s.waiters = append(s.waiters, w)
	u.bytes += w.bytes
	q.settle(u, s)
}

// part takes a waiter out of line. It reports false when it had been let in.
func (q *Queue) part(user, source uuid.UUID, w *waiter) bool {
	u := q.known[user]
	if u == nil || u.sources[source] == nil {
		return false
	}
	s := u.sources[source]
	i := slices.Index(s.waiters, w)
	if i < 0 {
		return false
	}
	s.waiters = slices.Delete(s.waiters, i, i+1)
	u.bytes -= w.bytes
	q.waiting -= w.readings
	q.waitingBytes -= w.bytes
	q.settle(u, s)
	q.advance() // the next may want less
	return true
}

// settle, called after each change, puts a source into its user's line, and the user into its own, where
// they may go next, and takes them out where not.
func (q *Queue) settle(u *userLine, s *sourceLine) {
	u.ready.place(s, len(s.waiters) > 0 && q.within(s.id, s.waiters[0].load))
	q.users.place(u, len(u.ready) > 0)
	if q.waiting == 0 && len(q.known) > 0 {
		clear(q.known)
		q.begun = 0
	}
}

// advance lets in whose turn it is, as long as there is room.
func (q *Queue) advance() {
	for len(q.users) > 0 {
		u := q.users[0]
		s := u.ready[0]
		w := s.waiters[0]
		if !q.fits(w.load) {
			return
		}
		s.waiters[0] = nil
		s.waiters = s.waiters[1:]
		u.bytes -= w.bytes
		q.waiting -= w.readings
		q.waitingBytes -= w.bytes
		q.take(s.id, w.load)
		q.begun, u.begun = u.had, s.had
		u.had += int64(w.readings)
		s.had += int64(w.readings)
		close(w.granted)
		q.settle(u, s)
	}
}

// line is a heap of those that may go next: who has had least comes first.
type line[T interface{ at() *turn }] []T

// place puts one into the line or takes it out, and moves it to where it belongs.
func (l *line[T]) place(one T, in bool) {
	t := one.at()
	switch {
	case in && t.index < 0:
		heap.Push(l, one)
	case in:
		heap.Fix(l, t.index)
	case t.index >= 0:
		heap.Remove(l, t.index)
	}
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (l line[T]) Len() int           { return len(l) }
func (l line[T]) Less(i, j int) bool { return l[i].at().had < l[j].at().had }
func (l line[T]) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].at().index, l[j].at().index = i, j
}

// Push adds at the end.
func (l *line[T]) Push(x any) {
	one, _ := x.(T)
	one.at().index = len(*l)
	*l = append(*l, one)
}

// Pop takes the last.
func (l *line[T]) Pop() any {
	last := len(*l) - 1
	one := (*l)[last]
	var none T
	(*l)[last] = none
	*l = (*l)[:last]
	one.at().index = -1
	return one
}
