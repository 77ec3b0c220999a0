package sqldb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/change"
	"ampra/core/fault"
)

var _ change.Feed = (*Feed)(nil)

// FeedConfig tunes a Feed. The zero value has the defaults.
type FeedConfig struct {
	// Lease is how long the other processes wait for one that says nothing: so long
	// may Settle take after a process was killed. It is renewed five times while it
	// runs. 0 means 5 s.
	Lease time.Duration
	// Poll is how often the feed looks for changes that nobody told it of; 0 means
	// 1 s on PostgreSQL. On SQLite, where only another program's changes come
	// untold, it means 5 s.
	Poll time.Duration
}

// FeedDeps is what a Feed needs beside its database.
type FeedDeps struct {
	Log *slog.Logger
}

// Feed carries changes from the transaction that made them to every process: the
// outbox takes them, Run applies them. On PostgreSQL each process is a member
// with a lease in the database; on SQLite there is only this one. One Feed is for
// one process, and Run is called once.
type Feed struct {
	db          *DB
	cfg         FeedConfig
	log         *slog.Logger
	id          uuid.UUID
	subscribers []func(ctx context.Context, c change.Change)
	wake        chan struct{}
	joined      chan struct{} // closed when this process is a member for the first time

	trust  atomic.Pointer[trust]
	looked atomic.Int64 // when the last look for changes succeeded

	mu      sync.Mutex
	member  bool
	applied int64 // the seq up to which all subscribers have returned
	needed  int64 // what must be applied before anything may be trusted
	behind  bool  // applied < needed, or not a member
	lease   *trust
	moved   chan struct{}
}

// trust is how long this process hears of changes in time. It ends by either
// clock: the monotonic one stands still while the machine sleeps, the wall clock
// may be set back.
type trust struct {
	until   time.Time
	wall    time.Time
	forever bool
}

// NewFeed returns a feed on db. It trusts nothing before Run.
func NewFeed(db *DB, cfg FeedConfig, d FeedDeps) *Feed {
	if cfg.Lease <= 0 {
		cfg.Lease = 5 * time.Second
	}
	if cfg.Poll <= 0 {
		cfg.Poll = time.Second
		if !db.IsPostgres() {
			cfg.Poll = 5 * time.Second
		}
	}
	f := &Feed{
		db: db, cfg: cfg, log: d.Log, id: uuid.New(),
		wake: make(chan struct{}, 1), joined: make(chan struct{}), moved: make(chan struct{}), behind: true,
	}
	f.looked.Store(time.Now().UnixNano())
	return f
}

// Subscribe adds a listener. To be called before Run.
func (f *Feed) Subscribe(apply func(ctx context.Context, c change.Change)) {
	f.subscribers = append(f.subscribers, apply)
}

// Trusted reports whether this process hears of changes in time.
func (f *Feed) Trusted() bool {
	t := f.trust.Load()
	if t == nil {
		return false
	}
	if t.forever {
		return true
	}
	now := time.Now()
	return now.Before(t.until) && now.Round(0).Before(t.wall)
}

// Run applies changes until ctx ends. It waits for a database that is away.
func (f *Feed) Run(ctx context.Context) error {
	var lease sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer f.leave(context.WithoutCancel(ctx))
	defer lease.Wait()
	defer cancel()
	if f.db.IsPostgres() {
		lease.Go(func() { f.keepLease(ctx) })
	} else {
		lease.Go(func() { f.joinAlone(ctx) })
	}
	select {
	case <-f.joined:
		f.follow(ctx)
	case <-ctx.Done():
	}
	return nil
}

// joinAlone makes this process the only member.
func (f *Feed) joinAlone(ctx context.Context) {
	for {
		seq, err := f.newest(ctx)
		if err == nil {
			f.join(seq, &trust{forever: true})
			return
		}
		f.log.WarnContext(ctx, "the change feed can't begin yet", "error", err)
		if !wait(ctx, time.Second) {
			return
		}
	}
}

