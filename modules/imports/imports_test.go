package imports_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ampra/core/actor"
	"ampra/core/clock"
	"ampra/core/csvimport"
	"ampra/core/fault"
	"ampra/core/job"
	"ampra/core/live"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/imports"
	"ampra/test/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// later is a clock that runs as the machine's does, so long after it that files of
// today are of the past also where time begins anew in a test.
func later() time.Time { return time.Now().AddDate(40, 0, 0) }

// store is the journal: it keeps what it is given, or does what the test says.
type store struct {
	mu     sync.Mutex
	kept   []telemetry.Reading
	calls  int
	before func(ctx context.Context, call int) ([]error, error) // nil: all is kept
}

func (s *store) Store(ctx context.Context, _, _ uuid.UUID, readings []telemetry.Reading) ([]error, error) {
	s.mu.Lock()
	s.calls++
	call, before := s.calls, s.before
	s.mu.Unlock()
	var errs []error
	if before != nil {
		var err error
		if errs, err = before(ctx, call); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range readings {
		if errs == nil || errs[i] == nil {
			s.kept = append(s.kept, r)
		}
	}
	return errs, nil
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}

// file is an upload in memory that notes that it was closed.
type file struct {
	*strings.Reader
	closed chan struct{}
}

func newFile(text string) *file { return &file{strings.NewReader(text), make(chan struct{})} }

func (f *file) Close() error {
	close(f.closed) // twice would panic
	return nil
}

type utc struct{}

func (utc) Zone(context.Context, sunsource.SunSource) (*time.Location, sunsource.ZoneFrom, error) {
	return time.UTC, sunsource.ZoneFromDefault, nil
}

func (utc) Load(name string) (*time.Location, error) { return nil, fmt.Errorf("no zone %s", name) }

// told are the events.
type told struct {
	mu     sync.Mutex
	events []live.Event
}

func (p *told) Publish(_ context.Context, e live.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
}

type rig struct {
	*imports.Service
	store   *store
	jobs    *fake.Jobs
	records *fake.Records
	events  *told
	stop    func()
}

// newRig runs a service until the test ends or stop is called.
func newRig(t *testing.T, cfg imports.Config) *rig {
	t.Helper()
	r := &rig{store: &store{}, jobs: &fake.Jobs{}, records: fake.NewRecords(), events: &told{}}
	now := clock.Func(later)
	r.Service = imports.New(cfg, imports.Deps{
		Sources: r.records.SunSources, Jobs: r.jobs, Archive: &fake.Archive{}, Ingest: r.store, Zones: utc{}, Events: r.events,
		Clock: now, Random: rand.Reader, Failed: func(err error) { t.Errorf("told of: %v", err) },
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("running: %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// source makes a source of a user.
func (r *rig) source(t *testing.T, who actor.Actor) uuid.UUID {
	t.Helper()
	s := sunsource.SunSource{ID: uuid.New(), OwnerID: who.UserID, Name: "Roof", ConnectionType: sunsource.MQTT, Currency: "EUR"}
	if err := r.records.SunSources.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s.ID
}

func somebody() actor.Actor { return actor.Actor{UserID: uuid.New(), Role: actor.User} }

// rows is a file with so many readings.
func rows(n int) string {
	var b strings.Builder
	b.WriteString("timestamp,acPowerWatts\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,%d\n", 1_700_000_000+60*i, i)
	}
	return b.String()
}

// begin starts an import.
func (r *rig) begin(t *testing.T, who actor.Actor, source uuid.UUID, f *file, o csvimport.Options) (uuid.UUID, error) {
	t.Helper()
	place, err := r.Admit(t.Context(), who, source)
	if err != nil {
		return uuid.Nil, err
	}
	id, err := place.Start(t.Context(), f, f.Size(), o)
	if err != nil {
		place.Close()
	}
	return id, err
}

func (r *rig) must(t *testing.T, who actor.Actor, source uuid.UUID, f *file) uuid.UUID {
	t.Helper()
	id, err := r.begin(t, who, source, f, csvimport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (r *rig) job(t *testing.T, who actor.Actor, id uuid.UUID) job.Job {
	t.Helper()
	j, err := r.jobs.Get(t.Context(), who.UserID, id)
	if err != nil {
		t.Fatal(err)
	}
	return j.Seen(later())
}

func away() error { return fault.New(fault.Unavailable, "The journal is away.") }

func TestAnImportStoresItsReadingsSlowlyAndTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, who := newRig(t, imports.Config{Rate: 1000}), somebody()
		f := newFile(rows(5000))
		began := time.Now()
		id := r.must(t, who, r.source(t, who), f)
		<-time.After(2500 * time.Millisecond)
		synctest.Wait()
		if n := r.store.count(); n < 2000 || n > 3000 {
			t.Errorf("after 2.5 s at 1,000 a second %d are stored", n)
		}
		if j := r.job(t, who, id); j.State != job.Running || j.Progress <= 0 || j.Progress >= 1 {
			t.Errorf("half way it is %s at %g", j.State, j.Progress)
		}
		<-f.closed
		synctest.Wait()
		j := r.job(t, who, id)
		if took := time.Since(began); took < 4500*time.Millisecond || took > 6*time.Second {
			t.Errorf("it took %s", took)
		}
		if j.State != job.Done || j.Counts != (job.Counts{Rows: 5000, Accepted: 5000}) || j.Progress != 1 || r.store.count() != 5000 || r.Stored() != 5000 || r.Open() != 0 {
			t.Errorf("in the end it is %+v", j)
		}
		last := r.events.events[len(r.events.events)-1]
		if len(r.events.events) < 5 || last.Kind != live.JobMoved || last.Job.JobID != id || last.Job.State != "done" || last.SourceID != j.SourceID {
			t.Errorf("%d events, the last %+v", len(r.events.events), last)
		}
		r.stop()
	})
}

func TestAUsersImportsRunOneAfterAnotherAndOthersBeside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, one, other := newRig(t, imports.Config{OpenPerUser: 2, Open: 3}), somebody(), somebody()
		free := make(chan struct{})
		r.store.before = func(context.Context, int) ([]error, error) { <-free; return nil, nil }
		source, theirs := r.source(t, one), r.source(t, other)
		first, second := r.must(t, one, source, newFile(rows(1))), r.must(t, one, source, newFile(rows(1)))
		beside := r.must(t, other, theirs, newFile(rows(1)))
		synctest.Wait()
		for id, want := range map[uuid.UUID]job.State{first: job.Running, second: job.Queued} {
			if got := r.job(t, one, id).State; got != want {
				t.Errorf("it is %s, want %s", got, want)
			}
		}
		if got := r.job(t, other, beside).State; got != job.Running {
			t.Errorf("another's is %s", got)
		}
		if _, err := r.Admit(t.Context(), one, source); !fault.Is(err, fault.TooMany) {
			t.Errorf("a third of one user: %v", err)
		}
		third := somebody()
		if _, err := r.Admit(t.Context(), third, r.source(t, third)); !fault.Is(err, fault.TooMany) {
			t.Errorf("one more than are open: %v", err)
		}
		if _, err := r.Admit(t.Context(), other, source); !fault.Is(err, fault.NotFound) {
			t.Errorf("another's source: %v", err)
		}
		<-time.After(5 * job.Lease) // whoever waits or runs for long is alive all the same
		if a, b := r.job(t, one, first).State, r.job(t, one, second).State; a != job.Running || b != job.Queued {
			t.Errorf("after a while they are %s and %s", a, b)
		}
		close(free)
		<-time.After(time.Second)
		if a, b := r.job(t, one, first).State, r.job(t, one, second).State; a != job.Done || b != job.Done || r.Open() != 0 {
			t.Errorf("in the end they are %s and %s", a, b)
		}
		r.stop()
	})
}

