package contract

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/change"
	"ampra/core/transaction"
)

// Changes is one process's end of a change feed, with the store of records that
// its outbox writes to.
type Changes struct {
	Transactions transaction.Runner
	Outbox       change.Outbox
	Feed         change.Feed
	Run          func(ctx context.Context) error
}

// append writes n changes in one transaction and returns their seqs.
func (c Changes) append(ctx context.Context, n int) (seqs []int64, err error) {
	err = c.Transactions.Run(ctx, func(ctx context.Context) error {
		seqs = nil
		for range n {
			seq, err := c.Outbox.Append(ctx, change.Change{Kind: change.SourceUpdated, SourceID: uuid.New()})
			if err != nil {
				return err
			}
			seqs = append(seqs, seq)
		}
		return nil
	})
	return seqs, err
}

// Outbox runs what every change.Outbox promises. open is called once.
func Outbox(t *testing.T, open func(t *testing.T) Changes) {
	t.Helper()
	c := open(t)
	t.Run("a change without a transaction is an error", func(t *testing.T) {
		if seq, err := c.Outbox.Append(t.Context(), change.Change{Kind: change.SourceDeleted, SourceID: uuid.New()}); err == nil {
			t.Errorf("appended as %d", seq)
		}
	})
	t.Run("seqs grow within a transaction and from one to the next", func(t *testing.T) {
		var last int64
		for range 3 {
			seqs, err := c.append(t.Context(), 3)
			if err != nil {
				t.Fatalf("appending: %v", err)
			}
			for _, seq := range seqs {
				if seq <= last {
					t.Errorf("seq %d follows %d", seq, last)
				}
				last = seq
			}
		}
	})
	t.Run("a transaction that commits later has the higher seqs", func(t *testing.T) {
		var mu sync.Mutex
		var committed []int64
		var writers sync.WaitGroup
		for range 8 {
			writers.Go(func() {
				for range 5 {
					// Who appends is alone until it has committed; so the note made
					// right before the end is in the order of the commits.
					err := c.Transactions.Run(t.Context(), func(ctx context.Context) error {
						seq, err := c.Outbox.Append(ctx, change.Change{Kind: change.SourceUpdated, SourceID: uuid.New()})
						mu.Lock()
						defer mu.Unlock()
						committed = append(committed, seq)
						return err
					})
					if err != nil {
						t.Errorf("appending: %v", err)
					}
				}
			})
		}
		writers.Wait()
		if !slices.IsSorted(committed) {
			t.Errorf("seqs in the order of their commits: %v", committed)
		}
	})
}

// Feed runs what every change.Feed promises. open makes the feeds of one or more
// processes on one store, always the same; it is called for each test, one after
// another, and the suite runs what it returns.
func Feed(t *testing.T, open func(t *testing.T) []Changes) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, []Changes){
		"every change reaches every process, in order":             feedOrder,
		"listeners of a process are called one after another":      feedOneAfterAnother,
		"what is rolled back reaches nobody":                       feedRollback,
		"Settle returns after the slowest listener":                feedSettle,
		"Settle ends with its context":                             feedSettleEnds,
		"Settle waits for nobody who has left":                     feedLeft,
		"a process trusts while it runs, not before and not after": feedTrusts,
		"a process that starts later hears of what comes after it": feedJoins,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// heard gathers what a listener is called with.
type heard struct {
	mu      sync.Mutex
	changes []change.Change
}

func (h *heard) apply(_ context.Context, c change.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changes = append(h.changes, c)
}

func (h *heard) seqs() []int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	seqs := make([]int64, len(h.changes))
	for i, c := range h.changes {
		seqs[i] = c.Seq
	}
	return seqs
}

// start runs processes and waits until they trust.
func start(t *testing.T, processes ...Changes) (stop []func()) {
	t.Helper()
	for _, p := range processes {
		stop = append(stop, background(t, "a feed", p.Run))
	}
	for _, p := range processes {
		until(t, "a feed trusts", p.Feed.Trusted)
	}
	return stop
}

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not: %s", patience, what)
		}
		pause(t.Context(), time.Millisecond)
	}
}

func mustAppend(t *testing.T, c Changes, n int) []int64 {
	t.Helper()
	seqs, err := c.append(t.Context(), n)
	if err != nil {
		t.Fatalf("appending: %v", err)
	}
	return seqs
}

func mustSettle(t *testing.T, c Changes, seq int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Feed.Settle(ctx, seq); err != nil {
		t.Fatalf("settling %d: %v", seq, err)
	}
}

