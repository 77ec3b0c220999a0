package mongodb

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"ampra/core/telemetry"
	"ampra/test/stack"
)

// Writers, movers that are killed and fall asleep, and queries, all at once.
func TestEachReadingIsFoundExactlyOnceWhileReadingsMove(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	sources := make([]uuid.UUID, 40)
	written := make([]atomic.Int64, len(sources))
	for i := range sources {
		sources[i] = uuid.New()
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var movers, queries sync.WaitGroup
	var moves, kills atomic.Int64
	for range 3 {
		a := opened(t, url, name, func(cfg *Config) { cfg.BatchSize = 300 })
		a.mover.lease = 30 * time.Millisecond
		a.mover.between = func(step string) error {
			switch n := rand.IntN(100); { //nolint:gosec // chance, no secret
			case n < 4:
				kills.Add(1)
				return errKilled
			case n < 7:
				kills.Add(1)
				rest(ctx, 60*time.Millisecond) // longer than the lease
			case step == "dropped":
				moves.Add(1)
			}
			return ctx.Err()
		}
		movers.Go(func() {
			if err := a.Run(ctx); err != nil {
				t.Errorf("a mover ended with %v", err)
			}
		})
	}
	for range 2 {
		a := opened(t, url, name, nil)
		queries.Go(func() {
			for ctx.Err() == nil {
				s := rand.IntN(len(sources))                                    //nolint:gosec // chance, no secret
				order, limit := telemetry.Order(rand.IntN(2)), 1+rand.IntN(400) //nolint:gosec // as above
				before := int(written[s].Load())
				found, err := numbers(ctx, a, sources[s], order, limit)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Errorf("a query failed: %v", err)
					return
				}
				if order == telemetry.OldestFirst {
					for i, number := range found {
						if number != i {
							t.Errorf("the reading %d from the oldest on is number %d", i, number)
							return
						}
					}
				} else {
					for i := range found {
						if found[i] != found[0]-i || found[0] < before-1 {
							t.Errorf("newest first, %d of %d and more readings: %v", limit, before, found)
							return
						}
					}
				}
				if len(found) < min(limit, before) {
					t.Errorf("%d of at least %d readings are found", len(found), min(limit, before))
					return
				}
			}
		})
	}
	a := opened(t, url, name, nil)
	for turn := range 60 {
		var batch, replay []telemetry.Placed
		for s := range sources {
			batch = append(batch, numbered(sources[s], turn*5, 5)...)
			replay = append(replay, numbered(sources[s], turn*5, 3)...)
		}
		put(t, a, batch...)
		for s := range written {
			written[s].Store(int64(turn*5 + 5))
		}
		if turn%4 == 0 {
			put(t, a, replay...)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); moves.Load() < 5 && time.Now().Before(deadline) && !t.Failed(); {
		rest(ctx, 10*time.Millisecond)
	}
	stop()
	movers.Wait()
	queries.Wait()
	for _, source := range sources {
		wantNumbers(t, a, source, 300)
	}
	if moves.Load() < 3 || kills.Load() == 0 {
		t.Errorf("%d moves ended and %d were disturbed: nothing was tried", moves.Load(), kills.Load())
	}
}

// Whatever part of a source is in which collection, a query gives what it would
// from one.
func TestAQueryOverAllThreeCollectionsIsAsOverOne(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	a := opened(t, url, name, func(cfg *Config) { cfg.BatchSize = 1000 })
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	source := uuid.New()
	all := numbered(source, 0, 600)
	for i := range all { // over some slots, with gaps, several of one moment
		at := all[0].Timestamp.Add(time.Duration(random.IntN(300)) * 17 * time.Second)
		if i > 0 {
			all[i].Timestamp, all[i].ReceivedAt = at, at
		}
		all[i].Values.Set(telemetry.Field(random.IntN(telemetry.NumFields)), float64(i))
	}
	put(t, a, all[:200]...)
	moved(t, a)
	put(t, a, all[200:400]...)
	dead(a, "read", 1)
	if err := a.mover.move(t.Context(), a.db.Load()); !errors.Is(err, errKilled) {
		t.Fatalf("the move ended with %v", err)
	}
	put(t, a, all[400:]...)
	if count(t, a, hotCollection) == 0 || count(t, a, movingCollection) == 0 || count(t, a, collection) == 0 {
		t.Fatal("the readings are not in all three")
	}
	want := map[int64]telemetry.Reading{}
	for _, p := range all {
		ms := p.Timestamp.UnixMilli()
		if one, ok := want[ms]; ok {
			one.Merge(p.Reading)
			want[ms] = one
		} else {
			want[ms] = p.Reading
		}
	}
	for range 300 {
		query := telemetry.Span{SourceID: source, Order: telemetry.Order(random.IntN(2)), Limit: 1 + random.IntN(50)}
		if random.IntN(2) == 0 {
			query.From = all[0].Timestamp.Add(time.Duration(random.IntN(4000)) * time.Second)
		}
		if random.IntN(2) == 0 {
			query.To = all[0].Timestamp.Add(time.Duration(random.IntN(6000)) * time.Second)
		}
		found, err := a.History(t.Context(), query)
		if err != nil {
			t.Fatalf("reading history: %v", err)
		}
		var times []int64
		for ms := range want {
			at := time.UnixMilli(ms)
			if (query.From.IsZero() || !at.Before(query.From)) && (query.To.IsZero() || at.Before(query.To)) {
				times = append(times, ms)
			}
		}
		slices.Sort(times)
		if query.Order == telemetry.NewestFirst {
			slices.Reverse(times)
		}
		times = times[:min(len(times), query.Limit)]
		if len(found) != len(times) {
			t.Fatalf("%+v finds %d readings, want %d", query, len(found), len(times))
		}
		for i, r := range found {
			if r.Timestamp.UnixMilli() != times[i] || r.Values != want[times[i]].Values {
				t.Fatalf("%+v: reading %d is %+v, want %+v", query, i, r, want[times[i]])
			}
		}
	}
}

func TestAReplayAddsNothing(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	a := opened(t, url, name, func(cfg *Config) { cfg.BatchSize = 5000 })
	source := uuid.New()
	batch := numbered(source, 0, 5000)
	put(t, a, batch...)
	began := time.Now()
	put(t, a, batch...)
	put(t, a, numbered(source, 2000, 5000)...) // the half is known
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("replays took %s", took)
	}
	if hot, series := count(t, a, hotCollection), count(t, a, collection); hot != 7000 || series != 0 {
		t.Errorf("hot has %d rows and the series %d, want 7000 and none", hot, series)
	}
	wantNumbers(t, a, source, 7000)
}

