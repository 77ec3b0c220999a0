package mongodb

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/test/stack"
)

// opened is an archive on a database, as one process has it.
func opened(t *testing.T, url, name string, configure func(*Config)) *Archive {
	t.Helper()
	cfg := Config{URL: credential.NewSecret(url), Database: name, MoveEvery: 10 * time.Millisecond, BatchSize: 100}
	if configure != nil {
		configure(&cfg)
	}
	a, err := New(cfg, Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("making an archive: %v", err)
	}
	if err := a.Setup(t.Context()); err != nil {
		t.Fatalf("setting up: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		if err := a.Close(ctx); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return a
}

// numbered are readings of a source, a second apart, with their number as power.
func numbered(source uuid.UUID, from, n int) []telemetry.Placed {
	begin := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	all := make([]telemetry.Placed, n)
	for i := range all {
		at := begin.Add(time.Duration(from+i) * time.Second)
		all[i] = telemetry.Placed{
			Reading:  telemetry.Reading{SourceID: source, Timestamp: at, ReceivedAt: at},
			Position: telemetry.Position{Offset: int64(from + i)},
		}
		all[i].Values.Set(telemetry.SolarPowerWatts, float64(from+i))
	}
	return all
}

func put(t *testing.T, a *Archive, readings ...telemetry.Placed) {
	t.Helper()
	if errs := a.Write(t.Context(), readings); errs != nil {
		t.Fatalf("writing: %v", errs)
	}
}

// numbers are the numbers of a source's readings, as a query gives them.
func numbers(ctx context.Context, a *Archive, source uuid.UUID, order telemetry.Order, limit int) ([]int, error) {
	found, err := a.History(ctx, telemetry.Span{SourceID: source, Order: order, Limit: limit})
	all := make([]int, len(found))
	for i, r := range found {
		watts, _ := r.Values.Get(telemetry.SolarPowerWatts)
		all[i] = int(watts)
	}
	return all, err
}

// wantNumbers checks that a source has exactly its first n readings.
func wantNumbers(t *testing.T, a *Archive, source uuid.UUID, n int) {
	t.Helper()
	found, err := numbers(t.Context(), a, source, telemetry.OldestFirst, 100_000)
	if err != nil {
		t.Fatalf("reading history: %v", err)
	}
	if len(found) != n {
		t.Errorf("%d readings are found, want %d", len(found), n)
	}
	for i, number := range found {
		if number != i {
			t.Fatalf("reading %d is number %d", i, number)
		}
	}
}

func count(t *testing.T, a *Archive, name string) int {
	t.Helper()
	n, err := a.db.Load().Collection(name).CountDocuments(t.Context(), bson.D{})
	if err != nil {
		t.Fatalf("counting %s: %v", name, err)
	}
	return int(n)
}

func moved(t *testing.T, a *Archive) {
	t.Helper()
	if err := a.mover.move(t.Context(), a.db.Load()); err != nil {
		t.Fatalf("moving: %v", err)
	}
}

// rest waits as long as a process stands still.
func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

var errKilled = errors.New("killed")

// steps are all between which a mover can be killed.
func steps() []string {
	return []string{"leased", "renamed", "read", "inserted", "emptied", "dropped"}
}

// dead makes an archive's mover one that dies at a step, the nth time, and leaves
// its lease as a process that was killed does.
func dead(a *Archive, at string, nth int) {
	a.mover.lease = 50 * time.Millisecond
	a.mover.between = func(step string) error {
		if step == at {
			if nth--; nth == 0 {
				return errKilled
			}
		}
		return nil
	}
}

func TestWhatAKilledMoverLeavesTheNextOneMoves(t *testing.T) {
	t.Parallel()
	for _, step := range steps() {
		for _, nth := range []int{1, 3} {
			t.Run(step, func(t *testing.T) {
				t.Parallel()
				url, name := stack.Mongo(t)
				first, second := opened(t, url, name, nil), opened(t, url, name, nil)
				source, other := uuid.New(), uuid.New()
				put(t, first, append(numbered(source, 0, 400), numbered(other, 0, 50)...)...)
				dead(first, step, nth)
				err := first.mover.move(t.Context(), first.db.Load())
				if nth == 1 && !errors.Is(err, errKilled) {
					t.Fatalf("it was not killed: %v", err)
				}
				wantNumbers(t, second, source, 400)
				put(t, second, numbered(source, 400, 100)...)
				wantNumbers(t, second, source, 500)
				for count(t, second, hotCollection)+count(t, second, movingCollection) > 0 {
					if err := second.mover.move(t.Context(), second.db.Load()); err != nil && !errors.Is(err, errLost) {
						t.Fatalf("moving: %v", err)
					}
				}
				wantNumbers(t, second, source, 500)
				wantNumbers(t, second, other, 50)
				// At most the batch in hand came twice.
				if n := count(t, second, collection); n < 550 || n > 650 {
					t.Errorf("the series has %d rows of 550 readings", n)
				}
			})
		}
	}
}

// A process may stand still for so long that its lease is over, and go on as if
// nothing had been.
func TestAMoverThatWakesUpLateDoesNoHarm(t *testing.T) {
	t.Parallel()
	for _, step := range steps() {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			url, name := stack.Mongo(t)
			zombie, live := opened(t, url, name, nil), opened(t, url, name, nil)
			source, erased := uuid.New(), uuid.New()
			put(t, live, append(numbered(source, 0, 300), numbered(erased, 0, 150)...)...)
			asleep, wake := make(chan struct{}), make(chan struct{})
			var once sync.Once
			zombie.mover.lease = time.Millisecond
			zombie.mover.between = func(at string) error {
				if at == step {
					once.Do(func() {
						close(asleep)
						select {
						case <-wake:
						case <-t.Context().Done():
						}
					})
				}
				return nil
			}
			ended := make(chan error, 1)
			go func() { ended <- zombie.mover.move(t.Context(), zombie.db.Load()) }()
			select {
			case <-asleep:
			case err := <-ended:
				t.Fatalf("it ended before it fell asleep: %v", err)
			}
			for count(t, live, movingCollection)+count(t, live, hotCollection) > 0 {
				if err := live.mover.move(t.Context(), live.db.Load()); err != nil && !errors.Is(err, errLost) {
					t.Fatalf("moving: %v", err)
				}
			}
			put(t, live, numbered(source, 300, 100)...)
			if err := live.Erase(t.Context(), erased); err != nil {
				t.Fatalf("erasing: %v", err)
			}
			// The next move has begun, with a collection of the same name.
			dead(live, "read", 1)
			if err := live.mover.move(t.Context(), live.db.Load()); !errors.Is(err, errKilled) {
				t.Fatalf("the next move ended with %v", err)
			}
			put(t, live, numbered(source, 400, 100)...)
			close(wake)
			if err := <-ended; err != nil && !errors.Is(err, errLost) {
				t.Errorf("the late one ended with %v", err)
			}
			wantNumbers(t, live, source, 500)
			wantNumbers(t, live, erased, 0)
			live.mover.between = func(string) error { return nil }
			for count(t, live, movingCollection)+count(t, live, hotCollection) > 0 {
				if err := live.mover.move(t.Context(), live.db.Load()); err != nil && !errors.Is(err, errLost) {
					t.Fatalf("moving: %v", err)
				}
			}
			wantNumbers(t, live, source, 500)
			wantNumbers(t, live, erased, 0)
		})
	}
}

