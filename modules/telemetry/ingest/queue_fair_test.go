package ingest_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/modules/telemetry/ingest"
)

// While it can't be told whose sources are, they must not share the turns of one
// user.
func TestASourceOfAnUnknownUserStandsForItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := ingest.NewQueue(ingest.QueueConfig{Readings: 1, Least: 1}, wall())
		enter(t, q, uuid.New(), uuid.New(), 1)
		var mu sync.Mutex
		var order []string
		user, flooding := uuid.New(), uuid.New()
		stand := func(name string, user, source uuid.UUID, times int) {
			for range times {
				go func() {
					if err := q.Enter(t.Context(), user, source, 1, 100); err != nil {
						t.Error(err)
					}
					mu.Lock()
					order = append(order, name)
					mu.Unlock()
					q.Leave(user, source, 1, 100, 0, false)
				}()
				synctest.Wait()
			}
		}
		stand("flooding", user, flooding, 20)
		for range 8 {
			stand("quiet", uuid.Nil, uuid.New(), 1)
		}
		q.Leave(uuid.New(), uuid.New(), 1, 100, 0, false)
		synctest.Wait()
		if len(order) != 28 || slices.Contains(order[10:], "quiet") {
			t.Errorf("%d were let in, as %v", len(order), order)
		}
		if away, waiting, _ := q.Depth(); away != 0 || waiting != 0 {
			t.Errorf("%d are away and %d wait", away, waiting)
		}
	})
}

func TestNoUserTakesAllTheRoomToWait(t *testing.T) {
	t.Parallel()
	for name, whose := range map[string]func() (user, source uuid.UUID){
		"a user":            func() (user, source uuid.UUID) { return uuid.New(), uuid.New() },
		"an unknown user's": func() (user, source uuid.UUID) { return uuid.Nil, uuid.New() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := ingest.NewQueue(ingest.QueueConfig{Readings: 1, Least: 1, WaitingBytes: 9000}, wall())
				enter(t, q, uuid.New(), uuid.New(), 1)
				ctx, cancel := context.WithCancel(t.Context())
				var waiting sync.WaitGroup
				stand := func(user, source uuid.UUID) error {
					failed := make(chan error, 1)
					waiting.Go(func() {
						if err := q.Enter(ctx, user, source, 1, 500); err != nil {
							failed <- err
						}
					})
					synctest.Wait()
					select {
					case err := <-failed:
						return err
					default:
						return nil
					}
				}
				user, source := whose()
				var refused []bool
				for range 7 {
					refused = append(refused, fault.Is(stand(user, source), fault.Unavailable))
				}
				if want := []bool{false, false, false, false, false, true, true}; !slices.Equal(refused, want) {
					t.Errorf("one who floods is refused %v, want %v", refused, want)
				}
				if err := stand(whose()); err != nil {
					t.Errorf("the next one is refused: %v", err)
				}
				cancel()
				waiting.Wait()
			})
		})
	}
}
