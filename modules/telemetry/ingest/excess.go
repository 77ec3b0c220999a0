package ingest

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Excess says which limit somebody is over.
type Excess struct {
	// User is set when it is the limit of all sources of a user, Bytes when it is one
	// of bytes and not of readings.
	User, Bytes bool
	// Limit is what it allows.
	Limit Limit
}

// Name is the limit's in a word, for counting: source_readings, source_bytes,
// user_readings or user_bytes.
func (e *Excess) Name() string {
	switch {
	case e.User && e.Bytes:
		return "user_bytes"
	case e.User:
		return "user_readings"
	case e.Bytes:
		return "source_bytes"
	default:
		return "source_readings"
	}
}

// LimitNames are all that Name may give.
func LimitNames() []string {
	return []string{"source_readings", "source_bytes", "user_readings", "user_bytes"}
}

// Error says it for the log.
func (e *Excess) Error() string { return "over the limit " + e.Name() }

// message says it to who sends.
func (e *Excess) message() string {
	who, of, what := "This source sends", "source", "readings"
	if e.User {
		who, of = "The sources of this owner together send", "user"
	}
	if e.Bytes {
		what = "bytes"
	}
	return fmt.Sprintf("%s more %s than allowed: %d a second, and %d at once after a pause (--limit-%s-%s-rate, -burst).",
		who, what, e.Limit.Rate, e.Limit.Burst, of, what)
}

// Excess is the limit for which a source has to wait longest now, nil where there
// is none.
func (l *Limits) Excess(source, user uuid.UUID) *Excess {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	var found *Excess
	longest := time.Duration(0)
	for _, one := range []struct {
		used time.Duration
		Excess
	}{
		{l.sources[source].readings, Excess{Limit: l.cfg.Source.Readings}},
		{l.sources[source].bytes, Excess{Bytes: true, Limit: l.cfg.Source.Bytes}},
		{l.users[user].readings, Excess{User: true, Limit: l.cfg.User.Readings}},
		{l.users[user].bytes, Excess{User: true, Bytes: true, Limit: l.cfg.User.Bytes}},
	} {
		if wait := one.used - now - one.Limit.cost(one.Limit.Burst); wait > longest {
			longest, found = wait, &one.Excess
		}
	}
	return found
}