// newest is the seq of the newest committed change.
func (f *Feed) newest(ctx context.Context) (seq int64, err error) {
	err = f.db.read.QueryRowContext(ctx, "select coalesce(max(seq), 0) from changes").Scan(&seq)
	return seq, translate(err)
}

// join begins or resumes membership: everything up to seq was committed before,
// and has to be applied before anything is trusted. Who joins for the first time
// remembers nothing, so nothing is left to be applied.
func (f *Feed) join(seq int64, t *trust) {
	f.mu.Lock()
	first := !f.member
	if first {
		f.member, f.applied = true, seq
	}
	f.needed, f.lease = seq, t
	f.behind = f.applied < seq
	f.trust.Store(nil)
	if !f.behind {
		f.trust.Store(t)
	}
	f.signal()
	f.mu.Unlock()
	if first {
		close(f.joined)
	}
	f.kick()
}

// renewed prolongs the trust of a member whose lease never was over.
func (f *Feed) renewed(t *trust) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lease = t
	if !f.behind {
		f.trust.Store(t)
	}
}

// leave ends membership: nothing is trusted from here on, and nobody waits for
// this process.
func (f *Feed) leave(ctx context.Context) {
	f.mu.Lock()
	was := f.member
	f.member, f.behind = false, true
	f.trust.Store(nil)
	f.signal()
	f.mu.Unlock()
	if was && f.db.IsPostgres() {
		f.resign(ctx)
	}
}

// signal tells who waits that something moved. Called with the lock.
func (f *Feed) signal() {
	close(f.moved)
	f.moved = make(chan struct{})
}

// kick makes the feed look for changes now.
func (f *Feed) kick() {
	select {
	case f.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Settle waits until every live process has applied all changes up to seq.
func (f *Feed) Settle(ctx context.Context, seq int64) error {
	f.kick()
	if err := f.settleHere(ctx, seq); err != nil {
		return fmt.Errorf("waiting for this process to apply a change: %w", err)
	}
	if !f.db.IsPostgres() {
		return nil
	}
	if err := f.settleElsewhere(ctx, seq); err != nil {
		return fmt.Errorf("waiting for other processes to apply a change: %w", err)
	}
	return nil
}

// settleHere waits until this process has applied seq, or trusts nothing: it will
// not again before it has caught up.
func (f *Feed) settleHere(ctx context.Context, seq int64) error {
	for {
		f.mu.Lock()
		done, moved := f.applied >= seq || !f.member, f.moved
		f.mu.Unlock()
		if done || !f.Trusted() {
			return nil
		}
		lapse := time.NewTimer(f.cfg.Lease / 10)
		select {
		case <-moved:
		case <-lapse.C:
		case <-ctx.Done():
			lapse.Stop()
			return ctx.Err()
		}
		lapse.Stop()
	}
}

// settleElsewhere asks the database for members that have not applied seq: often
// at first, since most answer within milliseconds.
func (f *Feed) settleElsewhere(ctx context.Context, seq int64) error {
	pause := time.Millisecond
	for {
		behind, err := f.behindElsewhere(ctx, seq)
		if err == nil && behind == 0 {
			return nil
		}
		if err != nil && !fault.Passing(err) && ctx.Err() == nil {
			return err
		}
		if !wait(ctx, pause) {
			return errors.Join(ctx.Err(), err)
		}
		pause = min(pause*3/2, 50*time.Millisecond)
	}
}

// behindElsewhere is how many other live members have not applied seq.
func (f *Feed) behindElsewhere(ctx context.Context, seq int64) (n int, err error) {
	// A connection that has gone dead must not take all the time that there is.
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Lease)
	defer cancel()
	err = f.db.read.QueryRowContext(ctx, `select count(*) from feed_members
		where lease_until > clock_timestamp() and applied_seq < ? and id <> ?`, seq, f.id).Scan(&n)
	return n, translate(err)
}
