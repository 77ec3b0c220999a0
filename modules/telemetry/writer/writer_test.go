package writer_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ampra/core/change"
	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/writer"
	"ampra/test/contract"
	"ampra/test/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sources are those that have been deleted.
type sources struct {
	mu      sync.Mutex
	deleted map[uuid.UUID]bool
	away    error
}

func (s *sources) Alive(_ context.Context, all []uuid.UUID) ([]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	alive := make([]bool, len(all))
	for i, source := range all {
		alive[i] = !s.deleted[source]
	}
	return alive, s.away
}

func (s *sources) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// feed calls its listeners when it is told to.
type feed struct {
	listeners []func(context.Context, change.Change)
}

func (f *feed) Settle(context.Context, int64) error { return nil }
func (f *feed) Trusted() bool                       { return true }
func (f *feed) Subscribe(apply func(context.Context, change.Change)) {
	f.listeners = append(f.listeners, apply)
}

func (f *feed) tell(ctx context.Context, c change.Change) {
	for _, listener := range f.listeners {
		listener(ctx, c)
	}
}

func newDirect(archive telemetry.Archive) *writer.Direct {
	store := writer.NewStore(archive, &sources{}, &feed{})
	return writer.NewDirect(writer.DirectConfig{Queue: 64, Batch: 500, FlushTime: 5 * time.Second}, store)
}

func TestTheDirectPathKeepsTheJournalsContract(t *testing.T) {
	contract.Journal(t, func(_ *testing.T, archive telemetry.Archive) contract.JournalRig {
		direct := newDirect(archive)
		return contract.JournalRig{Journal: direct, Run: direct.Run}
	})
}

func entry(source uuid.UUID, seconds ...int) telemetry.Entry {
	e := telemetry.Entry{SourceID: source}
	for _, s := range seconds {
		at := time.Date(2026, 6, 14, 12, 0, s, 0, time.UTC)
		r := telemetry.Reading{SourceID: source, Timestamp: at, ReceivedAt: at}
		r.Values.Set(telemetry.ACPowerWatts, float64(s))
		e.Readings = append(e.Readings, r)
	}
	return e
}

