package sqldb

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/change"
	"ampra/test/stack"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// process is a feed that runs, with what its listener has heard.
type process struct {
	*Feed
	stop func()

	mu    sync.Mutex
	heard []change.Change
}

// runFeed runs a feed with a listener until the test ends or stop is called.
func runFeed(t *testing.T, db *DB, cfg FeedConfig, apply func(context.Context)) *process {
	t.Helper()
	p := &process{Feed: NewFeed(db, cfg, quiet())}
	p.Subscribe(func(ctx context.Context, c change.Change) {
		if apply != nil {
			apply(ctx)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.heard = append(p.heard, c)
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var done sync.WaitGroup
	done.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Errorf("the feed ended with %v", err)
		}
	})
	p.stop = func() {
		cancel()
		done.Wait()
	}
	t.Cleanup(p.stop)
	until(t, "the feed trusts", p.Trusted)
	return p
}

func (p *process) seqs() (seqs []int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.heard {
		seqs = append(seqs, c.Seq)
	}
	return seqs
}

func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not: %s", patience, what)
		}
		wait(t.Context(), time.Millisecond)
	}
}

// changed appends a change of its own transaction.
func changed(t *testing.T, f *Feed) (seq int64) {
	t.Helper()
	err := f.db.Run(t.Context(), func(ctx context.Context) (err error) {
		seq, err = f.Outbox().Append(ctx, change.Change{Kind: change.CredentialsRotated, SourceID: uuid.New()})
		return err
	})
	if err != nil {
		t.Fatalf("appending: %v", err)
	}
	return seq
}

// settle returns how long it took.
func settle(t *testing.T, f *Feed, seq int64) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	if err := f.Settle(ctx, seq); err != nil {
		t.Fatalf("settling: %v", err)
	}
	return time.Since(began)
}

func TestAProcessThatIsCutOffIsFencedBeforeOthersStopWaitingForIt(t *testing.T) {
	t.Parallel()
	address := stack.Postgres(t)
	cfg := FeedConfig{Lease: 2 * time.Second}
	here := runFeed(t, migrated(t, postgresAt(t, address)), cfg, nil)
	db, road := behindRoad(t, address)
	there := runFeed(t, db, cfg, nil)
	if took := settle(t, here.Feed, changed(t, here.Feed)); took > time.Second {
		t.Errorf("settling with both well took %s", took)
	}

	road.cut()
	seq := changed(t, here.Feed)
	took := settle(t, here.Feed, seq)
	if there.Trusted() {
		t.Error("settled while the process that is cut off still trusts")
	}
	if slices.Contains(there.seqs(), seq) {
		t.Fatal("the process that is cut off has heard of the change")
	}
	if took < cfg.Lease/2 || took > 2*cfg.Lease {
		t.Errorf("settling took %s with a lease of %s", took, cfg.Lease)
	}
	if again := settle(t, here.Feed, changed(t, here.Feed)); again > time.Second {
		t.Errorf("settling once more took %s", again)
	}

	road.mend()
	until(t, "the process trusts again", there.Trusted)
	if !slices.Contains(there.seqs(), seq) {
		t.Error("it trusts again and has not heard of the change")
	}
}

func TestAProcessThatRejoinsTrustsOnlyAfterItHasCaughtUp(t *testing.T) {
	t.Parallel()
	address := stack.Postgres(t)
	cfg := FeedConfig{Lease: time.Second}
	here := runFeed(t, migrated(t, postgresAt(t, address)), cfg, nil)
	db, road := behindRoad(t, address)
	release := make(chan struct{})
	there := runFeed(t, db, cfg, func(ctx context.Context) {
		select {
		case <-release:
		case <-ctx.Done():
		}
	})
	road.cut()
	seq := changed(t, here.Feed)
	settle(t, here.Feed, seq)
	road.mend()
	until(t, "the process is a member again", func() bool {
		var live int
		err := here.db.read.QueryRowContext(t.Context(),
			"select count(*) from feed_members where lease_until > clock_timestamp()").Scan(&live)
		return err == nil && live == 2
	})
	deadline := time.Now().Add(2 * cfg.Lease)
	for time.Now().Before(deadline) {
		if there.Trusted() {
			t.Fatal("it trusts while its listener has not heard of the change")
		}
		wait(t.Context(), 5*time.Millisecond)
	}
	close(release)
	until(t, "the process trusts again", there.Trusted)
	if got := there.seqs(); !slices.Contains(got, seq) {
		t.Errorf("it trusts and has heard %v, not %d", got, seq)
	}
}

func TestAProcessThatWasKilledIsWaitedForUntilItsLeaseIsOver(t *testing.T) {
	t.Parallel()
	db := migrated(t, openPostgres(t))
	cfg := FeedConfig{Lease: time.Second}
	here := runFeed(t, db, cfg, nil)
	_, err := db.write.ExecContext(t.Context(),
		"insert into feed_members (id, applied_seq, lease_until) values (?, 0, clock_timestamp() + interval '1 second')", uuid.New())
	if err != nil {
		t.Fatal(err)
	}
	if took := settle(t, here.Feed, changed(t, here.Feed)); took < 800*time.Millisecond || took > 5*time.Second {
		t.Errorf("settling took %s, want about the lease of 1 s", took)
	}
}

func TestConnectionsThatGoDeadSilentlyAreReplaced(t *testing.T) {
	t.Parallel()
	address := stack.Postgres(t)
	cfg := FeedConfig{Lease: 2 * time.Second}
	here := runFeed(t, migrated(t, postgresAt(t, address)), cfg, nil)
	db, road := behindRoad(t, address)
	there := runFeed(t, db, cfg, nil)
	settle(t, there.Feed, changed(t, there.Feed)) // its pool has connections now
	road.freeze()
	seq := changed(t, here.Feed)
	settle(t, here.Feed, seq)
	if there.Trusted() && !slices.Contains(there.seqs(), seq) {
		t.Error("settled while the other process trusts and has not heard of the change")
	}
	until(t, "the other process has heard of the change", func() bool { return slices.Contains(there.seqs(), seq) })
	until(t, "the other process trusts again", there.Trusted)
}

