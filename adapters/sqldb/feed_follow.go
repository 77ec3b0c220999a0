package sqldb

import (
	"context"
	"fmt"
	"time"

	"ampra/core/change"
)

// changesAtOnce bounds how many changes are read at once.
const changesAtOnce = 200

// ackEvery is how often a process that applies many changes says how far it is.
const ackEvery = 50 * time.Millisecond

// follow applies changes as they come. It is the only goroutine that calls
// subscribers.
func (f *Feed) follow(ctx context.Context) {
	poll := time.NewTicker(f.cfg.Poll)
	defer poll.Stop()
	state := following{acked: -1, read: time.Now()}
	var swept time.Time
	well := true
	for {
		more, err := f.advance(ctx, &state)
		if err == nil && !more && time.Since(swept) > sweepEvery {
			swept = time.Now()
			err = f.sweep(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && well {
			f.log.WarnContext(ctx, "the change feed is behind", "error", err)
		}
		if err == nil && !well {
			f.log.InfoContext(ctx, "the change feed goes on")
		}
		well = err == nil
		if more && err == nil {
			continue
		}
		select {
		case <-f.wake:
		case <-poll.C:
		case <-ctx.Done():
			return
		}
	}
}

// following is what follow remembers from one look for changes to the next.
type following struct {
	acked int64     // what the others were told
	read  time.Time // when the last look succeeded
}

// advance applies what is new and tells the others. more says that there may be
// more.
func (f *Feed) advance(ctx context.Context, state *following) (more bool, err error) {
	applied, now := f.position(), time.Now()
	changes, oldest, err := f.after(ctx, applied)
	if err != nil {
		return false, err
	}
	// By either clock, since one of them stands still while the machine sleeps.
	away := max(now.Sub(state.read), now.Round(0).Sub(state.read.Round(0)))
	state.read = now
	f.looked.Store(now.UnixNano())
	if len(changes) > 0 && oldest > applied+1 && away > keepChanges/2 {
		// Some may have been swept since the last look.
		f.apply(ctx, change.Change{Kind: change.Missed})
	}
	said := time.Now()
	for _, c := range changes {
		if f.apply(ctx, c); ctx.Err() != nil {
			return false, ctx.Err() // a subscriber may have given up
		}
		f.reached(c.Seq)
		if time.Since(said) > ackEvery {
			if err := f.acknowledge(ctx, &state.acked); err != nil {
				return false, err
			}
			said = time.Now()
		}
	}
	return len(changes) == changesAtOnce, f.acknowledge(ctx, &state.acked)
}

func (f *Feed) apply(ctx context.Context, c change.Change) {
	for _, subscriber := range f.subscribers {
		subscriber(ctx, c)
	}
}

// after returns changes behind a seq in order, and the oldest seq that is kept.
func (f *Feed) after(ctx context.Context, seq int64) (changes []change.Change, oldest int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Lease)
	defer cancel()
	rows, err := f.db.read.QueryContext(ctx, `select seq, kind, source_id, (select min(seq) from changes)
		from changes where seq > ? order by seq limit ?`, seq, changesAtOnce)
	if err != nil {
		return nil, 0, fmt.Errorf("reading changes: %w", translate(err))
	}
	defer rows.Close()
	for rows.Next() {
		var c change.Change
		if err := rows.Scan(&c.Seq, &c.Kind, &c.SourceID, &oldest); err != nil {
			return nil, 0, fmt.Errorf("reading changes: %w", translate(err))
		}
		changes = append(changes, c)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("reading changes: %w", translate(err))
	}
	return changes, oldest, nil
}

// reached notes that all subscribers have returned for a change.
func (f *Feed) reached(seq int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.applied = seq
	if f.member && f.behind && seq >= f.needed {
		f.behind = false
		f.trust.Store(f.lease)
	}
	f.signal()
}

// position is the seq up to which this process has applied everything.
func (f *Feed) position() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.applied
}