// A mover that has readings of a source in its hands while it is erased, and is
// killed after it has written them, must not bring them back for ever.
func TestAnErasedSourceDoesNotComeBackWithAMove(t *testing.T) {
	t.Parallel()
	for _, step := range steps() {
		for name, killed := range map[string]bool{"goes on": false, "is killed": true} {
			t.Run(step+" and "+name, func(t *testing.T) {
				t.Parallel()
				url, name := stack.Mongo(t)
				a := opened(t, url, name, nil)
				gone, stays := uuid.New(), uuid.New()
				put(t, a, append(numbered(gone, 0, 250), numbered(stays, 0, 250)...)...)
				reached := false
				a.mover.between = func(at string) error {
					if at != step || reached {
						return nil
					}
					reached = true
					if err := a.Erase(t.Context(), gone); err != nil {
						t.Errorf("erasing: %v", err)
					}
					if killed && at == "read" { // it was on its way to the server already
						a.mover.between = func(at string) error {
							if at == "inserted" {
								return errKilled
							}
							return nil
						}
						return nil
					}
					if killed {
						return errKilled
					}
					return nil
				}
				if err := a.mover.move(t.Context(), a.db.Load()); killed != errors.Is(err, errKilled) {
					t.Fatalf("the move ended with %v", err)
				}
				a.mover.between = func(string) error { return nil }
				moved(t, a)
				wantNumbers(t, a, gone, 0)
				wantNumbers(t, a, stays, 250)
				if _, err := a.Latest(t.Context(), gone); !fault.Is(err, fault.NotFound) {
					t.Errorf("the latest is %v", err)
				}
			})
		}
	}
}