func TestAJournalThatIsAwayIsWaitedForAndThenGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, who := newRig(t, imports.Config{Patience: time.Minute}), somebody()
		r.store.before = func(_ context.Context, call int) ([]error, error) {
			if call < 6 || call > 7 {
				return nil, away()
			}
			return nil, nil
		}
		f := newFile(rows(600)) // three batches: the third is never stored
		id := r.must(t, who, r.source(t, who), f)
		<-f.closed
		synctest.Wait()
		j := r.job(t, who, id)
		if j.State != job.Failed || !strings.Contains(j.Failure, "away for too long") || j.Counts.Accepted != 500 || r.store.count() != 500 {
			t.Errorf("it is %+v", j)
		}
		r.stop()
	})
}

func TestAnImportThatIsUnderWayWhenTheServerStopsHasFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, who := newRig(t, imports.Config{}), somebody()
		r.store.before = func(ctx context.Context, _ int) ([]error, error) { <-ctx.Done(); return nil, away() }
		source := r.source(t, who)
		running, waiting := newFile(rows(1)), newFile(rows(1))
		first, second := r.must(t, who, source, running), r.must(t, who, source, waiting)
		synctest.Wait()
		r.stop()
		<-running.closed
		<-waiting.closed
		for _, id := range []uuid.UUID{first, second} {
			if j := r.job(t, who, id); j.State != job.Failed || !strings.Contains(j.Failure, "server was stopped") {
				t.Errorf("it is %+v", j)
			}
		}
		if _, err := r.Admit(t.Context(), who, source); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a stopping server lets an upload begin: %v", err)
		}
	})
}

func TestAnImportEndsWhenItsSourceIsDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, who := newRig(t, imports.Config{Rate: 250}), somebody()
		source, f := r.source(t, who), newFile(rows(10_000))
		r.must(t, who, source, f)
		<-time.After(3 * time.Second)
		r.jobs.DeleteOf(source)
		<-f.closed
		if n := r.store.count(); n > 2000 {
			t.Errorf("%d readings were stored", n)
		}
		r.stop()
	})
}

func TestWhatTheJournalRefusesForGoodIsReportedWithItsLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, who := newRig(t, imports.Config{}), somebody()
		r.store.before = func(context.Context, int) ([]error, error) {
			return []error{nil, errors.New("too odd"), nil}, nil
		}
		f := newFile(rows(3))
		id := r.must(t, who, r.source(t, who), f)
		<-f.closed
		synctest.Wait()
		refused, err := r.jobs.Refused(t.Context(), who.UserID, id)
		if j := r.job(t, who, id); err != nil || j.State != job.Done || j.Counts != (job.Counts{Rows: 3, Accepted: 2, Rejected: 1}) || len(refused) != 1 || refused[0].Line != 3 {
			t.Errorf("it is %+v, refused %v, %v", j, refused, err)
		}
		r.stop()
	})
}

func TestAFaultOfOursEndsTheJobWithoutItsText(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	records, kept, who := fake.NewRecords(), &fake.Jobs{}, somebody()
	s := &store{before: func(context.Context, int) ([]error, error) { return nil, errors.New("password=hunter2") }}
	service := imports.New(imports.Config{}, imports.Deps{
		Sources: records.SunSources, Jobs: kept, Archive: &fake.Archive{}, Ingest: s, Zones: utc{}, Events: nil,
		Clock: clock.Func(later), Random: rand.Reader, Failed: func(err error) { failed <- err },
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	r := &rig{Service: service, jobs: kept, records: records}
	f := newFile(rows(1))
	id := r.must(t, who, r.source(t, who), f)
	<-f.closed
	if err := <-failed; !strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the log hears %v", err)
	}
	if j := r.job(t, who, id); j.State != job.Failed || strings.Contains(j.Failure, "hunter2") || j.Failure == "" {
		t.Errorf("it is %+v", j)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
