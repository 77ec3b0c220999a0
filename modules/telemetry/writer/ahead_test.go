package writer_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/writer"
	"ampra/test/fake"
)

// paced is a log with batches of given sizes, which notes how long each Fetch was
// to wait for more.
type paced struct {
	mu      sync.Mutex
	sizes   []int
	lingers []time.Duration
}

func (p *paced) Fetch(ctx context.Context, _ int, linger time.Duration) (telemetry.Batch, error) {
	p.mu.Lock()
	p.lingers = append(p.lingers, linger)
	n := -1
	if len(p.sizes) > 0 {
		n, p.sizes = p.sizes[0], p.sizes[1:]
	}
	p.mu.Unlock()
	if n < 0 {
		<-ctx.Done()
		return telemetry.Batch{}, ctx.Err()
	}
	batch := telemetry.Batch{Commit: func(context.Context) error { return nil }}
	source := uuid.New()
	for i := range n {
		r := telemetry.Reading{SourceID: source, Timestamp: time.UnixMilli(int64(i)).UTC()}
		r.Values.Set(telemetry.ACPowerWatts, 1)
		batch.Readings = append(batch.Readings, telemetry.Placed{Reading: r, Position: telemetry.Position{Offset: int64(i)}})
	}
	return batch, nil
}

func TestTheWriterGathersLongerWhileManyReadingsCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var archive fake.Archive
		log := &paced{sizes: []int{1, 100, 8, 7, 1}}
		w := writer.New(writer.Config{Batch: 1000, Linger: time.Second, Window: time.Minute, RetryMin: 1, RetryMax: 1}, writer.Deps{
			Log: log, Store: writer.NewStore(&archive, &sources{}, &feed{}), DeadLetters: &fake.DeadLetters{},
			Clock: clock.Func(time.Now), Failed: func(err error) { t.Error(err) },
		})
		stop := run(t, w.Run)
		synctest.Wait()
		want := []time.Duration{time.Second, time.Second, time.Minute, time.Minute, time.Second, time.Second}
		log.mu.Lock()
		defer log.mu.Unlock()
		if !slices.Equal(log.lingers, want) {
			t.Errorf("it waited for more for %v, want %v", log.lingers, want)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheNextBatchIsReadWhileOneIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var archive fake.Archive
		release := archive.Block()
		log := &paced{sizes: []int{1, 1, 1, 1}}
		w := writer.New(writer.Config{Batch: 1000, RetryMin: 1, RetryMax: 1}, writer.Deps{
			Log: log, Store: writer.NewStore(&archive, &sources{}, &feed{}), DeadLetters: &fake.DeadLetters{},
			Clock: clock.Func(time.Now), Failed: func(err error) { t.Error(err) },
		})
		stop := run(t, w.Run)
		synctest.Wait()
		log.mu.Lock()
		left := len(log.sizes)
		log.mu.Unlock()
		if left != 2 {
			t.Errorf("with one batch under way %d of 4 were not read, want 2: one in hand, no more", left)
		}
		release()
		synctest.Wait()
		if archive.Calls() != 4 {
			t.Errorf("%d batches were stored", archive.Calls())
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
