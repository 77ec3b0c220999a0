package ingest

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
)

// Limit is how much may be sent: so much a second, and Burst at once after a
// pause.
type Limit struct {
	// Rate is 0 for no limit.
	Rate, Burst int
}

// cost is the time in which a limit lets so much through.
func (l Limit) cost(n int) time.Duration {
	if l.Rate <= 0 {
		return 0
	}
	return time.Duration(float64(n) / float64(l.Rate) * float64(time.Second))
}

// Quota bounds what one sender brings, by readings and by bytes of payload.
type Quota struct{ Readings, Bytes Limit }

func (q Quota) none() bool { return q.Readings.Rate <= 0 && q.Bytes.Rate <= 0 }

// LimitsConfig holds the limits of this process: several processes do not share
// them.
type LimitsConfig struct {
	Source, User Quota
	// Remembered is of how many sources and of how many users it is known what they
	// sent, 200,000 each by default. Beyond that those are forgotten first that have
	// not used up anything.
	Remembered int
}

// Limits know of each source and each user what they may send. They are buckets
// of tokens in which one may be in debt: a delivery is let in while nothing is
// owed, whatever its size, and what it holds beyond the tokens is waited for
// afterwards. So a list longer than the burst is possible, and no more than the
// burst, the rate's share and one delivery gets through in any time.
//
// Time is the process's own, counted from New: where the clock is the system's,
// setting it changes nothing.
type Limits struct {
	cfg   LimitsConfig
	clock clock.Clock
	epoch time.Time

	mu             sync.Mutex
	sources, users map[uuid.UUID]account
}

// account is what one sender has used. Both are moments, since the epoch, at
// which its bucket would be full again.
type account struct {
	readings, bytes time.Duration
	// promised is when a source that was refused was told to come back; 0: not.
	promised time.Duration
}

// NewLimits returns limits with all buckets full.
func NewLimits(cfg LimitsConfig, c clock.Clock) *Limits {
	if cfg.Remembered <= 0 {
		cfg.Remembered = 200_000
	}
	return &Limits{cfg: cfg, clock: c, epoch: c.Now(), sources: map[uuid.UUID]account{}, users: map[uuid.UUID]account{}}
}

// Wait is how long a source has to wait before its next delivery, 0 where it may
// go on. Who waited that long is let in without a second question: others of the
// same user may have brought more in between, and would have turns without end.
func (l *Limits) Wait(source, user uuid.UUID) time.Duration {
	if l == nil || l.cfg.Source.none() && l.cfg.User.none() {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.debt(source, user, l.now())
}

// Refuse is Wait for senders that are told to come back: a source that was told
// once is let in when that time is over, if it owes nothing itself.
func (l *Limits) Refuse(source, user uuid.UUID) time.Duration {
	if l == nil || l.cfg.Source.none() && l.cfg.User.none() {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	wait := l.debt(source, user, now)
	own := l.sources[source]
	switch {
	case wait == 0:
		if own.promised > 0 { // it is of no use any more
			own.promised = 0
			l.sources[source] = own
		}
		return 0
	case own.promised > 0 && own.promised <= now && owed(l.cfg.Source, own, now) == 0:
		own.promised = 0
		l.sources[source] = own
		return 0
	}
	// Whoever asks before its time keeps it.
	if own.promised <= now || own.promised > now+wait {
		own.promised = now + wait
		makeRoom(l.sources, l.cfg.Remembered, now)
		l.sources[source] = own
	}
	return max(own.promised-now, owed(l.cfg.Source, own, now))
}

// Charge notes what a delivery brought.
func (l *Limits) Charge(source, user uuid.UUID, readings, bytes int) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	charge(l.sources, l.cfg.Source, l.cfg.Remembered, source, readings, bytes, now)
	if user != uuid.Nil {
		charge(l.users, l.cfg.User, l.cfg.Remembered, user, readings, bytes, now)
	}
}

func charge(accounts map[uuid.UUID]account, q Quota, most int, id uuid.UUID, readings, bytes int, now time.Duration) {
	if q.none() {
		return
	}
	a, known := accounts[id]
	if !known {
		makeRoom(accounts, most, now)
	}
	a.readings = max(a.readings, now) + q.Readings.cost(readings)
	a.bytes = max(a.bytes, now) + q.Bytes.cost(bytes)
	accounts[id] = a
}

// Known is of how many sources it is remembered what they sent.
func (l *Limits) Known() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sources)
}

// now is the time since the epoch. A clock that is set back adds nothing.
func (l *Limits) now() time.Duration { return max(0, l.clock.Now().Sub(l.epoch)) }

// debt is the longer wait of the two.
func (l *Limits) debt(source, user uuid.UUID, now time.Duration) time.Duration {
	return max(owed(l.cfg.Source, l.sources[source], now), owed(l.cfg.User, l.users[user], now))
}

// owed is how long it takes until a sender owes nothing.
func owed(q Quota, a account, now time.Duration) time.Duration {
	return max(0, a.readings-now-q.Readings.cost(q.Readings.Burst), a.bytes-now-q.Bytes.cost(q.Bytes.Burst))
}

// makeRoom keeps the number of accounts bounded: it forgets those whose buckets
// are full, and where that are too few, some.
func makeRoom(accounts map[uuid.UUID]account, most int, now time.Duration) {
	if len(accounts) < most {
		return
	}
	for id, a := range accounts {
		if max(a.readings, a.bytes, a.promised) <= now {
			delete(accounts, id)
		}
	}
	for id := range accounts {
		if len(accounts) < max(1, most-most/10) {
			return
		}
		delete(accounts, id)
	}
}
