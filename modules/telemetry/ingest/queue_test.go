package ingest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/ingest"
	"ampra/test/fake"
)

// slowJournal works off what it has in order, so many readings a second in shared
// batches, and takes whatever it is given.
type slowJournal struct {
	rate int

	mu     sync.Mutex
	queued []queued
	most   int
}

type queued struct {
	readings int
	done     telemetry.Done
}

func (j *slowJournal) Append(_ context.Context, e telemetry.Entry, done telemetry.Done) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queued = append(j.queued, queued{len(e.Readings), done})
	j.most = max(j.most, len(j.queued))
	return nil
}

func (j *slowJournal) run(ctx context.Context) {
	const beat = 10 * time.Millisecond
	left := 0
	for ctx.Err() == nil {
		hold(ctx, beat)
		left = min(left, 0) + j.rate*int(beat)/int(time.Second)
		var batch []queued
		j.mu.Lock()
		for len(j.queued) > 0 && left > 0 {
			left -= j.queued[0].readings
			batch = append(batch, j.queued[0])
			j.queued = j.queued[1:]
		}
		j.mu.Unlock()
		for _, q := range batch {
			q.done(nil, nil)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, q := range j.queued {
		q.done(fault.New(fault.Unavailable, "over"), nil)
	}
}

func hold(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wall is the clock of a synctest bubble.
func wall() clock.Clock { return clock.Func(time.Now) }

// scene is ingest without limits on a slow journal.
type scene struct {
	journal *slowJournal
	queue   *ingest.Queue
	service *ingest.Service
	running sync.WaitGroup
}

func newScene(rate int) *scene {
	s := &scene{journal: &slowJournal{rate: rate}, queue: ingest.NewQueue(ingest.QueueConfig{}, wall())}
	s.service = ingest.New(ingest.Deps{
		Sites: nil, Notes: nil,
		Journal: s.journal, DeadLetters: &fake.DeadLetters{}, Clock: wall(), Random: rand.Reader,
		Limits: ingest.NewLimits(ingest.LimitsConfig{}, wall()), Queue: s.queue, Owners: nil, Gather: nil,
	})
	return s
}

// flood sends as fast as it is let, and waits for no answer: as QoS 0 does.
func (s *scene) flood(ctx context.Context, user uuid.UUID, payload string) {
	d := ingest.Delivery{SourceID: uuid.New(), OwnerID: user, Payload: []byte(payload)}
	s.running.Go(func() {
		for ctx.Err() == nil {
			_ = s.service.Submit(ctx, d, func(ingest.Receipt, error) {})
		}
	})
}

// steady sends one reading every so often, each when the one before is durable,
// and returns how long each took once everything has ended.
func (s *scene) steady(ctx context.Context, user uuid.UUID, every time.Duration) *[]time.Duration {
	var took []time.Duration
	d := ingest.Delivery{SourceID: uuid.New(), OwnerID: user, Payload: []byte(`{"acPowerWatts": 1}`)}
	s.running.Go(func() {
		for ctx.Err() == nil {
			began := wall().Now()
			if _, err := s.service.Accept(ctx, d); err == nil {
				took = append(took, wall().Now().Sub(began))
			}
			hold(ctx, every)
		}
	})
	return &took
}

func p99(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)*99/100]
}

func TestWhoFloodsDelaysNobodyElseByMoreThanASecond(t *testing.T) {
	t.Parallel()
	const single = `{"acPowerWatts": 1}`
	hundred := `[` + single
	for i := range 99 {
		hundred += `,{"ts": ` + time.Date(2000, 1, 1, 0, 0, i, 0, time.UTC).Format(`"2006-01-02T15:04:05Z"`) + `, "acPowerWatts": 1}`
	}
	hundred += `]`
	for name, c := range map[string]struct {
		rate, sources int
		payload       string
		sameUser      bool
	}{
		"one source, a slow disk":   {rate: 500, sources: 1, payload: single},
		"one source with lists":     {rate: 2000, sources: 1, payload: hundred},
		"a user with 200 sources":   {rate: 2000, sources: 200, payload: single},
		"a source of the same user": {rate: 2000, sources: 1, payload: single, sameUser: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScene(c.rate)
				working, halt := context.WithCancel(t.Context())
				s.running.Go(func() { s.journal.run(working) })
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				flooder := uuid.New()
				for range c.sources {
					s.flood(ctx, flooder, c.payload)
				}
				hold(ctx, 5*time.Second) // until the queue has found its size
				var all []*[]time.Duration
				for range 20 {
					user := uuid.New()
					if c.sameUser {
						user = flooder
					}
					all = append(all, s.steady(ctx, user, 500*time.Millisecond))
				}
				<-ctx.Done()
				halt()
				s.running.Wait()
				var took []time.Duration
				for _, one := range all {
					took = append(took, *one...)
				}
				if len(took) < 20*15 {
					t.Fatalf("%d readings of others came through, want 300 at least", len(took))
				}
				if p := p99(took); p > time.Second {
					t.Errorf("others waited %s (p99), want a second at most", p)
				}
				t.Logf("p99 of others %s of %d, at most %d entries at the journal", p99(took), len(took), s.journal.most)
			})
		})
	}
}