// run runs something until the returned stop, which gives its error.
func run(t *testing.T, act func(context.Context) error) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- act(ctx) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			err = <-ended
		})
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func found(t *testing.T, archive telemetry.Archive, source uuid.UUID) int {
	t.Helper()
	readings, err := archive.History(t.Context(), telemetry.Span{SourceID: source, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return len(readings)
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("it did not happen: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestEntriesThatGatherDuringACommitShareTheNextOne(t *testing.T) {
	var archive fake.Archive
	release := archive.Block()
	direct := newDirect(&archive)
	stop := run(t, direct.Run)
	source := uuid.New()
	var answered sync.WaitGroup
	for i := range 40 {
		answered.Add(1)
		if err := direct.Append(t.Context(), entry(source, i), func(err error, _ []error) {
			if err != nil {
				t.Errorf("entry %d: %v", i, err)
			}
			answered.Done()
		}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			eventually(t, "the first commit begins", func() bool { return archive.Calls() == 1 })
		}
	}
	release()
	answered.Wait()
	if n := archive.Calls(); n != 2 {
		t.Errorf("40 entries took %d commits, expected 2", n)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAFullQueueMakesTheSenderWaitUntilItsContextEnds(t *testing.T) {
	var archive fake.Archive
	defer archive.Block()()
	store := writer.NewStore(&archive, &sources{}, &feed{})
	direct := writer.NewDirect(writer.DirectConfig{Queue: 1, Batch: 1, FlushTime: 50 * time.Millisecond}, store)
	run(t, direct.Run)
	source := uuid.New()
	var err error
	for i := range 3 { // one is being written, one waits, one has no room
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err = direct.Append(ctx, entry(source, i), func(error, []error) {})
		cancel()
		if i == 0 {
			eventually(t, "the first commit begins", func() bool { return archive.Calls() == 1 })
		}
	}
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v, expected Unavailable", err)
	}
}

func TestReadingsOfADeletedSourceAreDroppedAndItsNeighboursKept(t *testing.T) {
	var archive fake.Archive
	gone, kept := uuid.New(), uuid.New()
	store := writer.NewStore(&archive, &sources{deleted: map[uuid.UUID]bool{gone: true}}, &feed{})
	direct := writer.NewDirect(writer.DirectConfig{Queue: 8, Batch: 8, FlushTime: time.Second}, store)
	stop := run(t, direct.Run)
	for _, source := range []uuid.UUID{gone, kept} {
		if err := direct.Append(t.Context(), entry(source, 1), func(err error, _ []error) {
			if err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if n := found(t, &archive, gone); n != 0 {
		t.Errorf("the deleted source has %d readings", n)
	}
	if n := found(t, &archive, kept); n != 1 {
		t.Errorf("its neighbour has %d readings, expected 1", n)
	}
}

func TestADeletionWaitsForTheWriteThatBeganBeforeIt(t *testing.T) {
	var archive fake.Archive
	release := archive.Block()
	source := uuid.New()
	known := &sources{deleted: map[uuid.UUID]bool{}}
	var changes feed
	store := writer.NewStore(&archive, known, &changes)
	direct := writer.NewDirect(writer.DirectConfig{Queue: 8, Batch: 8, FlushTime: time.Second}, store)
	run(t, direct.Run)
	if err := direct.Append(t.Context(), entry(source, 1), func(error, []error) {}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the write begins", func() bool { return archive.Calls() == 1 })

	known.set(func() { known.deleted[source] = true })
	applied := make(chan struct{})
	go func() {
		changes.tell(t.Context(), change.Change{Kind: change.SourceDeleted, SourceID: source})
		close(applied)
	}()
	select {
	case <-applied:
		t.Error("the deletion went on while the write was under way")
	case <-time.After(30 * time.Millisecond):
	}
	release()
	<-applied
	if n := found(t, &archive, source); n != 1 { // written before the deletion, which erases it next
		t.Errorf("found %d readings, expected 1", n)
	}
}

func TestWhetherASourceLivesMustBeKnownBeforeItsReadingsAreStored(t *testing.T) {
	var archive fake.Archive
	known := &sources{away: errors.New("the records are away")}
	store := writer.NewStore(&archive, known, &feed{})
	direct := writer.NewDirect(writer.DirectConfig{Queue: 8, Batch: 8, FlushTime: time.Second}, store)
	run(t, direct.Run)
	answer := make(chan error, 1)
	if err := direct.Append(t.Context(), entry(uuid.New(), 1), func(err error, _ []error) { answer <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v, expected Unavailable", err)
	}
	if archive.Calls() != 0 {
		t.Error("something was written")
	}
}

// rig is a writer between a fake journal and a fake archive.
type rig struct {
	journal *fake.Journal
	archive fake.Archive
	letters fake.DeadLetters
	log     *fake.Log
	writer  *writer.Writer

	mu     sync.Mutex
	failed []error
}

func newRig() *rig { return (&rig{journal: fake.NewJournal(2)}).open() }

// open gives the rig a writer that begins where the one before had committed.
func (r *rig) open() *rig {
	r.log = r.journal.OpenLog()
	r.writer = writer.New(
		writer.Config{Batch: 10, Linger: time.Millisecond, RetryMin: time.Millisecond, RetryMax: 4 * time.Millisecond},
		writer.Deps{
			Log: r.log, Store: writer.NewStore(&r.archive, &sources{}, &feed{}), DeadLetters: &r.letters,
			Clock: clock.Func(time.Now),
			Failed: func(err error) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.failed = append(r.failed, err)
			},
		})
	return r
}

func (r *rig) append(t *testing.T, e telemetry.Entry) {
	t.Helper()
	done := make(chan error, 1)
	if err := r.journal.Append(t.Context(), e, func(err error, _ []error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// committed reports whether a log that opens now has nothing to read.
func (r *rig) committed(t *testing.T) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := r.journal.OpenLog().Fetch(ctx, 1, 0)
	return err != nil
}

func TestTheWriterCommitsOnlyWhatIsStored(t *testing.T) {
	r := newRig()
	passing := fault.New(fault.Unavailable, "away")
	r.archive.FailNext(3, passing)
	source := uuid.New()
	r.append(t, entry(source, 1, 2, 3))
	release := r.archive.Block()
	stop := run(t, r.writer.Run)
	eventually(t, "an attempt", func() bool { return r.archive.Calls() > 0 })
	if r.committed(t) {
		t.Error("it is committed before it is stored")
	}
	release()
	eventually(t, "it is stored", func() bool { return found(t, &r.archive, source) == 3 })
	eventually(t, "it is committed", func() bool { return r.committed(t) })
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAReadingThatCanNeverBeStoredIsBuriedAndItsNeighboursGoOn(t *testing.T) {
	r := newRig()
	source := uuid.New()
	r.archive.Refuse(func(reading telemetry.Reading) error {
		if reading.Timestamp.Second() == 2 {
			return errors.New("too odd")
		}
		return nil
	})
	r.letters.FailNext(2, fault.New(fault.Unavailable, "away")) // burying is repeated, too
	r.append(t, entry(source, 1, 2, 3))
	run(t, r.writer.Run)
	eventually(t, "it is committed", func() bool { return r.committed(t) })
	if n := found(t, &r.archive, source); n != 2 {
		t.Errorf("%d readings are stored, expected 2", n)
	}
	letters, err := r.letters.List(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	if len(letters) != 1 || letters[0].Reason != "too odd" {
		t.Errorf("dead letters are %+v, expected one for the second reading", letters)
	}
}

func TestACommitThatFailsStopsNothing(t *testing.T) {
	r := newRig()
	r.log.CommitFaults.FailNext(1, errors.New("rebalancing"))
	source := uuid.New()
	run(t, r.writer.Run)
	r.append(t, entry(source, 1))
	eventually(t, "the first is stored", func() bool { return found(t, &r.archive, source) == 1 })
	r.append(t, entry(source, 2))
	eventually(t, "the second is stored and both are committed", func() bool {
		return found(t, &r.archive, source) == 2 && r.committed(t)
	})
}

func TestAFetchThatFailsIsTriedAgain(t *testing.T) {
	r := newRig()
	r.log.FailNext(2, errors.New("no leader"))
	source := uuid.New()
	r.append(t, entry(source, 1))
	run(t, r.writer.Run)
	eventually(t, "it is stored", func() bool { return found(t, &r.archive, source) == 1 })
}