func TestAListenerWhoseConnectionIsTerminatedMissesNothing(t *testing.T) {
	t.Parallel()
	address := stack.Postgres(t)
	here := runFeed(t, migrated(t, postgresAt(t, address)), FeedConfig{}, nil)
	there := runFeed(t, postgresAt(t, address), FeedConfig{}, nil)
	var sent []int64
	for range 10 {
		sent = append(sent, changed(t, here.Feed))
		_, err := here.db.write.ExecContext(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
			where application_name = 'ampra feed' and datname = current_database()`)
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, changed(t, here.Feed))
		settle(t, here.Feed, sent[len(sent)-1])
		if got := there.seqs(); !slices.Equal(got, sent) {
			t.Fatalf("heard %v, want %v", got, sent)
		}
	}
	if !there.Trusted() || !here.Trusted() {
		t.Error("a short loss of the connection costs the trust")
	}
}

func TestSettlingIsQuick(t *testing.T) {
	t.Parallel()
	address := stack.Postgres(t)
	here := runFeed(t, migrated(t, postgresAt(t, address)), FeedConfig{}, nil)
	for range 2 {
		runFeed(t, postgresAt(t, address), FeedConfig{}, nil)
	}
	var took []time.Duration
	for range 50 {
		took = append(took, settle(t, here.Feed, changed(t, here.Feed)))
	}
	slices.Sort(took)
	t.Logf("three processes: p50 %s, p90 %s, most %s", took[25], took[45], took[49])
	// By polling alone it would be half a second.
	if took[25] > 250*time.Millisecond {
		t.Errorf("half of the settlings took more than %s", took[25])
	}
}

func TestALeaseEndsByTheWallClockToo(t *testing.T) {
	t.Parallel()
	feed := NewFeed(openSQLite(t), FeedConfig{}, quiet())
	now := time.Now()
	for name, c := range map[string]struct {
		trust trust
		want  bool
	}{
		"both run":                          {trust{until: now.Add(time.Hour), wall: now.Add(time.Hour).Round(0)}, true},
		"the monotonic clock is over":       {trust{until: now, wall: now.Add(time.Hour).Round(0)}, false},
		"the machine slept: the wall clock": {trust{until: now.Add(time.Hour), wall: now.Round(0)}, false},
	} {
		feed.trust.Store(&c.trust)
		if feed.Trusted() != c.want {
			t.Errorf("%s: trusted %t, want %t", name, !c.want, c.want)
		}
	}
}

func TestOldChangesAreSweptButTheNewest(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		feed := NewFeed(open(t), FeedConfig{}, quiet())
		var seqs []int64
		for range 5 {
			seqs = append(seqs, changed(t, feed))
		}
		age(t, feed, seqs[2])
		left := func() (n int) {
			if err := feed.sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := feed.db.read.QueryRowContext(t.Context(), "select count(*) from changes").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := left(); n != 2 {
			t.Errorf("%d changes are left, want the 2 young ones", n)
		}
		age(t, feed, seqs[4])
		if n := left(); n != 1 {
			t.Errorf("%d changes are left, want the newest", n)
		}
		if next := changed(t, feed); next <= seqs[4] {
			t.Errorf("seq %d follows %d", next, seqs[4])
		}
	})
}

// age makes changes up to seq two hours old.
func age(t *testing.T, f *Feed, seq int64) {
	t.Helper()
	if _, err := f.db.write.ExecContext(t.Context(), "update changes set at = ? where seq <= ?",
		at(time.Now().Add(-2*keepChanges)), seq); err != nil {
		t.Fatal(err)
	}
}

func TestAProcessThatWasAwayForTooLongIsToldThatItMissedChanges(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, open func(*testing.T) *DB) {
		feed := NewFeed(open(t), FeedConfig{}, quiet())
		var kinds []change.Kind
		feed.Subscribe(func(_ context.Context, c change.Change) { kinds = append(kinds, c.Kind) })
		first := changed(t, feed)
		state := following{acked: -1, read: time.Now()}
		advance := func() {
			t.Helper()
			if _, err := feed.advance(t.Context(), &state); err != nil {
				t.Fatal(err)
			}
		}
		advance()
		for range 3 {
			changed(t, feed)
		}
		age(t, feed, first+2)
		if err := feed.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		state.read = time.Now().Add(-2 * keepChanges)
		advance()
		want := []change.Kind{change.CredentialsRotated, change.Missed, change.CredentialsRotated}
		if !slices.Equal(kinds, want) {
			t.Errorf("heard %v, want %v", kinds, want)
		}
		changed(t, feed)
		advance()
		if len(kinds) != 4 || kinds[3] != change.CredentialsRotated {
			t.Errorf("heard %v afterwards", kinds[3:])
		}
	})
}

func TestAFeedBeginsOnceItsDatabaseIsThere(t *testing.T) {
	t.Parallel()
	address := stack.Postgres(t)
	migrated(t, postgresAt(t, address))
	db, road := behindRoad(t, address)
	road.cut()
	feed := NewFeed(db, FeedConfig{Lease: time.Second}, quiet())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- feed.Run(ctx) }()
	wait(ctx, 1500*time.Millisecond)
	if feed.Trusted() {
		t.Error("it trusts without its database")
	}
	road.mend()
	until(t, "the feed trusts", feed.Trusted)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the feed ended with %v", err)
	}
}
