package credentials

import (
	"context"
	"fmt"
	"time"

	"ampra/core/sunsource"
)

// How the registry reads. A question goes out at once while fewer than
// maxQueries are under way; those that come meanwhile wait for the first to
// return and go out together. So nobody waits when there is little to do, and
// the work of many costs little more than that of one.
const (
	maxQueries  = 2
	maxTogether = 1000
	// queryTime bounds one query: it belongs to all who wait for it, and so to no
	// one's context.
	queryTime = 10 * time.Second
)

// lookups are the questions that have no answer yet. The registry's lock guards
// them.
type lookups struct {
	// waiting are those that no query has taken, in order.
	waiting []*lookup
	// open is, for a key, the question that others may join.
	open    map[sunsource.ClientKey]*lookup
	queries int
}

// lookup is a question about one key, shared by all who ask it at the same time.
type lookup struct {
	key sunsource.ClientKey
	// begun: a query has taken it. trusted: when it began the feed was. overtaken:
	// since then the key changed, and the answer may be from before.
	begun, trusted, overtaken bool

	// found and err are the answer, to be read once done is closed.
	done  chan struct{}
	found *known
	err   error
}

// overtake keeps an answer that is on its way from being remembered, or given to
// somebody who asks from now on: what it was read from is no longer true.
func (l *lookups) overtake(key sunsource.ClientKey) {
	if open := l.open[key]; open != nil && open.begun {
		open.overtaken = true
		delete(l.open, key)
	}
}

// wait returns the answer, or the context's error when that ends first.
func (l *lookup) wait(ctx context.Context) (*known, error) {
	select {
	case <-l.done:
		return l.found, l.err
	case <-ctx.Done():
		return nil, fmt.Errorf("reading access to a sun source: %w", ctx.Err())
	}
}

// answered is a question whose answer is remembered.
func answered(key sunsource.ClientKey, found *known) *lookup {
	l := &lookup{key: key, done: make(chan struct{}), found: found}
	if found == nil {
		l.err = errNoRecord()
	}
	close(l.done)
	return l
}

// ask returns a question for each key, which is answered once.
func (r *Registry) ask(ctx context.Context, keys []sunsource.ClientKey) []*lookup {
	asked := make([]*lookup, len(keys))
	trusted := r.d.Feed.Trusted()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, key := range keys {
		if found, remembered := r.recall(key); remembered && trusted { // since the caller looked
			asked[i] = answered(key, found)
			continue
		}
		open := r.lookups.open[key]
		if open != nil && open.begun && (!open.trusted || !trusted) {
			// It may have been read before a change that nobody tells us of.
			r.lookups.overtake(key)
			open = nil
		}
		if open == nil {
			open = &lookup{key: key, done: make(chan struct{})}
			r.lookups.open[key] = open
			r.lookups.waiting = append(r.lookups.waiting, open)
		}
		asked[i] = open
	}
	for todo := len(r.lookups.waiting); todo > 0 && r.lookups.queries < maxQueries; todo -= maxTogether {
		r.lookups.queries++
		go r.query(context.WithoutCancel(ctx))
	}
	return asked
}

// query answers what waits until nothing does.
func (r *Registry) query(ctx context.Context) {
	for {
		batch := r.take()
		if batch == nil {
			return
		}
		keys := make([]sunsource.ClientKey, len(batch))
		byKey := make(map[sunsource.ClientKey]*lookup, len(batch))
		for i, l := range batch {
			keys[i], byKey[l.key] = l.key, l
			l.err = errNoRecord()
		}
		reading, cancel := context.WithTimeout(ctx, queryTime)
		records, err := r.d.Records.AccessByClientKeys(reading, keys, r.d.Clock.Now())
		cancel()
		for _, record := range records {
			l := byKey[sunsource.ClientKeyOf(record.SourceID)]
			if l == nil {
				continue
			}
			l.found, l.err = &known{access: record.Access, sealed: record.Sealed}, nil
		}
		for _, l := range batch {
			if err != nil {
				l.found, l.err = nil, err
			}
		}
		r.answer(batch)
	}
}

// take gives a query its questions. Without any it ends.
func (r *Registry) take() []*lookup {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.lookups
	n := min(len(w.waiting), maxTogether)
	if n == 0 {
		w.queries--
		return nil
	}
	batch := w.waiting[:n:n]
	if w.waiting = w.waiting[n:]; len(w.waiting) == 0 {
		w.waiting = nil
	}
	trusted := r.d.Feed.Trusted()
	for _, l := range batch {
		l.begun, l.trusted = true, trusted
	}
	return batch
}

// answer remembers what may be remembered, and tells who waits.
func (r *Registry) answer(batch []*lookup) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range batch {
		if l.trusted && !l.overtaken {
			r.remember(l)
		}
		if r.lookups.open[l.key] == l {
			delete(r.lookups.open, l.key)
		}
		close(l.done)
	}
}