func feedOrder(t *testing.T, processes []Changes) {
	listeners := make([]heard, len(processes))
	for i, p := range processes {
		p.Feed.Subscribe(listeners[i].apply)
	}
	start(t, processes...)
	var mu sync.Mutex
	var sent []int64
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 10 {
				seqs, err := processes[w%len(processes)].append(t.Context(), i%3+1)
				if err != nil {
					t.Errorf("appending: %v", err)
				}
				mu.Lock()
				sent = append(sent, seqs...)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	slices.Sort(sent)
	mustSettle(t, processes[0], sent[len(sent)-1])
	for i := range listeners {
		if got := listeners[i].seqs(); !slices.Equal(got, sent) {
			t.Errorf("process %d heard %d changes %v, want %d %v", i, len(got), got, len(sent), sent)
		}
	}
}

func feedOneAfterAnother(t *testing.T, processes []Changes) {
	p := processes[0]
	var calls []string // no lock: the race detector sees two listeners at once
	for _, name := range []string{"a", "b", "c"} {
		p.Feed.Subscribe(func(_ context.Context, c change.Change) { calls = append(calls, name+string(c.Kind)) })
	}
	stop := start(t, processes...)
	seqs := mustAppend(t, p, 2)
	mustSettle(t, p, seqs[1])
	stop[0]()
	k := string(change.SourceUpdated)
	if want := []string{"a" + k, "b" + k, "c" + k, "a" + k, "b" + k, "c" + k}; !slices.Equal(calls, want) {
		t.Errorf("calls are %v, want %v", calls, want)
	}
}

func feedRollback(t *testing.T, processes []Changes) {
	p := processes[0]
	var listener heard
	p.Feed.Subscribe(listener.apply)
	start(t, processes...)
	failure := errors.New("the act failed")
	err := p.Transactions.Run(t.Context(), func(ctx context.Context) error {
		_, err := p.Outbox.Append(ctx, change.Change{Kind: change.SourceDeleted, SourceID: uuid.New()})
		return errors.Join(err, failure)
	})
	if !errors.Is(err, failure) {
		t.Fatalf("the transaction returned %v", err)
	}
	seqs := mustAppend(t, p, 1)
	mustSettle(t, p, seqs[0])
	if got := listener.seqs(); !slices.Equal(got, seqs) {
		t.Errorf("heard %v, want %v", got, seqs)
	}
}

// feedSettle has the last process's listener wait: with several processes that is
// another one than the one that settles.
func feedSettle(t *testing.T, processes []Changes) {
	first, last := processes[0], processes[len(processes)-1]
	begun, release := make(chan struct{}), make(chan struct{})
	last.Feed.Subscribe(func(ctx context.Context, _ change.Change) {
		close(begun)
		select {
		case <-release:
		case <-ctx.Done():
		}
	})
	var after heard
	last.Feed.Subscribe(after.apply)
	start(t, processes...)
	seqs := mustAppend(t, first, 1)
	settled := make(chan error, 1)
	go func() { settled <- first.Feed.Settle(t.Context(), seqs[0]) }()
	<-begun
	select {
	case err := <-settled:
		t.Fatalf("settled (%v) while a listener was at work", err)
	case <-time.After(300 * time.Millisecond):
	}
	close(release)
	select {
	case err := <-settled:
		if err != nil {
			t.Errorf("settling: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("not settled")
	}
	if got := after.seqs(); !slices.Equal(got, seqs) {
		t.Errorf("settled when the last listener had heard %v, want %v", got, seqs)
	}
}

func feedSettleEnds(t *testing.T, processes []Changes) {
	first, last := processes[0], processes[len(processes)-1]
	release := make(chan struct{})
	last.Feed.Subscribe(func(ctx context.Context, _ change.Change) {
		select {
		case <-release:
		case <-ctx.Done():
		}
	})
	start(t, processes...)
	seqs := mustAppend(t, first, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := first.Feed.Settle(ctx, seqs[0]); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("settling returned %v, want the context's error", err)
	}
	close(release)
	mustSettle(t, first, seqs[0])
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := first.Feed.Settle(ended, 1<<60); !errors.Is(err, context.Canceled) {
		t.Errorf("settling returned %v, want the context's error", err)
	}
}

func feedLeft(t *testing.T, processes []Changes) {
	stop := start(t, processes...)
	for i, p := range processes[1:] {
		stop[i+1]()
		if p.Feed.Trusted() {
			t.Error("a process that has left trusts")
		}
	}
	seqs := mustAppend(t, processes[0], 1)
	began := time.Now()
	mustSettle(t, processes[0], seqs[0])
	stop[0]()
	// Nobody is left, also not this process itself.
	mustSettle(t, processes[0], mustAppend(t, processes[0], 1)[0])
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("settling took %s", took)
	}
}

func feedTrusts(t *testing.T, processes []Changes) {
	for _, p := range processes {
		if p.Feed.Trusted() {
			t.Error("trusts before it runs")
		}
	}
	for i, stop := range start(t, processes...) {
		stop()
		if processes[i].Feed.Trusted() {
			t.Error("trusts after it has run")
		}
	}
}

func feedJoins(t *testing.T, processes []Changes) {
	last := processes[len(processes)-1]
	var listener heard
	last.Feed.Subscribe(listener.apply)
	start(t, processes[:len(processes)-1]...)
	mustAppend(t, processes[0], 3) // before: who remembers nothing need not hear
	start(t, last)
	seqs := mustAppend(t, processes[0], 3)
	mustSettle(t, processes[0], seqs[2])
	if got := listener.seqs(); !slices.Equal(got, seqs) {
		t.Errorf("heard %v, want %v", got, seqs)
	}
}