func TestTheQueueUsesAllThatTheJournalCan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(5000)
		working, halt := context.WithCancel(t.Context())
		s.running.Go(func() { s.journal.run(working) })
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		stored := 0
		var mu sync.Mutex
		for range 100 {
			d := ingest.Delivery{SourceID: uuid.New(), OwnerID: uuid.New(), Payload: []byte(`{"acPowerWatts": 1}`)}
			s.running.Go(func() {
				for ctx.Err() == nil {
					_ = s.service.Submit(ctx, d, func(_ ingest.Receipt, err error) {
						mu.Lock()
						defer mu.Unlock()
						if err == nil && ctx.Err() == nil {
							stored++
						}
					})
				}
			})
		}
		<-ctx.Done()
		halt()
		s.running.Wait()
		if stored < 19_000 {
			t.Errorf("%d of 20,000 were stored", stored)
		}
	})
}

// enter goes in and fails the test if that does not happen at once.
func enter(t *testing.T, q *ingest.Queue, user, source uuid.UUID, readings int) {
	t.Helper()
	if err := q.Enter(t.Context(), user, source, readings, 100); err != nil {
		t.Fatal(err)
	}
}

func TestUsersTakeTurnsAndSourcesWithinThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := ingest.NewQueue(ingest.QueueConfig{Readings: 8, Least: 8}, wall())
		first, second := uuid.New(), uuid.New()
		blocker := uuid.New()
		enter(t, q, uuid.New(), blocker, 8)
		var mu sync.Mutex
		var order []string
		stand := func(name string, user, source uuid.UUID, times int) {
			for range times {
				go func() {
					if err := q.Enter(t.Context(), user, source, 1, 100); err != nil {
						t.Error(err)
					}
					mu.Lock()
					order = append(order, name)
					mu.Unlock()
				}()
				synctest.Wait()
			}
		}
		loud, quiet, other := uuid.New(), uuid.New(), uuid.New()
		stand("loud", first, loud, 3)
		stand("quiet", first, quiet, 1)
		stand("other", second, other, 2)
		free := func(source uuid.UUID, n int) {
			q.Leave(uuid.New(), source, n, 100, 0, false)
			synctest.Wait()
		}
		if _, waiting, _ := q.Depth(); waiting != 6 {
			t.Fatalf("%d wait, want 6", waiting)
		}
		free(blocker, 8)
		// One of each source: a share is one reading here.
		got := slices.Clone(order)
		slices.Sort(got)
		if want := []string{"loud", "other", "quiet"}; !slices.Equal(got, want) {
			t.Errorf("let in %v, want %v", got, want)
		}
		for range 2 {
			q.Leave(first, loud, 1, 100, 0, false)
			synctest.Wait()
		}
		if _, waiting, _ := q.Depth(); waiting != 1 {
			t.Errorf("%d wait, want the other user's second one", waiting)
		}
		q.Leave(second, other, 1, 100, 0, false)
		synctest.Wait()
		if away, waiting, _ := q.Depth(); away != 3 || waiting != 0 {
			t.Errorf("%d are away and %d wait, want 3 and none", away, waiting)
		}
	})
}

func TestWhoLeavesTheLineHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := ingest.NewQueue(ingest.QueueConfig{Readings: 8, Least: 8, Patience: time.Minute}, wall())
		blocker := uuid.New()
		enter(t, q, uuid.New(), blocker, 1)
		failed := make(chan error, 2)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { failed <- q.Enter(ctx, uuid.New(), uuid.New(), 100, 100) }() // fits only when nothing is there
		synctest.Wait()
		passed := make(chan error, 1)
		go func() { passed <- q.Enter(t.Context(), uuid.New(), uuid.New(), 1, 100) }()
		synctest.Wait()
		select {
		case err := <-passed:
			t.Fatalf("a later one went before: %v", err)
		default:
		}
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) || !fault.Is(err, fault.Unavailable) {
			t.Errorf("got %v", err)
		}
		if err := <-passed; err != nil {
			t.Error(err)
		}
		go func() { failed <- q.Enter(t.Context(), uuid.New(), uuid.New(), 100, 100) }()
		if err := <-failed; !fault.Is(err, fault.Unavailable) { // after a minute of the bubble's
			t.Errorf("got %v, want Unavailable", err)
		}
		if away, waiting, _ := q.Depth(); away != 2 || waiting != 0 {
			t.Errorf("%d away and %d waiting, want 2 and none", away, waiting)
		}
	})
}

func TestWhatWaitsIsBoundedByBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := ingest.NewQueue(ingest.QueueConfig{Readings: 1, Least: 1, WaitingBytes: 3000}, wall())
		ctx, cancel := context.WithCancel(t.Context())
		enter(t, q, uuid.New(), uuid.New(), 1)
		var waiting sync.WaitGroup
		for range 3 {
			waiting.Go(func() { _ = q.Enter(ctx, uuid.New(), uuid.New(), 1, 500) })
		}
		synctest.Wait()
		if err := q.Enter(ctx, uuid.New(), uuid.New(), 1, 500); !fault.Is(err, fault.Unavailable) {
			t.Errorf("got %v, want Unavailable at once", err)
		}
		cancel()
		waiting.Wait()
	})
}