func TestReadingsOfAnInstallationWithoutMovesAreFound(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	a := opened(t, url, name, nil)
	source := uuid.New()
	var rows []any
	for _, r := range numbered(source, 0, 100) {
		rows = append(rows, bson.Raw(appendRow(nil, &r)))
	}
	db := a.db.Load()
	if _, err := db.Collection(collection).InsertMany(t.Context(), rows); err != nil {
		t.Fatalf("inserting: %v", err)
	}
	for _, name := range []string{stateCollection, erasedCollection} {
		if err := db.Collection(name).Drop(t.Context()); err != nil {
			t.Fatalf("dropping: %v", err)
		}
	}
	again := opened(t, url, name, nil)
	put(t, again, numbered(source, 50, 100)...)
	wantNumbers(t, again, source, 150)
	moved(t, again)
	wantNumbers(t, again, source, 150)
}

func TestAMoveBeginsWhenItIsTime(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	a := opened(t, url, name, func(cfg *Config) { cfg.MoveEvery, cfg.MoveRows = time.Hour, 50 })
	tick := func(wantWaiting int64) {
		t.Helper()
		a.mover.tick(t.Context())
		waiting, err := a.Waiting(t.Context())
		if err != nil || waiting != wantWaiting {
			t.Errorf("%d readings wait, want %d: %v", waiting, wantWaiting, err)
		}
	}
	source := uuid.New()
	tick(0)
	put(t, a, numbered(source, 0, 30)...)
	tick(30)
	if s := a.Stats(); s.Waiting != 30 || s.SinceMove < 0 || s.SinceMove > time.Minute {
		t.Errorf("the stats are %+v", s)
	}
	put(t, a, numbered(source, 30, 30)...)
	tick(0) // more than 50
	put(t, a, numbered(source, 60, 10)...)
	tick(10)
	if err := a.MoveSoon(t.Context()); err != nil {
		t.Fatalf("asking for a move: %v", err)
	}
	tick(0)
	put(t, a, numbered(source, 70, 10)...)
	tick(10) // asked once
	a.mover.every = time.Nanosecond
	tick(0)
	wantNumbers(t, a, source, 80)
}

func TestTwoMoversDoNotMoveAtATime(t *testing.T) {
	t.Parallel()
	url, name := stack.Mongo(t)
	one, two := opened(t, url, name, nil), opened(t, url, name, nil)
	put(t, one, numbered(uuid.New(), 0, 10)...)
	one.mover.between = func(step string) error {
		if step == "read" {
			if err := two.mover.move(t.Context(), two.db.Load()); !errors.Is(err, errLost) {
				t.Errorf("the other moves too: %v", err)
			}
		}
		return nil
	}
	moved(t, one)
	put(t, one, numbered(uuid.New(), 0, 10)...)
	moved(t, two) // the lease is free
}

// An erasing whose hot collection is renamed under it still meets every reading.
func TestDespiteMovesActsAgainOnlyForMoves(t *testing.T) {
	t.Parallel()
	for code, want := range map[int32]int{codeQueryPlanKilled: 3, codeCursorNotFound: 3, 13: 1} {
		n := 0
		err := despiteMoves(t.Context(), func() error {
			if n++; n < 3 {
				return translate(mongo.CommandError{Code: code})
			}
			return nil
		})
		if n != want || (err == nil) != (want == 3) {
			t.Errorf("code %d: acted %d times, %v", code, n, err)
		}
	}
}
